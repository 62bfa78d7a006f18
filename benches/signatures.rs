//! What it costs to verify the signature of a request while its body passes, beside the bare verification of the same
//! bytes at once: `cargo bench --bench signatures`.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench that cannot run ends, and its result is what it prints"
)]

use std::env;
use std::hint::black_box;
use std::time::Instant;

use base64::Engine as _;
use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _, VerifyingKey};
use serde_json::{Value, json};
use vestibule::matrix::canonical_json::canonical;
use vestibule::matrix::signature::{SignedRequest, Verdict, Verification, VerifyKey};
use vestibule::matrix::{BASE64, Credentials, XMatrix, credentials};

const TARGET: &str = "/_matrix/federation/v1/send/1700000000000-12345";
/// As they come off the wire.
const PIECE: usize = 16 * 1024;
/// Of a body, so much is kept until its end; nothing where its length is announced as more.
const LIMIT: usize = 1024 * 1024;

/// A signed request.
struct Case {
    title: &'static str,
    method: &'static str,
    body: Vec<u8>,
    /// The same in another order.
    rewritten: Vec<u8>,
    /// What is signed.
    message: Vec<u8>,
    signature: Signature,
    x_matrix: XMatrix,
    bare: VerifyingKey,
    key: VerifyKey,
}

fn main() {
    // `cargo test --benches` wants to see that it works.
    let is_bench = env::args().any(|argument| argument == "--bench");
    let rounds = if is_bench { 101 } else { 1 };
    println!("microseconds              bytes    bare  as it passes  ratio   written anew  ratio");
    for case in cases() {
        let (mut bare, mut passing, mut anew) = (f64::MAX, f64::MAX, f64::MAX);
        // They take turns, and the fastest counts, which other work on the machine has not disturbed.
        for _ in 0..rounds {
            bare = bare.min(microseconds(|| case.verify_at_once()));
            passing = passing.min(microseconds(|| case.verify(&case.body)));
            if case.is_written_anew() {
                anew = anew.min(microseconds(|| case.verify(&case.rewritten)));
            }
        }
        let anew = if case.is_written_anew() {
            format!("{anew:>12.1} {:>6.2}", anew / bare)
        } else {
            String::new()
        };
        println!(
            "{:<20} {:>10} {bare:>7.1} {passing:>13.1} {:>6.2}   {anew}",
            case.title,
            case.message.len(),
            passing / bare,
        );
    }
}

fn microseconds(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    call();
    start.elapsed().as_secs_f64() * 1e6
}

impl Case {
    fn new(title: &'static str, method: &'static str, content: Option<&Value>) -> Self {
        let key = SigningKey::from_bytes(&[7; 32]);
        let mut signed = json!({
            "destination": "matrix.example.org",
            "method": method,
            "origin": "remote.example.com",
            "uri": TARGET,
        });
        if let (Some(content), Some(signed)) = (content, signed.as_object_mut()) {
            signed.insert("content".to_owned(), content.clone());
        }
        let message = canonical(&signed).into_bytes();
        let signature = key.sign(&message);
        let header = format!(
            "X-Matrix origin=\"remote.example.com\",key=\"ed25519:a_AbCd\",sig=\"{}\",\
             destination=\"matrix.example.org\"",
            BASE64.encode(signature.to_bytes())
        );
        let Credentials::Clear(x_matrix) = credentials([header.as_bytes()]) else {
            panic!("{header} is clear");
        };
        let body = content.map(canonical).unwrap_or_default().into_bytes();
        let rewritten = content
            .map(Value::to_string)
            .unwrap_or_default()
            .into_bytes();
        Self {
            title,
            method,
            body,
            rewritten,
            message,
            signature,
            x_matrix: *x_matrix,
            bare: key.verifying_key(),
            key: VerifyKey::new(key.verifying_key().as_bytes()).expect("the key is sound"),
        }
    }

    /// Nothing is where there is no body, or more than is kept of it.
    fn is_written_anew(&self) -> bool {
        (1..LIMIT).contains(&self.body.len())
    }

    fn verify_at_once(&self) {
        let verified = self.bare.verify(black_box(&self.message), &self.signature);
        assert!(verified.is_ok());
    }

    fn verify(&self, body: &[u8]) {
        let request = SignedRequest {
            method: self.method,
            target: TARGET.as_bytes(),
            destination: "matrix.example.org",
        };
        let limit = if body.len() > LIMIT { 0 } else { LIMIT };
        let mut verification = Verification::begin(&request, &self.x_matrix, &self.key, limit);
        for piece in black_box(body).chunks(PIECE) {
            verification.update(piece);
        }
        assert!(matches!(verification.finish(), Verdict::Verified(_)));
    }
}

fn cases() -> Vec<Case> {
    let written = |title, content: &Value| Case::new(title, "PUT", Some(content));
    vec![
        Case::new("GET", "GET", None),
        written("1 PDU", &transaction(1, 0, 600)),
        written("50 PDUs, 100 EDUs", &transaction(50, 100, 600)),
        written("50 PDUs of 20 KB", &transaction(50, 0, 20_000)),
        written("50 PDUs of 60 KB", &transaction(50, 0, 60_000)),
    ]
}

/// A transaction in the order of the specification's examples, which is not the canonical one.
fn transaction(pdus: usize, edus: usize, text: usize) -> Value {
    json!({
        "origin": "remote.example.com",
        "origin_server_ts": 1_700_000_000_000_u64,
        "pdus": (0..pdus).map(|number| pdu(number, text)).collect::<Vec<_>>(),
        "edus": (0..edus).map(edu).collect::<Vec<_>>(),
    })
}

fn pdu(number: usize, text: usize) -> Value {
    let words = "Lorem ipsum dolor sit amet, \"consectetur\" adipiscing elit, sed do eiusmod tempor \
                 incididunt ut labore et dolore magna aliqua. Ut enim ad minim veniam. \u{1f6aa}\n";
    let body: String = words.chars().cycle().take(text).collect();
    json!({
        "type": "m.room.message",
        "room_id": "!abcdefghijklmnopqr:example.com",
        "sender": "@alice:remote.example.com",
        "content": {"msgtype": "m.text", "body": body},
        "depth": 12_345 + number,
        "prev_events": ["$0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"],
        "auth_events": [
            "$1123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
            "$2123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
            "$3123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
        ],
        "origin": "remote.example.com",
        "origin_server_ts": 1_700_000_000_000_usize + number,
        "hashes": {"sha256": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"},
        "signatures": {"remote.example.com": {"ed25519:a_AbCd":
            "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz01234567"}},
        "unsigned": {"age": 123 + number},
    })
}

fn edu(number: usize) -> Value {
    json!({
        "edu_type": "m.receipt",
        "content": {"!abcdefghijklmnopqr:example.com": {"m.read": {
            format!("@user{number}:remote.example.com"): {
                "event_ids": ["$0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"],
                "data": {"ts": 1_700_000_000_000_usize + number, "thread_id": "main"},
            },
        }}},
    })
}
