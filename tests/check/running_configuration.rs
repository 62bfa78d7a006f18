//! `--from-config`: the program itself, over loopback, under its own names; and what `run` makes of
//! that by itself.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::deployment::{Deployment, run, stub};
use super::homeserver::Homeserver;
use super::program::{Program, free_address};

/// `vestibule run` for `a.test`.
struct Run {
    program: Program,
    /// What it needs as long as it runs.
    _deployment: Deployment,
    file: String,
    admin: SocketAddr,
    log: std::path::PathBuf,
}

impl Run {
    /// Runs it in front of a stub, with more keys in its configuration.
    async fn start(more: &str, stub: SocketAddr) -> Self {
        let deployment = Deployment::new();
        let (web, federation, admin) = (free_address(), free_address(), free_address());
        let folder = deployment.path().display().to_string();
        let text = format!(
            "server_name = \"a.test\"
homeserver = \"http://{stub}\"
tls = \"internal\"
state_folder = \"{folder}/state\"
{more}
[admin]
address = \"{admin}\"
[access_log]
format = \"off\"
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
        Self {
            program,
            log: deployment
                .path()
                .join(format!("output-{}", federation.port())),
            file: file.display().to_string(),
            _deployment: deployment,
            admin,
        }
    }

    /// What `check --from-config` says of it.
    async fn checked(&self) -> super::report::Report {
        let arguments = ["--json", "--from-config", &self.file];
        run(arguments.map(str::to_owned).to_vec()).await
    }

    /// What the admin listener answers.
    async fn admin(&self, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(self.admin).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// The reports of its self-check, as soon as there are any.
    async fn self_check(&self) -> Vec<Value> {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let answer: Value = serde_json::from_str(&self.admin("/self-check").await).unwrap();
            let reports = answer["reports"].as_array().unwrap();
            if !reports.is_empty() {
                return reports.clone();
            }
            assert!(Instant::now() < deadline, "no self-check: {}", self.said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Its log, as soon as that has `line`.
    async fn logs(&self, line: &str) -> String {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !self.said().contains(line) {
            assert!(Instant::now() < deadline, "no {line:?}: {}", self.said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.said()
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

#[tokio::test]
async fn a_delegated_server_is_healthy() {
    let run = Run::start("delegate = \"matrix.a.test:443\"", stub().await).await;
    run.checked().await.finds(&[]);
}

#[tokio::test]
async fn a_server_on_port_8448_is_healthy() {
    Run::start("", stub().await)
        .await
        .checked()
        .await
        .finds(&[]);
}

#[tokio::test]
async fn the_admin_api_for_this_machine_is_no_leak() {
    let route = "[[routes]]\npath = \"/_synapse/admin\"\nhomeserver = true\n\
                 networks = [\"127.0.0.0/8\"]";
    Run::start(route, stub().await)
        .await
        .checked()
        .await
        .finds(&[]);
}

#[tokio::test]
async fn a_healthy_program_says_so_of_itself() {
    let run = Run::start("", stub().await).await;
    let reports = run.self_check().await;
    assert_eq!(reports[0]["server_name"], "a.test");
    assert_eq!(reports[0]["verdict"], "healthy", "{reports:#?}");
    let schema = super::deployment::program(&["--schema".to_owned()])
        .output()
        .unwrap()
        .stdout;
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let mismatches = super::schema::mismatches(&reports[0], &schema, &schema);
    assert!(mismatches.is_empty(), "{mismatches:#?}");
    let log = run.logs("self-check: other servers and clients").await;
    assert!(!log.contains("finding="), "{log}");
    let metrics = run.admin("/metrics").await;
    assert!(
        metrics.contains("\nvestibule_self_check_findings{severity=\"error\"} 0\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\nvestibule_self_check_timestamp_seconds 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_program_in_front_of_another_homeserver_warns() {
    let stub = Homeserver::new("b.test").start().await;
    let run = Run::start("", stub).await;
    let reports = run.self_check().await;
    assert_eq!(reports[0]["findings"][0]["id"], "key.server_name");
    let log = run.logs("finding=key.server_name").await;
    let warnings: Vec<_> = log
        .lines()
        .filter(|line| line.contains("finding="))
        .collect();
    assert_eq!(warnings.len(), 1, "{log}");
    let warning = warnings[0];
    assert!(
        warning.contains(" WARN ") && warning.contains("a.test"),
        "{warning}"
    );
    assert!(
        warning.contains("mend it: server_name = \"a.test\""),
        "{warning}"
    );
    let metrics = run.admin("/metrics").await;
    assert!(
        metrics.contains("\nvestibule_self_check_findings{severity=\"error\"} 1\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn another_configuration_is_checked_too() {
    let first = stub().await;
    let run = Run::start("", first).await;
    run.logs("self-check: other servers and clients").await;
    let other = Homeserver::new("b.test").start().await;
    let text = std::fs::read_to_string(&run.file).unwrap();
    let text = text.replace(&first.to_string(), &other.to_string());
    std::fs::write(&run.file, text).unwrap();
    run.program.signal("HUP");
    run.logs("finding=key.server_name").await;
    let reports = run.self_check().await;
    assert_eq!(reports[0]["verdict"], "broken", "{reports:#?}");
}

#[tokio::test]
async fn a_homeserver_that_is_yet_to_start_is_waited_for() {
    let later = free_address();
    let run = Run::start("", later).await;
    let reports = run.self_check().await;
    assert_eq!(reports[0]["verdict"], "broken", "{reports:#?}");
    assert!(!run.said().contains("finding="), "{}", run.said());
    Homeserver::new("a.test").start_at(later).await;
    let log = run.logs("self-check: other servers and clients").await;
    assert!(!log.contains("finding="), "{log}");
}

#[tokio::test]
async fn who_wants_no_self_check_has_none() {
    let run = Run::start("self_check = false", stub().await).await;
    assert_eq!(run.admin("/self-check").await, "{\n  \"reports\": []\n}\n");
    assert!(!run.admin("/metrics").await.contains("self_check"));
}
