//! Real Synapse behind nginx: its errors are what the checks are built on.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::deployment::{Deployment, Kind, V4, V6};
use super::nginx::Nginx;
use super::program::{Program, free_address};

/// The Python of an environment with Synapse, made where it is missing.
fn python() -> Option<PathBuf> {
    let folder = std::env::var_os("VESTIBULE_SYNAPSE_VENV").map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("synapse-venv"),
        PathBuf::from,
    );
    let install = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/demo/install-synapse");
    let output = Command::new(install).arg(&folder).output().unwrap();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            std::env::var_os("CI").is_none(),
            "Synapse is missing: {said}"
        );
        println!("not run: Synapse is missing: {said}");
        return None;
    }
    Some(folder.join("bin/python"))
}

/// A Synapse of `a.test`; its address, and the file with its signing key.
async fn synapse(deployment: &mut Deployment) -> Option<(std::net::SocketAddr, PathBuf)> {
    let python = python()?;
    let address = free_address();
    let folder = deployment.path().display().to_string();
    let key = deployment.write("synapse.key", &super::homeserver::signing_key());
    let config = serde_json::json!({
        "server_name": "a.test",
        "public_baseurl": "https://matrix.a.test",
        "report_stats": false,
        "listeners": [{
            "type": "http", "port": address.port(), "bind_addresses": ["127.0.0.1"], "x_forwarded": true,
            "resources": [{ "names": ["client", "federation"] }],
        }],
        "database": { "name": "sqlite3", "args": { "database": format!("{folder}/synapse.db") } },
        "media_store_path": format!("{folder}/media"),
        "signing_key_path": key,
        "trusted_key_servers": [],
        "pid_file": format!("{folder}/synapse.pid"),
        "cas_config": { "enabled": true, "server_url": "https://cas.invalid" },
        "registration_shared_secret": "zoo", "macaroon_secret_key": "zoo", "form_secret": "zoo",
    });
    let file = deployment.write("homeserver.yaml", &config.to_string());
    let mut command = Command::new(python);
    command
        .current_dir(deployment.path())
        .args(["-m", "synapse.app.homeserver", "-c"])
        .arg(file);
    let program = Program::start(command, deployment.path(), address).await;
    deployment.keep(program);
    Some((address, key))
}

async fn finds(change: impl Fn(&mut Nginx), ids: &[&str]) {
    let mut deployment = Deployment::new().with_certificate();
    let Some((address, key)) = synapse(&mut deployment).await else {
        return;
    };
    let mut nginx = Nginx::default();
    change(&mut nginx);
    let Some(listen) = deployment.start(Kind::Nginx, &nginx.text(), address).await else {
        return;
    };
    deployment.route(V4, 443, listen);
    deployment.route(V6, 443, listen);
    deployment
        .arguments
        .extend(["--signing-key".into(), key.display().to_string()]);
    deployment.check().await.finds(ids);
}

#[tokio::test]
async fn a_healthy_one_is_clean() {
    finds(|_| {}, &[]).await;
}

#[tokio::test]
async fn decoded_slashes_are_told() {
    let matrix = Nginx::default().matrix;
    let matrix = matrix.replace(
        "location ~ ^(/_matrix|/_synapse/client)",
        "location /_matrix/",
    );
    let matrix = matrix.replace("http://$stub", "http://$stub/_matrix/");
    finds(|nginx| nginx.matrix.clone_from(&matrix), &["path.decoded"]).await;
}

#[tokio::test]
async fn a_loop_of_single_sign_on_is_told() {
    let matrix = Nginx::default()
        .matrix
        .replace("$http_host", "$host:$server_port");
    finds(|nginx| nginx.matrix.clone_from(&matrix), &["fwd.loop"]).await;
}

#[tokio::test]
async fn an_open_admin_api_is_told() {
    let matrix = Nginx::default()
        .matrix
        .replace("/_synapse/client", "/_synapse");
    finds(|nginx| nginx.matrix.clone_from(&matrix), &["leak.admin"]).await;
}
