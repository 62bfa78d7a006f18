//! Clients from `PyPI`: Twisted, which is what Synapse federates with, and sslyze, which
//! looks for what is wrong with TLS.
//!
//! `VESTIBULE_CLIENTS_VENV`: the Python environment that has them (default `target/clients-venv`,
//! installed when missing). Where they cannot be had, a test says so and passes; where `CI` is set
//! it fails.

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{Door, Homeserver, Vestibule};

/// What sslyze looks at. Not resumption: it takes a ticket that is exchanged for one that is
/// refused.
const SCANS: [&str; 17] = [
    "--certinfo",
    "--sslv2",
    "--sslv3",
    "--tlsv1",
    "--tlsv1_1",
    "--tlsv1_2",
    "--tlsv1_3",
    "--compression",
    "--openssl_ccs",
    "--fallback",
    "--heartbleed",
    "--robot",
    "--reneg",
    "--elliptic_curves",
    "--ems",
    "--early_data",
    "--mozilla_config=intermediate",
];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/clients")
        .join(name)
}

/// The interpreter that has them; none where that cannot be.
fn python() -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("clients-venv");
    let folder = env::var_os("VESTIBULE_CLIENTS_VENV").map_or_else(default, PathBuf::from);
    let output = Command::new(file("install")).arg(&folder).output().unwrap();
    if output.status.success() {
        return Some(folder.join("bin/python"));
    }
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    let is_ci = env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
    assert!(
        !is_ci,
        "this machine cannot run it, and in CI that is a failure:\n{why}"
    );
    // Not eprintln!: the test harness would hide it, since the test passes.
    let line = format!("SKIPPED: this machine cannot run it:\n{why}\n");
    io::stderr().write_all(line.as_bytes()).unwrap();
    None
}

async fn run(mut command: Command) -> Output {
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    run.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn twisted_is_served_and_resumes_in_both_versions() {
    let Some(python) = tokio::task::spawn_blocking(python).await.unwrap() else {
        return;
    };
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for version in ["1.2", "1.3"] {
        let mut command = Command::new(&python);
        command
            .arg(file("agent.py"))
            .arg(vestibule.address(Door::Federation).port().to_string())
            .arg(vestibule.state().join("ca.pem"))
            .arg(version);
        let output = run(command).await;
        let said = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said, "200\n200\n", "{version}: {error}");
        for kind in ["full", "resumed"] {
            let labels = [&*format!("TLSv{version}"), kind];
            let handshakes = "vestibule_tls_handshakes_total";
            let count = vestibule.count(handshakes, &labels).await;
            assert_eq!(count, "1", "{labels:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sslyze_finds_nothing() {
    let Some(python) = tokio::task::spawn_blocking(python).await.unwrap() else {
        return;
    };
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let report = vestibule.state().join("sslyze.json");
    let mut command = Command::new(&python);
    command
        .args(["-m", "sslyze", "--sni", "matrix.example.com"])
        .args(SCANS)
        .arg("--certinfo_ca_file")
        .arg(vestibule.state().join("ca.pem"))
        .arg("--json_out")
        .arg(&report)
        .args([Door::Tls, Door::Federation].map(|door| vestibule.address(door).to_string()));
    let output = run(command).await;
    let said = String::from_utf8_lossy(&output.stdout);
    // It fails where a server is not what Mozilla calls intermediate.
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let servers = report["server_scan_results"].as_array().unwrap();
    assert_eq!(servers.len(), 2, "{said}");
    for server in servers {
        judge(&server["scan_result"]);
    }
}

fn judge(scan: &Value) {
    let result = |name: &str| {
        assert_eq!(scan[name]["status"], "COMPLETED", "{name}");
        &scan[name]["result"]
    };
    for old in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"] {
        let accepted = &result(&format!("{old}_cipher_suites"))["accepted_cipher_suites"];
        assert_eq!(accepted.as_array().unwrap().len(), 0, "{old}");
    }
    for (version, kind) in [("tls_1_2", "TLS_ECDHE_"), ("tls_1_3", "TLS_")] {
        let accepted = &result(&format!("{version}_cipher_suites"))["accepted_cipher_suites"];
        let suites = accepted.as_array().unwrap();
        assert_eq!(suites.len(), 3, "{version}");
        for suite in suites {
            let name = suite["cipher_suite"]["name"].as_str().unwrap();
            let is_aead = name.contains("_GCM_") || name.contains("_POLY1305_");
            assert!(name.starts_with(kind) && is_aead, "{name}");
        }
    }
    for (name, key, good) in [
        ("tls_compression", "supports_compression", false),
        ("tls_1_3_early_data", "supports_early_data", false),
        (
            "openssl_ccs_injection",
            "is_vulnerable_to_ccs_injection",
            false,
        ),
        ("heartbleed", "is_vulnerable_to_heartbleed", false),
        (
            "session_renegotiation",
            "supports_secure_renegotiation",
            true,
        ),
        (
            "session_renegotiation",
            "is_vulnerable_to_client_renegotiation_dos",
            false,
        ),
        ("tls_fallback_scsv", "supports_fallback_scsv", true),
        ("tls_extended_master_secret", "supports_ems_extension", true),
    ] {
        assert_eq!(result(name)[key], good, "{key}");
    }
    let robot = result("robot")["robot_result"].as_str().unwrap();
    assert!(robot.starts_with("NOT_VULNERABLE"), "{robot}");
    let chains = result("certificate_info")["certificate_deployments"]
        .as_array()
        .unwrap();
    let is_verified = |chain: &Value| {
        let paths = chain["path_validation_results"].as_array().unwrap();
        paths
            .iter()
            .any(|path| path["was_validation_successful"] == true)
    };
    assert!(!chains.is_empty() && chains.iter().all(is_verified));
}
