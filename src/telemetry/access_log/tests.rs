use std::io::{self, Write};
use std::sync::mpsc;
use std::time::Instant;

use http::Method;

use super::*;
use crate::matrix::ServerName;
use crate::telemetry::record::{Name, Outcome};

const TOKEN: &str = "syt_YWxpY2U_PlantedTokenPlanted_1abcde";

/// What a record borrows.
struct Names {
    listener: Arc<str>,
    site: Arc<str>,
    upstream: Arc<str>,
    origin: ServerName,
}

impl Names {
    fn new() -> Self {
        Self {
            listener: "*:443".into(),
            site: "example.com".into(),
            upstream: "main".into(),
            origin: "remote.example:8448".parse().unwrap(),
        }
    }

    fn record(&self) -> AccessRecord<'_> {
        AccessRecord {
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_000_000_042),
            request_id: "01hx",
            client: Some([198, 51, 100, 7].into()),
            listener: &self.listener,
            protocol: "HTTP/2",
            tls_version: Some("TLSv1.3"),
            site: Some(&self.site),
            method: Some(&Method::PUT),
            endpoint: Some(Name::from("/_matrix/federation/v1/send/{txnId}")),
            class: Some("federation_send"),
            status: 200,
            bytes_in: 5120,
            bytes_out: 12,
            duration: Duration::from_micros(12_345),
            upstream: Some(&self.upstream),
            group: Some("client_reader"),
            placed_by: Some("key"),
            budget: None,
            shaped: None,
            queued: None,
            held: Some(Duration::from_millis(1500)),
            upstream_connect: Some(Duration::from_micros(420)),
            upstream_first_byte: Some(Duration::from_micros(11_007)),
            origin: Some(&self.origin),
            signature: Some("verified"),
            would_refuse: None,
            rule: None,
            user: Some(0x0123_4567_89ab_cdef),
            outcome: Outcome::Served,
            user_agent: Some(b"Synapse/1.150.0 \"q\""),
        }
    }
}

fn line(entry: &Entry, format: LogFormat) -> String {
    let mut line = Vec::new();
    line::write(&mut line, entry, format).unwrap();
    String::from_utf8(line).unwrap()
}

#[test]
fn text_has_a_short_head_and_named_fields() {
    let entry = Entry::new(&Names::new().record());
    insta::assert_snapshot!(line(&entry, LogFormat::Text), @r#"2026-11-18T11:06:40.042Z 198.51.100.7 PUT 200 /_matrix/federation/v1/send/{txnId} 12.345ms site=example.com class=federation_send origin=remote.example:8448 signature=verified user=0123456789abcdef upstream=main group=client_reader placed_by=key held_ms=1500.000 connect_ms=0.420 first_byte_ms=11.007 bytes_in=5120 bytes_out=12 listener=*:443 protocol=HTTP/2 tls=TLSv1.3 request_id=01hx user_agent="Synapse/1.150.0 \"q\"""#);
}

#[test]
fn json_has_the_same_fields() {
    let entry = Entry::new(&Names::new().record());
    let line = line(&entry, LogFormat::Json);
    insta::assert_snapshot!(line, @r#"{"time":"2026-11-18T11:06:40.042Z","client":"198.51.100.7","method":"PUT","status":200,"endpoint":"/_matrix/federation/v1/send/{txnId}","duration_ms":12.345,"site":"example.com","class":"federation_send","origin":"remote.example:8448","signature":"verified","user":"0123456789abcdef","upstream":"main","group":"client_reader","placed_by":"key","held_ms":1500.000,"connect_ms":0.420,"first_byte_ms":11.007,"bytes_in":5120,"bytes_out":12,"listener":"*:443","protocol":"HTTP/2","tls":"TLSv1.3","request_id":"01hx","user_agent":"Synapse/1.150.0 \"q\""}"#);
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["duration_ms"], 12.345);
}

#[test]
fn every_field_is_documented_in_its_order() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OBSERVABILITY.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, table) = page
        .split_once("<!-- fields of the access log -->")
        .unwrap();
    let (table, _) = table.split_once("<!-- end -->").unwrap();
    let rows = table.lines().filter_map(|row| row.strip_prefix("| `"));
    let documented: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    let entry = Entry::new(&Names::new().record());
    assert_eq!(documented, entry.fields().map(|(name, _)| name));
}

