use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Method;

use super::*;
use crate::matrix::endpoint::Class;

fn quiet() -> Telemetry {
    let settings = Settings {
        started: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        access_log: None,
    };
    Telemetry::start(settings).unwrap()
}

/// The series of a scrape: name and labels to value.
fn series(telemetry: &Telemetry) -> BTreeMap<String, String> {
    let text = telemetry.render_metrics();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.rsplit_once(' '));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn value<'a>(series: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    series.get(name).map_or("absent", String::as_str)
}

fn finish(telemetry: &Telemetry, method: &Method, status: u16, outcome: Outcome) {
    let (listener, site) = (Arc::from("*:443"), Arc::from("example.com"));
    let upstream = Arc::from("main");
    telemetry.request_finished(&AccessRecord {
        time: SystemTime::UNIX_EPOCH,
        request_id: "1",
        client: None,
        listener: &listener,
        protocol: "HTTP/2",
        tls_version: Some("TLSv1.3"),
        site: Some(&site),
        method: Some(method),
        endpoint: Some(Name::from("/_matrix/client/v3/sync")),
        class: Some("sync"),
        status,
        bytes_in: 3,
        bytes_out: 1000,
        duration: Duration::from_millis(30),
        upstream: Some(&upstream),
        group: Some("client_reader"),
        placed_by: Some("key"),
        budget: None,
        shaped: None,
        queued: None,
        held: Some(Duration::from_millis(1500)),
        upstream_connect: None,
        upstream_first_byte: Some(Duration::from_millis(20)),
        origin: None,
        signature: None,
        would_refuse: None,
        rule: None,
        user: None,
        outcome,
        user_agent: None,
    });
}

