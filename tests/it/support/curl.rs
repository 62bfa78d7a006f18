//! `curl`, where it is what a user would run.

use std::process::{Command, Stdio};

use super::request::HOST;
use super::vestibule::{Door, Vestibule};
use super::within;

/// What `curl` made of an answer.
#[derive(Debug)]
pub(crate) struct Curl {
    /// `curl`'s own exit code, 0 where it is content.
    pub(crate) exit: Option<i32>,
    pub(crate) status: u16,
    /// `1.1` or `2`.
    pub(crate) version: String,
    pub(crate) body: String,
    #[expect(dead_code, reason = "shown when a test fails")]
    pub(crate) complaint: String,
}

/// Runs `curl` for `target` through a door with TLS, with more `arguments`.
pub(crate) async fn curl(
    vestibule: &Vestibule,
    door: Door,
    target: &str,
    arguments: &[&str],
) -> Curl {
    let port = vestibule.address(door).port();
    let mut command = Command::new("curl");
    command
        .args([
            "--silent",
            "--show-error",
            "--path-as-is",
            "--max-time",
            "10",
        ])
        .args(["--write-out", "\n%{http_code} %{http_version}"])
        .args(["--resolve", &format!("{HOST}:{port}:127.0.0.1")])
        .arg("--cacert")
        .arg(vestibule.state().join("ca.pem"))
        .args(arguments)
        .arg(format!("https://{HOST}:{port}{target}"))
        .stdin(Stdio::null());
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = within("curl ends", run)
        .await
        .unwrap()
        .expect("curl is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, summary) = text.rsplit_once('\n').expect("curl's summary");
    let (status, version) = summary.split_once(' ').expect("curl's summary");
    Curl {
        exit: output.status.code(),
        status: status.parse().unwrap(),
        version: version.to_owned(),
        body: body.to_owned(),
        complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
