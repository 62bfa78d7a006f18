//! Other forms of the report, and the watch.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use super::deployment::{Deployment, program};
use super::nginx::Nginx;

async fn said(deployment: &Deployment, more: &[&str]) -> (String, Option<i32>) {
    let mut arguments = deployment.network().await;
    arguments.extend(more.iter().map(|one| (*one).to_owned()));
    arguments.push("a.test".to_owned());
    let run = tokio::task::spawn_blocking(move || program(&arguments).output().unwrap());
    let output = run.await.unwrap();
    (
        String::from_utf8(output.stdout).unwrap(),
        output.status.code(),
    )
}

#[tokio::test]
async fn a_person_reads_what_is_wrong_and_what_mends_it() {
    let nginx = Nginx {
        matrix: "location / { proxy_pass http://127.0.0.1:1; }".into(),
        ..Nginx::default()
    };
    let Some(deployment) = nginx.deploy().await else {
        return;
    };
    let (text, code) = said(&deployment, &[]).await;
    assert_eq!(code, Some(2));
    let mut lines = text.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("a.test: federation is broken ("),
        "{text}"
    );
    assert!(text.contains("\nerror http.upstream\n"), "{text}");
    assert!(
        text.contains("\n    fix  curl http://127.0.0.1:8008/health"),
        "{text}"
    );
    assert!(!text.contains('\x1b'), "{text}");
}

#[tokio::test]
async fn a_test_harness_reads_tap() {
    let Some(deployment) = Nginx::default().deploy().await else {
        return;
    };
    let (text, code) = said(&deployment, &["--tap"]).await;
    assert_eq!(code, Some(0));
    assert!(text.starts_with("TAP version 14\n1.."), "{text}");
    assert!(
        text.contains(" - path\n") && !text.contains("not ok"),
        "{text}"
    );
    assert!(
        text.contains(" - sig # SKIP no --signing-key was given\n"),
        "{text}"
    );
}

#[tokio::test]
async fn readers_of_the_public_tester_read_its_shape() {
    let Some(deployment) = Nginx::default().deploy().await else {
        return;
    };
    let (text, _) = said(&deployment, &["--compat", "federation-tester"]).await;
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["FederationOK"], true);
    assert_eq!(report["WellKnownResult"]["m.server"], "matrix.a.test:443");
    assert_eq!(report["Version"]["name"], "Synapse");
    let connection = &report["ConnectionReports"]["198.51.100.1:443"];
    assert_eq!(connection["Checks"]["AllChecksOK"], true, "{report:#}");
    assert_eq!(
        connection["Checks"]["Ed25519Checks"]["ed25519:zoo"]["MatchingSignature"],
        true
    );
    let mut report = report;
    stable(&mut report);
    insta::assert_snapshot!(format!("{report:#}"));
}

#[tokio::test]
async fn the_public_tester_has_an_error_of_who_has_no_keys() {
    let nginx = Nginx {
        matrix: "location / { return 404; }".into(),
        ..Nginx::default()
    };
    let Some(deployment) = nginx.deploy().await else {
        return;
    };
    let (text, code) = said(&deployment, &["--compat", "federation-tester"]).await;
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, Some(2));
    assert_eq!(report["FederationOK"], false);
    assert_eq!(report["ConnectionReports"], serde_json::json!({}));
    let error = &report["ConnectionErrors"]["198.51.100.1:443"]["Message"];
    assert!(error.as_str().unwrap().contains("404"), "{report:#}");
}

#[tokio::test]
async fn the_words_of_the_far_side_are_ascii() {
    let mut homeserver = super::homeserver::Homeserver::new("a.test");
    homeserver.alter = |document| {
        document["old_verify_keys"]["ed25519:\u{9b}2J"] =
            serde_json::json!({ "\u{1b}c": "\u{202e}" });
    };
    let Some(deployment) = super::key_faults::deployed(homeserver).await else {
        return;
    };
    for form in [
        &["--compat", "federation-tester"][..],
        &["--json"],
        &["--tap"],
        &[],
    ] {
        let (text, _) = said(&deployment, form).await;
        let is_plain = |c: char| c == '\n' || (' '..='~').contains(&c);
        assert!(text.chars().all(is_plain), "{form:?}: {text:?}");
    }
}

#[tokio::test]
async fn the_watch_serves_metrics_and_ends_when_told() {
    let Some(deployment) = Nginx::default().deploy().await else {
        return;
    };
    let mut arguments = deployment.network().await;
    let more = ["--watch", "600", "--metrics", "127.0.0.1:0", "a.test"];
    arguments.extend(more.map(str::to_owned));
    let mut child = program(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let run = tokio::task::spawn_blocking(move || {
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut address = String::new();
        stderr.read_line(&mut address).unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = address.trim().strip_prefix("metrics on http://").unwrap();
        let address = address.strip_suffix("/metrics").unwrap();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        std::io::Write::write_all(&mut stream, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        std::process::Command::new("kill")
            .arg(child.id().to_string())
            .status()
            .unwrap();
        (line, answer, child.wait().unwrap().code())
    });
    let (line, answer, code) = run.await.unwrap();
    assert!(line.contains(" a.test ok "), "{line}");
    assert!(
        answer.contains("\nvestibule_check_ok{server_name=\"a.test\"} 1\n"),
        "{answer}"
    );
    assert!(
        answer.contains("vestibule_check_certificate_expiry_timestamp_seconds{"),
        "{answer}"
    );
    assert_eq!(code, Some(0));
}

/// Replaces what differs from run to run.
fn stable(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                let changes = [
                    "checked_at",
                    "took_ms",
                    "connect_ms",
                    "not_before",
                    "not_after",
                    "sha256",
                    "keys_valid_until",
                    "CacheExpiresAt",
                    "SHA256Fingerprint",
                    "valid_until_ts",
                    "signatures",
                ];
                if changes.contains(&key.as_str()) {
                    *value = format!("<{key}>").into();
                } else {
                    stable(value);
                }
            }
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(stable),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => {}
    }
}

#[tokio::test]
async fn the_report_is_stable() {
    let Some(deployment) = Nginx::default().deploy().await else {
        return;
    };
    let mut report = deployment.check().await.json;
    let schema = program(&["--schema".to_owned()]).output().unwrap().stdout;
    let schema: serde_json::Value = serde_json::from_slice(&schema).unwrap();
    let mismatches = super::schema::mismatches(&report, &schema, &schema);
    assert!(mismatches.is_empty(), "{mismatches:#?}");
    stable(&mut report);
    insta::assert_snapshot!(format!("{report:#}"));
}
