//! Spans of requests, as a collector gets them.

use serde_json::Value;

use crate::support::{Answer, Door, Homeserver, Request, Vestibule, eventually};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn tracing(collector: &str) -> String {
    format!("[tracing]\nendpoint = \"{collector}/v1/traces\"\n")
}

/// The spans that were received so far.
fn spans(collector: &Homeserver) -> Vec<Value> {
    let requests = collector.requests().into_iter();
    let bodies = requests.filter(|request| request.whole).map(|request| {
        assert_eq!((request.method(), request.target()), ("POST", "/v1/traces"));
        assert_eq!(
            request.header("content-type").as_deref(),
            Some("application/json")
        );
        serde_json::from_slice::<Value>(&request.body).unwrap()
    });
    bodies
        .flat_map(|body| {
            let scope = &body["resourceSpans"][0]["scopeSpans"][0];
            scope["spans"].as_array().unwrap().clone()
        })
        .collect()
}

async fn received(collector: &Homeserver, count: usize) -> Vec<Value> {
    eventually("the collector has the spans", async || {
        spans(collector).len() >= count
    })
    .await;
    spans(collector)
}

fn attribute(span: &Value, key: &str) -> Option<String> {
    let attributes = span["attributes"].as_array().unwrap();
    let value = &attributes.iter().find(|one| one["key"] == key)?["value"];
    let text = value.get("stringValue").or(value.get("intValue")).unwrap();
    Some(text.as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_has_its_place_in_the_trace_and_names_nobody() {
    let (homeserver, collector) = (Homeserver::start().await, Homeserver::start().await);
    let vestibule = Vestibule::start(&homeserver, &tracing(collector.url())).await;
    let target = "/_matrix/client/v3/rooms/!secretroom:example.com/state?access_token=secretquery";
    let request = Request::get(target)
        .field("Authorization", "Bearer syt_c2VjcmV0dXNlcg_secrettoken")
        .field("User-Agent", "secretagent")
        .field("traceparent", &format!("00-{TRACE}-{CALLER}-01"));
    assert_eq!(vestibule.ask_h2(Door::Tls, &request).await.status, 200);
    let spans = received(&collector, 1).await;
    assert_eq!(spans.len(), 1);
    let span = &spans[0];
    assert_eq!(span["traceId"], TRACE);
    assert_eq!(span["parentSpanId"], CALLER);
    let id = span["spanId"].as_str().unwrap();
    assert!(
        id.len() == 16 && id != CALLER && id != "0".repeat(16),
        "{id}"
    );
    let route = "/_matrix/client/{version}/rooms/{roomId}/state";
    assert_eq!(span["name"], format!("GET {route}"));
    assert_eq!(span["kind"], 2);
    let time = |key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
    assert!(time("startTimeUnixNano") > 0);
    assert!(time("endTimeUnixNano") > time("startTimeUnixNano"));
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", route),
        ("http.response.status_code", "200"),
        ("url.scheme", "https"),
        ("network.protocol.version", "2"),
        ("vestibule.site", "example.com"),
    ] {
        assert_eq!(attribute(span, key).as_deref(), Some(value), "{key}");
    }
    for key in ["vestibule.class", "vestibule.upstream"] {
        assert!(attribute(span, key).is_some(), "{key}");
    }
    assert_eq!(attribute(span, "error.type"), None);
    for export in collector.requests() {
        let bytes = [export.head, export.body].concat();
        let text = String::from_utf8(bytes).unwrap();
        for secret in ["secret", "c2VjcmV0"] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_begins_where_there_is_no_valid_one() {
    let (homeserver, collector) = (Homeserver::start().await, Homeserver::start().await);
    homeserver.route("GET", "/_matrix/client/v3/capabilities", Answer::hang_up());
    let vestibule = Vestibule::start(&homeserver, &tracing(collector.url())).await;
    let invalid = Request::get("/_matrix/client/versions")
        .field("traceparent", &format!("00-{}-{CALLER}-01", "0".repeat(32)));
    vestibule.ask(Door::Plain, &invalid).await;
    let not_sampled = Request::get("/_matrix/client/versions")
        .field("traceparent", &format!("00-{TRACE}-{CALLER}-00"));
    vestibule.ask(Door::Plain, &not_sampled).await;
    let broken = Request::get("/_matrix/client/v3/capabilities");
    let status = vestibule.ask(Door::Plain, &broken).await.status;
    // The end sends what is left, so that nothing is missed that comes late.
    vestibule.stop();
    vestibule.ended().await;
    let mut spans = spans(&collector);
    spans.sort_by_key(|span| attribute(span, "http.response.status_code"));
    assert_eq!(spans.len(), 2, "{spans:?}");
    for span in &spans {
        assert!(span.get("parentSpanId").is_none(), "{span}");
        assert_eq!(span["traceId"].as_str().unwrap().len(), 32);
    }
    assert_ne!(spans[0]["traceId"], spans[1]["traceId"]);
    assert_eq!(spans[0]["status"], serde_json::json!({}));
    assert_eq!(spans[1]["status"]["code"], 2);
    assert_eq!(
        attribute(&spans[1], "http.response.status_code"),
        Some(status.to_string())
    );
    assert!(attribute(&spans[1], "error.type").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_no_request_anything() {
    let homeserver = Homeserver::start().await;
    let nobody = Homeserver::nowhere().await;
    let vestibule = Vestibule::start(&homeserver, &tracing(&nobody)).await;
    for _ in 0..3 {
        let request = Request::get("/_matrix/client/versions");
        assert_eq!(vestibule.ask(Door::Plain, &request).await.status, 200);
    }
    eventually("the lost spans are counted", async || {
        let lost = "vestibule_trace_spans_dropped_total";
        vestibule.metric(lost, &["send_failed"]).await >= 3.0
    })
    .await;
}
