//! What Synapse itself reads in `X-Matrix` headers, beside what we do: never another server.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde::Deserialize;
use vestibule::matrix::{Credentials, credentials};

use super::{NoWorld, install_synapse, missing, script};

#[path = "../../src/matrix/x_matrix/samples.rs"]
mod samples;

const REQUESTS: usize = 8_000;

/// What Synapse would verify.
#[derive(Debug, Deserialize)]
struct Verified {
    origin: String,
    /// By key id, in hexadecimal.
    signatures: BTreeMap<String, String>,
    destinations: Vec<String>,
}

#[test]
fn synapse_reads_no_other_server_in_a_clear_header() {
    let requests = requests();
    let lines = requests.iter().map(|headers| {
        let headers: Vec<String> = headers.iter().map(|header| hex(header)).collect();
        headers.join(" ")
    });
    let Some(answers) = ask(lines).unwrap() else {
        return;
    };
    let (mut clear, mut accepted) = (0, 0);
    for (headers, answer) in requests.iter().zip(&answers) {
        let theirs: Option<Verified> = serde_json::from_str(answer).unwrap();
        let ours = credentials(headers.iter().map(|header| &**header));
        let shown = || {
            let headers = headers.iter().map(|h| String::from_utf8_lossy(h));
            headers.collect::<Vec<_>>()
        };
        accepted += usize::from(theirs.is_some());
        match (ours, theirs) {
            (Credentials::Clear(ours), Some(theirs)) => {
                clear += 1;
                let read = (
                    ours.origin().as_sent(),
                    vec![(ours.key_id(), hex(ours.signature()))],
                    ours.destination().into_iter().collect::<Vec<_>>(),
                );
                let signatures = theirs.signatures.iter();
                let synapse = (
                    &*theirs.origin,
                    signatures.map(|(key, s)| (&**key, s.clone())).collect(),
                    theirs.destinations.iter().map(|d| &**d).collect(),
                );
                assert_eq!(read, synapse, "{:?}", shown());
            }
            (Credentials::None, Some(theirs)) => panic!("{theirs:?} in {:?}", shown()),
            (_, None) | (Credentials::Ambiguous, Some(_)) => {}
        }
    }
    // Else the samples would be too odd to tell anything.
    assert!(clear > REQUESTS / 10, "{clear} of {accepted}");
    assert!(accepted - clear > REQUESTS / 20, "{clear} of {accepted}");
}

#[test]
fn what_synapse_writes_is_clear() {
    let names = [
        "a.example",
        "A.example:8448",
        "[2001:db8::1]:8448",
        "10.0.0.1",
    ];
    let lines = names.map(|name| format!("write {name} d.example a_xYz0"));
    let Some(answers) = ask(lines.into_iter()).unwrap() else {
        return;
    };
    for (name, answer) in names.into_iter().zip(answers) {
        let header: String = serde_json::from_str(&answer).unwrap();
        let header: Vec<u8> = (0..header.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&header[at..at + 2], 16).unwrap())
            .collect();
        let Credentials::Clear(read) = credentials([&*header]) else {
            panic!("{}", String::from_utf8_lossy(&header));
        };
        assert_eq!(read.origin().as_sent(), name);
        assert_eq!(read.destination(), Some("d.example"));
        assert_eq!(read.key_id(), "ed25519:a_xYz0");
    }
}

/// The `Authorization` headers of requests, mostly one.
fn requests() -> Vec<Vec<Vec<u8>>> {
    let requests = prop_oneof![
        12 => proptest::collection::vec(samples::header(), 1),
        1 => proptest::collection::vec(samples::header(), 2..4),
    ];
    let mut runner = TestRunner::deterministic();
    (0..REQUESTS)
        .filter_map(|_| Some(requests.new_tree(&mut runner).ok()?.current()))
        // No head gate lets them through.
        .filter(|headers| !headers.iter().flatten().any(|byte| *byte == 0))
        .collect()
}

/// Synapse's answers; none where the machine has no Synapse.
fn ask(
    lines: impl Iterator<Item = String>,
) -> Result<Option<Vec<String>>, Box<dyn std::error::Error>> {
    let python = match install_synapse() {
        Ok(python) => python,
        Err(NoWorld::Broken(why)) => return Err(why.into()),
        Err(NoWorld::Missing(what)) => {
            missing("headers", &what)?;
            return Ok(None);
        }
    };
    let mut process = Command::new(python)
        .arg(script("headers.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let lines: Vec<String> = lines.collect();
    let asked = lines.len();
    let mut input = process.stdin.take().ok_or("no standard input")?;
    // It answers while it is asked, and would wait for a reader.
    let writer = std::thread::spawn(move || input.write_all((lines.join("\n") + "\n").as_bytes()));
    let output = process.wait_with_output()?;
    writer.join().map_err(|_| "the writer panicked")??;
    let answers = String::from_utf8(output.stdout)?;
    let answers: Vec<String> = answers.lines().map(str::to_owned).collect();
    if answers.len() == asked {
        return Ok(Some(answers));
    }
    Err(format!("{} answers to {asked} questions", answers.len()).into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