#[test]
fn a_refused_head_has_a_line_without_endpoint() {
    let time = SystemTime::UNIX_EPOCH;
    let entry = Entry::refused_head(time, "unix:/run/a b", None, 431, "head_too_large");
    insta::assert_snapshot!(line(&entry, LogFormat::Text), @r#"1970-01-01T00:00:00.000Z - - 431 - 0.000ms refused=head_too_large bytes_in=0 bytes_out=0 listener="unix:/run/a b""#);
    insta::assert_snapshot!(line(&entry, LogFormat::Json), @r#"{"time":"1970-01-01T00:00:00.000Z","status":431,"duration_ms":0.000,"refused":"head_too_large","bytes_in":0,"bytes_out":0,"listener":"unix:/run/a b"}"#);
}

#[test]
fn failures_are_named_and_other_fields_left_out() {
    let names = Names::new();
    let entry = Entry::new(&AccessRecord {
        client: Some("2001:db8::1".parse().unwrap()),
        endpoint: Some(Name::Configured("/livekit/sfu".into())),
        outcome: Outcome::Failed("client_left"),
        status: 499,
        site: None,
        upstream: None,
        group: None,
        placed_by: None,
        budget: None,
        shaped: None,
        queued: None,
        held: None,
        upstream_connect: None,
        upstream_first_byte: None,
        origin: None,
        signature: None,
        would_refuse: None,
        rule: None,
        user: None,
        tls_version: None,
        user_agent: None,
        ..names.record()
    });
    insta::assert_snapshot!(line(&entry, LogFormat::Text), @r#"2026-11-18T11:06:40.042Z 2001:db8::1 PUT 499 /livekit/sfu 12.345ms class=federation_send failed=client_left bytes_in=5120 bytes_out=12 listener=*:443 protocol=HTTP/2 request_id=01hx"#);
}

#[test]
fn no_token_gets_into_a_line() {
    let names = Names::new();
    let method = Method::from_bytes(TOKEN.as_bytes()).unwrap();
    for agent in [
        TOKEN.to_owned(),
        format!("x access_token={TOKEN}"),
        format!("Bearer {TOKEN}"),
        format!("{}{TOKEN}", "a ".repeat(98)),
        format!("\n{TOKEN}\r\n"),
    ] {
        let entry = Entry::new(&AccessRecord {
            method: Some(&method),
            user_agent: Some(agent.as_bytes()),
            ..names.record()
        });
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = line(&entry, format);
            assert!(!line.contains("syt_"), "{line}");
            assert!(!line.contains("Planted"), "{line}");
        }
    }
}

#[test]
fn no_token_gets_into_the_metrics() {
    let settings = crate::telemetry::Settings {
        started: SystemTime::UNIX_EPOCH,
        access_log: None,
    };
    let telemetry = crate::telemetry::Telemetry::start(settings).unwrap();
    let names = Names::new();
    let method = Method::from_bytes(TOKEN.as_bytes()).unwrap();
    telemetry.request_finished(&AccessRecord {
        method: Some(&method),
        request_id: TOKEN,
        user_agent: Some(TOKEN.as_bytes()),
        ..names.record()
    });
    let metrics = telemetry.render_metrics();
    assert!(metrics.contains("federation_send"));
    for secret in ["Planted", "198.51"] {
        assert!(!metrics.contains(secret), "{metrics}");
    }
}

#[test]
fn user_agents_are_cut_and_cannot_break_a_line() {
    let names = Names::new();
    let agent = [b"a\x1b[31m\n\xc3\xa9\0".as_slice(), &[b'x'; 300]].concat();
    let entry = Entry::new(&AccessRecord {
        user_agent: Some(&agent),
        ..names.record()
    });
    let value: serde_json::Value = serde_json::from_str(&line(&entry, LogFormat::Json)).unwrap();
    let kept = value["user_agent"].as_str().unwrap();
    assert_eq!(kept.len(), 200);
    assert!(kept.starts_with("a?[31m????xxx"), "{kept}");
    let text = line(&entry, LogFormat::Text);
    assert_eq!(text.matches('\n').count(), 1);
}

/// Takes lines, after `gate` has let each write pass.
struct Gated {
    gate: mpsc::Receiver<io::Result<()>>,
    lines: mpsc::Sender<Vec<u8>>,
}

impl Write for Gated {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        // Without a gate keeper everything passes.
        self.gate.recv().unwrap_or(Ok(()))?;
        self.lines.send(lines.to_vec()).unwrap();
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "this does not come");
        thread::yield_now();
    }
}

