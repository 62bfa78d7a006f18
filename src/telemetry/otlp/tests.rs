use std::net::TcpListener;
use std::time::SystemTime;

use super::super::{Settings, Telemetry};
use super::*;

fn dropped(telemetry: &Telemetry, reason: &str) -> String {
    let name = format!("vestibule_trace_spans_dropped_total{{reason=\"{reason}\"}} ");
    let metrics = telemetry.render_metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap().to_owned()
}

fn telemetry(endpoint: &str, sample_one_in: u32) -> Telemetry {
    let settings = Settings {
        started: SystemTime::UNIX_EPOCH,
        access_log: None,
    };
    let traces = TraceSettings {
        endpoint: endpoint.to_owned(),
        sample_one_in,
    };
    Telemetry::start(settings)
        .unwrap()
        .with_traces(traces)
        .unwrap()
}

fn finish(telemetry: &Telemetry, parent: Option<&str>) {
    let record = AccessRecord {
        time: SystemTime::UNIX_EPOCH,
        request_id: "1",
        client: None,
        listener: &"https".into(),
        protocol: "HTTP/2",
        tls_version: None,
        site: None,
        method: None,
        endpoint: None,
        class: None,
        status: 200,
        bytes_in: 0,
        bytes_out: 0,
        duration: Duration::ZERO,
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
        outcome: crate::telemetry::Outcome::Served,
        user_agent: None,
    };
    telemetry.request_traced(&record, parent.into_iter().map(str::as_bytes));
}

/// An address where nobody listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/v1/traces", listener.local_addr().unwrap())
}

#[test]
fn a_collector_that_is_away_is_counted() {
    let telemetry = telemetry(&nowhere(), 1);
    for _ in 0..3 {
        finish(&telemetry, None);
    }
    assert!(telemetry.close(), "the thread has ended");
    assert_eq!(dropped(&telemetry, "send_failed"), "3");
    assert_eq!(dropped(&telemetry, "queue_full"), "0");
}

#[test]
fn the_queue_is_bounded() {
    // Takes connections into its backlog and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/v1/traces", silent.local_addr().unwrap());
    let telemetry = telemetry(&endpoint, 1);
    let more_than_fit = QUEUE_LENGTH + 4 * 512 + 1;
    for _ in 0..more_than_fit {
        finish(&telemetry, None);
    }
    let full: u64 = dropped(&telemetry, "queue_full").parse().unwrap();
    assert!(full > 0, "the queue took all of them");
    drop(silent);
}

#[test]
fn what_is_not_sampled_is_not_exported() {
    let telemetry = telemetry(&nowhere(), u32::MAX);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-";
    for _ in 0..20 {
        finish(&telemetry, None);
        finish(&telemetry, Some(&format!("{trace}00")));
    }
    finish(&telemetry, Some(&format!("{trace}01")));
    assert!(telemetry.close(), "the thread has ended");
    assert_eq!(dropped(&telemetry, "send_failed"), "1");
}

#[test]
fn what_is_no_address_is_refused() {
    let settings = TraceSettings {
        endpoint: "http://[".to_owned(),
        sample_one_in: 1,
    };
    let counter = || IntCounter::new("a", "b").unwrap();
    let dropped = Dropped {
        queue_full: counter(),
        send_failed: counter(),
    };
    let refused = Traces::start(settings, dropped);
    assert!(matches!(refused.err(), Some(TraceError::Endpoint(_))));
}
