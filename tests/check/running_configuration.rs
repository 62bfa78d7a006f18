//! `--from-config`: the program itself, over loopback, under its own names.

use std::process::Command;

use super::deployment::{Deployment, run, stub};
use super::program::{Program, free_address};

/// Runs `vestibule run` for `a.test`, and checks it by its own configuration.
async fn checked(more: &str) -> super::report::Report {
    let mut deployment = Deployment::new();
    let (web, federation) = (free_address(), free_address());
    let folder = deployment.path().display().to_string();
    let stub = stub().await;
    let text = format!(
        "server_name = \"a.test\"
homeserver = \"http://{stub}\"
tls = \"internal\"
state_folder = \"{folder}/state\"
{more}
[admin]
address = \"off\"
[[listeners]]
address = \"{web}\"
tls = true
profile = \"both\"
[[listeners]]
address = \"{federation}\"
tls = true
profile = \"federation\"
"
    );
    let file = deployment.write("vestibule.toml", &text);
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.arg("run").arg("--config").arg(&file);
    let program = Program::start(command, deployment.path(), federation).await;
    deployment.keep(program);
    let arguments = ["--json", "--from-config", file.to_str().unwrap()];
    run(arguments.map(str::to_owned).to_vec()).await
}

#[tokio::test]
async fn a_delegated_server_is_healthy() {
    checked("delegate = \"matrix.a.test:443\"").await.finds(&[]);
}

#[tokio::test]
async fn a_server_on_port_8448_is_healthy() {
    checked("").await.finds(&[]);
}