#[test]
fn counts_a_request_everywhere_from_one_record() {
    let telemetry = quiet();
    finish(&telemetry, &Method::GET, 200, Outcome::Served);
    finish(&telemetry, &Method::GET, 200, Outcome::Served);
    let odd = Method::from_bytes(b"SECRET").unwrap();
    finish(&telemetry, &odd, 999, Outcome::Refused("body_too_large"));
    finish(
        &telemetry,
        &Method::GET,
        499,
        Outcome::Failed("client_left"),
    );
    let series = series(&telemetry);
    let labels = r#"class="sync",method="GET",site="example.com",status="200",upstream="main""#;
    for (name, expected) in [
        (
            format!("vestibule_requests_total{{{labels}}}").as_str(),
            "2",
        ),
        (
            r#"vestibule_requests_total{class="sync",method="other",site="example.com",status="other",upstream="main"}"#,
            "1",
        ),
        (
            r#"vestibule_request_duration_seconds_bucket{class="sync",site="example.com",le="0.05"}"#,
            "4",
        ),
        (
            r#"vestibule_request_duration_seconds_bucket{class="sync",site="example.com",le="0.025"}"#,
            "0",
        ),
        (
            r#"vestibule_body_bytes_total{class="sync",direction="response",site="example.com"}"#,
            "4000",
        ),
        (
            r#"vestibule_body_bytes_total{class="sync",direction="request",site="example.com"}"#,
            "12",
        ),
        (
            r#"vestibule_upstream_first_byte_seconds_count{upstream="main"}"#,
            "4",
        ),
        (
            r#"vestibule_upstream_connect_seconds_count{upstream="main"}"#,
            "0",
        ),
        (r#"vestibule_refusals_total{reason="body_too_large"}"#, "1"),
        (r#"vestibule_failures_total{reason="client_left"}"#, "1"),
    ] {
        assert_eq!(value(&series, name), expected, "{name}\n{series:#?}");
    }
}

#[test]
fn guards_count_while_they_live() {
    let telemetry = quiet();
    let open = r#"vestibule_connections_open{listener="*:443",protocol="HTTP/2"}"#;
    let first = telemetry.connection_opened("*:443", "HTTP/2");
    let second = telemetry.connection_opened("*:443", "HTTP/2");
    let request = telemetry.request_started(Class::Sync);
    assert_eq!(value(&series(&telemetry), open), "2");
    let in_flight = r#"vestibule_requests_in_flight{class="sync"}"#;
    assert_eq!(value(&series(&telemetry), in_flight), "1");
    drop((first, request));
    assert_eq!(value(&series(&telemetry), open), "1");
    drop(second);
    let series = series(&telemetry);
    assert_eq!(value(&series, open), "0");
    assert_eq!(value(&series, in_flight), "0");
    let accepted = r#"vestibule_connections_accepted_total{listener="*:443",protocol="HTTP/2"}"#;
    assert_eq!(value(&series, accepted), "2");
}

#[test]
fn recorders_use_the_declared_labels() {
    let telemetry = quiet();
    telemetry.connection_refused("*:80", "too_many");
    telemetry.accept_failed("*:80");
    telemetry.handshake("*:443", ["TLSv1.3", "X25519MLKEM768", "full"], 0.003);
    telemetry.handshake_failed("*:443", "timeout");
    telemetry.head_refused("*:80", None, 431, "head_too_large");
    telemetry.upstream_error("main", "connect_refused");
    telemetry.certificate_expiry("example.com", 1_800_000_000);
    telemetry.configuration_version(1, 1_700_000_000);
    let series = series(&telemetry);
    for (name, expected) in [
        (
            r#"vestibule_connections_refused_total{listener="*:80",reason="too_many"}"#,
            "1",
        ),
        (r#"vestibule_accept_errors_total{listener="*:80"}"#, "1"),
        (
            r#"vestibule_tls_handshakes_total{group="X25519MLKEM768",kind="full",listener="*:443",version="TLSv1.3"}"#,
            "1",
        ),
        (
            r#"vestibule_tls_handshake_seconds_bucket{listener="*:443",le="0.005"}"#,
            "1",
        ),
        (
            r#"vestibule_tls_handshake_failures_total{listener="*:443",reason="timeout"}"#,
            "1",
        ),
        (r#"vestibule_refusals_total{reason="head_too_large"}"#, "1"),
        (
            r#"vestibule_requests_total{class="none",method="none",site="none",status="431",upstream="none"}"#,
            "1",
        ),
        (
            r#"vestibule_upstream_errors_total{kind="connect_refused",upstream="main"}"#,
            "1",
        ),
        (
            r#"vestibule_certificate_expiry_timestamp_seconds{name="example.com"}"#,
            "1800000000",
        ),
        ("vestibule_configuration_version", "1"),
        (
            r#"vestibule_access_log_records_dropped_total{reason="queue_full"}"#,
            "0",
        ),
        ("process_start_time_seconds", "1700000000"),
    ] {
        assert_eq!(value(&series, name), expected, "{name}\n{series:#?}");
    }
}

#[test]
fn tells_of_the_process() {
    let series = series(&quiet());
    for name in [
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_threads",
    ] {
        assert!(value(&series, name).parse::<f64>().unwrap() > 0.0, "{name}");
    }
    assert!(series.contains_key("process_cpu_seconds_total"));
}

#[test]
fn two_instances_do_not_share_counters() {
    let (one, other) = (quiet(), quiet());
    one.accept_failed("a");
    assert!(!other.render_metrics().contains("accept_errors"));
}

#[test]
fn series_of_what_is_gone_are_forgotten_and_counted_anew() {
    let telemetry = quiet();
    finish(&telemetry, &Method::GET, 200, Outcome::Served);
    telemetry.repeated("main");
    telemetry.certificate_expiry("old.example.com", 1);
    telemetry.certificate_expiry("example.com", 1);
    let mut known = Known::default();
    known.sites.insert("example.com".to_owned());
    let gone = r#"upstream="main""#;
    assert!(telemetry.render_metrics().contains(gone));
    telemetry.keep(&known);
    let shown = telemetry.render_metrics();
    assert!(!shown.contains(gone), "{shown}");
    assert!(
        shown.contains("vestibule_request_duration_seconds_count"),
        "{shown}"
    );
    telemetry.keep_certificates(&["example.com".to_owned()].into());
    let shown = telemetry.render_metrics();
    assert!(shown.contains(r#"name="example.com""#) && !shown.contains("old.example.com"));
    finish(&telemetry, &Method::GET, 200, Outcome::Served);
    let series = series(&telemetry);
    let labels = r#"class="sync",method="GET",site="example.com",status="200",upstream="main""#;
    let requests = format!("vestibule_requests_total{{{labels}}}");
    assert_eq!(value(&series, &requests), "1");
}