fn counter(name: &str) -> IntCounter {
    IntCounter::new(name, "for a test").unwrap()
}

struct Started {
    log: AccessLog,
    lost: Lost,
    gate: mpsc::Sender<io::Result<()>>,
    lines: mpsc::Receiver<Vec<u8>>,
}

fn started() -> Started {
    let (gate, gate_receiver) = mpsc::channel();
    let (line_sender, lines) = mpsc::channel();
    let lost = Lost {
        queue_full: counter("full"),
        write_failed: counter("failed"),
    };
    let output = Output::Test(Box::new(Gated {
        gate: gate_receiver,
        lines: line_sender,
    }));
    let log = AccessLog::write_to(output, LogFormat::Text, lost.clone()).unwrap();
    Started {
        log,
        lost,
        gate,
        lines,
    }
}

#[test]
fn a_full_queue_drops_and_counts_and_never_blocks() {
    let names = Names::new();
    let Started {
        log,
        lost,
        gate,
        lines,
    } = started();
    // The writer takes a first batch and is held at the gate with it.
    log.record(&names.record());
    wait_until(|| log.shared.lock().entries.is_empty());
    for _ in 0..QUEUE_LENGTH + 5 {
        log.record(&names.record());
    }
    assert_eq!(lost.queue_full.get(), 5);
    drop(gate);
    assert!(log.close());
    let written = String::from_utf8(lines.try_iter().flatten().collect()).unwrap();
    assert_eq!(written.lines().count(), QUEUE_LENGTH + 1);
    assert_eq!(lost.write_failed.get(), 0);
}

#[test]
fn failed_writes_are_counted_and_writing_goes_on() {
    let names = Names::new();
    let Started {
        log,
        lost,
        gate,
        lines,
    } = started();
    log.record(&names.record());
    gate.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
    wait_until(|| lost.write_failed.get() > 0);
    drop(gate);
    log.record(&names.record());
    assert!(log.close());
    assert_eq!(lost.write_failed.get(), 1);
    assert_eq!(lines.try_iter().count(), 1);
}

#[test]
fn what_comes_after_closing_is_counted_as_lost() {
    let Started {
        log, lost, gate, ..
    } = started();
    drop(gate);
    assert!(log.close());
    assert!(log.close());
    log.record(&Names::new().record());
    assert_eq!(lost.queue_full.get(), 1);
}

#[test]
fn a_file_is_appended_to_and_opened_anew_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    std::fs::write(&path, "before\n").unwrap();
    let lost = started().lost;
    let target = AccessLogTarget::File(path.clone());
    let log = AccessLog::start(LogFormat::Json, target, lost).unwrap();
    log.record(&Names::new().record());
    let moved = folder.path().join("moved.log");
    let lines = |path| std::fs::read_to_string(path).map_or(0, |text| text.lines().count());
    wait_until(|| lines(&path) == 2);
    std::fs::rename(&path, &moved).unwrap();
    log.reopen();
    wait_until(|| path.exists());
    log.record(&Names::new().record());
    assert!(log.close());
    assert_eq!((lines(&moved), lines(&path)), (2, 1));
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let target = AccessLogTarget::File("/nonexistent/access.log".into());
    let error = AccessLog::start(LogFormat::Text, target, started().lost)
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("/nonexistent/access.log"),
        "{error}"
    );
}
