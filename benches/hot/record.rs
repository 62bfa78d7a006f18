//! What is kept of a request when it ends: counted, and written as a line.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Method;
use vestibule::matrix::ServerName;
use vestibule::telemetry::{
    AccessRecord, LogFormat, Name, Outcome, Settings, Telemetry, access_line,
};

use super::Hot;

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
            upstream: "homeserver of example.com".into(),
            origin: "remote.example:8448".parse().unwrap(),
        }
    }

    fn record(&self) -> AccessRecord<'_> {
        AccessRecord {
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_000_000_042),
            request_id: "0123456789abcdef-1",
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
            placed_by: None,
            budget: None,
            shaped: None,
            queued: None,
            held: None,
            upstream_connect: None,
            upstream_first_byte: Some(Duration::from_micros(11_007)),
            origin: Some(&self.origin),
            signature: Some("verified"),
            would_refuse: None,
            rule: None,
            user: None,
            outcome: Outcome::Served,
            user_agent: Some(b"Synapse/1.163.0"),
        }
    }
}

pub(super) fn all() -> Vec<Hot> {
    vec![
        metrics("record/metrics"),
        line("record/text", LogFormat::Text),
        line("record/json", LogFormat::Json),
    ]
}

fn metrics(name: &'static str) -> Hot {
    let names = Names::new();
    let settings = Settings {
        started: SystemTime::UNIX_EPOCH,
        access_log: None,
    };
    let telemetry = Telemetry::start(settings).unwrap();
    Hot::new(name, move || {
        telemetry.request_finished(black_box(&names.record()));
    })
}

fn line(name: &'static str, format: LogFormat) -> Hot {
    let names = Names::new();
    let mut line = Vec::new();
    Hot::new(name, move || {
        line.clear();
        access_line(black_box(&names.record()), format, &mut line).unwrap();
        black_box(&line);
    })
}
