//! A finished request as a span, by OpenTelemetry's conventions for HTTP servers.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::trace_parent::TraceParent;
use crate::telemetry::record::{AccessRecord, Name, Outcome, method_label};

/// `SPAN_KIND_SERVER`.
const SERVER: u8 = 2;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// One request on its way to the collector: names from closed sets and numbers, as in the access
/// log, without what stands for a person there.
pub(super) struct Span {
    trace_id: u128,
    id: u64,
    parent_id: Option<u64>,
    start: SystemTime,
    duration: Duration,
    method: Option<&'static str>,
    endpoint: Option<Name>,
    status: u16,
    outcome: Outcome,
    protocol: &'static str,
    has_tls: bool,
    class: Option<&'static str>,
    group: Option<&'static str>,
    site: Option<Arc<str>>,
    upstream: Option<Arc<str>>,
}

impl Span {
    /// The span of `record`, below `parent` or else the first of `new_trace`.
    pub(super) fn new(
        record: &AccessRecord<'_>,
        parent: Option<TraceParent>,
        new_trace: u128,
        id: u64,
    ) -> Self {
        Self {
            trace_id: parent.map_or(new_trace, |parent| parent.trace_id),
            id,
            parent_id: parent.map(|parent| parent.parent_id),
            start: record.time,
            duration: record.duration,
            method: record.method.map(method_label),
            endpoint: record.endpoint.clone(),
            status: record.status,
            outcome: record.outcome,
            protocol: record.protocol,
            has_tls: record.tls_version.is_some(),
            class: record.class,
            group: record.group,
            site: record.site.cloned(),
            upstream: record.upstream.cloned(),
        }
    }

    /// As it stands in the body of an export (OTLP 1, JSON Protobuf Encoding).
    fn json(&self) -> Value {
        // What is no known method is `_OTHER`, and `HTTP` in the name.
        let known = self.method.filter(|method| *method != "other");
        let endpoint = self.endpoint.as_ref().map(Name::as_str);
        let name = known.unwrap_or("HTTP");
        let name = endpoint.map_or(name.to_owned(), |endpoint| format!("{name} {endpoint}"));
        let mut span = json!({
            "traceId": format!("{:032x}", self.trace_id),
            "spanId": format!("{:016x}", self.id),
            "name": name,
            "kind": SERVER,
            "startTimeUnixNano": unix_nanoseconds(self.start),
            "endTimeUnixNano": unix_nanoseconds(self.start + self.duration),
            "attributes": self.attributes(known.unwrap_or("_OTHER"), endpoint),
            // Left unset for 4xx: those are the client's errors.
            "status": if self.status >= 500 { json!({ "code": ERROR }) } else { json!({}) },
        });
        if let (Some(parent), Some(span)) = (self.parent_id, span.as_object_mut()) {
            span.insert("parentSpanId".to_owned(), format!("{parent:016x}").into());
        }
        span
    }

    fn attributes(&self, method: &str, endpoint: Option<&str>) -> Vec<Value> {
        let status = self.status.to_string();
        let (refused, failed) = match self.outcome {
            Outcome::Served => (None, None),
            Outcome::Refused(reason) => (Some(reason), None),
            Outcome::Failed(reason) => (None, Some(reason)),
        };
        let failed = failed.or((self.status >= 500).then_some(&*status));
        let texts = [
            ("http.request.method", Some(method)),
            ("http.route", endpoint),
            (
                "url.scheme",
                Some(if self.has_tls { "https" } else { "http" }),
            ),
            (
                "network.protocol.version",
                self.protocol.strip_prefix("HTTP/"),
            ),
            ("error.type", failed),
            ("vestibule.refused", refused),
            ("vestibule.site", self.site.as_deref()),
            ("vestibule.class", self.class),
            ("vestibule.upstream", self.upstream.as_deref()),
            ("vestibule.group", self.group),
        ];
        let texts = texts.into_iter().filter_map(|(key, text)| {
            text.map(|text| json!({ "key": key, "value": { "stringValue": text } }))
        });
        // The encoding writes 64-bit numbers as text. There is no status 0.
        let code = json!({ "key": "http.response.status_code", "value": { "intValue": status } });
        texts.chain((self.status > 0).then_some(code)).collect()
    }
}

/// The body of an export of `spans`.
pub(super) fn export(spans: &[Span]) -> String {
    let text = |key, text| json!({ "key": key, "value": { "stringValue": text } });
    let spans: Vec<Value> = spans.iter().map(Span::json).collect();
    let body = json!({ "resourceSpans": [{
        "resource": { "attributes": [
            text("service.name", "vestibule"),
            text("service.version", env!("CARGO_PKG_VERSION")),
        ] },
        "scopeSpans": [{ "scope": { "name": "vestibule" }, "spans": spans }],
    }] });
    body.to_string()
}

fn unix_nanoseconds(time: SystemTime) -> String {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.as_nanos().to_string()
}
