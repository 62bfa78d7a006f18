//! What an operator sees: health, readiness, metrics, the access log; and what nobody may see in them.

use crate::support::binary::Binary;
use crate::support::{Answer, Door, Homeserver, Request, Vestibule, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_listener_has_health_readiness_and_metrics() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(vestibule.admin(path).await.status, 200, "{path}");
    }
    vestibule.ask(Door::Plain, &Request::get("/nowhere")).await;
    let counted = async || vestibule.metric("vestibule_requests_total", &[]).await;
    eventually("the request is counted", async || counted().await >= 1.0).await;
    let metrics = vestibule.admin("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(
        metrics
            .header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    assert!(
        metrics
            .text()
            .contains("# TYPE vestibule_requests_total counter")
    );
    for path in ["/index.html", "/metricsx", "/_matrix/client/versions"] {
        assert_eq!(vestibule.admin(path).await.status, 404, "{path}");
    }
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_what_they_were() {
    let homeserver = Homeserver::start().await;
    homeserver.route("GET", "/_matrix/client/v3/sync", Answer::json(401, "{}"));
    let vestibule = Vestibule::start(&homeserver, "").await;
    for _ in 0..3 {
        vestibule
            .ask(
                Door::Plain,
                &Request::get("/_matrix/client/v3/sync?since=x"),
            )
            .await;
    }
    vestibule.ask(Door::Plain, &Request::get("/nowhere")).await;
    let name = "vestibule_requests_total";
    let of_sync = [
        "site=\"example.com\"",
        "class=\"sync\"",
        "method=\"GET\"",
        "status=\"401\"",
    ];
    let counted = async || vestibule.metric(name, &of_sync).await;
    eventually("three are counted", async || counted().await >= 3.0).await;
    let refused = async || vestibule.metric(name, &["status=\"404\""]).await;
    eventually("one is counted", async || refused().await >= 1.0).await;
    assert!(vestibule.metric("vestibule_refusals_total", &[]).await >= 1.0);
    assert!(
        vestibule
            .metric("vestibule_connections_accepted_total", &[])
            .await
            >= 4.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_counted() {
    let homeserver = Homeserver::start().await;
    homeserver.route("*", "/", Answer::hang_up());
    let vestibule = Vestibule::start(&homeserver, "").await;
    vestibule
        .ask(Door::Plain, &Request::post("/_matrix/x", "{}"))
        .await;
    let mut malformed = vestibule.raw(Door::Plain).await;
    malformed.send("GET /a b HTTP/1.1\r\n\r\n").await;
    malformed.closed().await;
    let mut no_tls = vestibule.raw_without_tls(Door::Tls).await;
    no_tls.send("GET / HTTP/1.1\r\n\r\n").await;
    no_tls.closed().await;
    for name in [
        "vestibule_upstream_errors_total",
        "vestibule_refusals_total",
        "vestibule_tls_handshake_failures_total",
    ] {
        eventually(name, async || vestibule.metric(name, &[]).await >= 1.0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_has_one_record_with_a_template_for_its_path() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let target = "/_matrix/client/v3/rooms/!secret:example.com/send/m.room.message/txn1?a=b";
    vestibule
        .ask(Door::Plain, &Request::put(target, "{}"))
        .await;
    vestibule
        .ask_h2(Door::Tls, &Request::get("/_matrix/client/versions"))
        .await;
    vestibule.ask(Door::Plain, &Request::get("/nowhere")).await;
    let mut malformed = vestibule.raw(Door::Plain).await;
    malformed.send("GET /a b HTTP/1.1\r\n\r\n").await;
    malformed.closed().await;
    let written = async || vestibule.access_log().len() >= 4;
    eventually("four records", written).await;
    let records = vestibule.access_log();
    let statuses = records.iter().map(|r| r["status"].as_u64().unwrap());
    let mut statuses: Vec<_> = statuses.collect();
    // Each connection may be on a thread of its own.
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 400, 404]);
    let text = serde_json::to_string(&records).unwrap();
    assert!(
        text.contains("/_matrix/client/{version}/rooms/{roomId}/send/{eventType}/{txnId}"),
        "{text}"
    );
    assert!(!text.contains("secret") && !text.contains("txn1"), "{text}");
    let ids = homeserver.requests();
    assert!(
        text.contains(&ids[0].header("x-request-id").unwrap()),
        "{text}"
    );
}

/// Requests that carry the planted secret wherever one may be.
fn requests_with(secret: &str) -> Vec<Request> {
    vec![
        Request::get(&format!("/_matrix/client/v3/sync?access_token={secret}")),
        Request::get("/_matrix/client/v3/sync").field("Authorization", &format!("Bearer {secret}")),
        Request::get("/_matrix/client/v3/sync").field("Cookie", &format!("token={secret}")),
        Request::get(&format!(
            "/_matrix/client/v3/rooms/!{secret}:example.com/state"
        )),
        Request::get(&format!("/_matrix/broken/{secret}")),
        Request::get(&format!("/nowhere/{secret}?{secret}")),
        Request::get(&format!("/_synapse/client/{secret}?loginToken={secret}")),
        Request::get(&format!("/.well-known/matrix/client?{secret}")),
        Request::get(&format!("/_matrix/x/{secret}")).host(&format!("{secret}.example")),
        Request::post(
            "/_matrix/client/v3/login",
            format!("{{\"password\":\"{secret}\"}}"),
        ),
        Request::new(&secret.to_uppercase(), "/_matrix/x"),
        Request::get(&format!("/_matrix/a b/{secret}")),
        Request::get("/_matrix/x").field(secret, "x"),
        Request::get("/_matrix/x").field("X Y", secret),
        Request::get("/_matrix/x").field("Content-Length", secret),
        Request::get("/_matrix/x").field("X-Forwarded-For", secret),
        Request::get("/_matrix/x").field("Referer", &format!("https://x/?{secret}")),
        Request::get("/_matrix/x").field(
            "Authorization",
            &format!("X-Matrix origin={secret},sig=\"{secret}\""),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_leaves_by_a_log_or_a_metric() {
    const SECRET: &str = "plantedsecret0123456789";
    let homeserver = Homeserver::start().await;
    homeserver.route(
        "*",
        "/_matrix/broken",
        Answer::raw(format!("garbage {SECRET}")).closing(),
    );
    let mut binary = Binary::start(&homeserver).await;
    for request in requests_with(SECRET) {
        let mut client = binary.raw().await;
        client.send(request.bytes()).await;
        client.try_response().await;
    }
    let mut admin = binary.admin().await;
    let metrics = admin
        .ask(&Request::get("/metrics").host("localhost"))
        .await
        .text();
    assert!(metrics.contains("vestibule_requests_total"));
    binary.signal("TERM");
    binary.ended().await;
    let all = (metrics + &binary.output()).to_lowercase();
    assert!(
        all.contains("\"status\":200"),
        "there is an access log: {all}"
    );
    let leaks: Vec<_> = all.lines().filter(|line| line.contains(SECRET)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_admin_listener_shows_at_a_door() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for door in [Door::Plain, Door::Tls, Door::Federation] {
        for path in ["/metrics", "/healthz", "/readyz"] {
            vestibule
                .ask(door, &Request::get(path))
                .await
                .assert_error(404, "M_UNRECOGNIZED");
        }
    }
}
