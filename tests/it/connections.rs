//! The life of a connection: requests one after the other, and its end.

use crate::support::{Answer, Door, Gate, Homeserver, Request, Vestibule, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_serves_many_requests() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for door in [Door::Plain, Door::Tls] {
        let mut client = vestibule.raw(door).await;
        for number in 0..300 {
            let answer = client
                .ask(&Request::put(&format!("/_matrix/{number}"), "{}"))
                .await;
            assert_eq!(answer.status, 200, "{number}");
        }
    }
    assert_eq!(homeserver.requests().len(), 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order_or_not_at_all() {
    let homeserver = Homeserver::start().await;
    let gate = Gate::new();
    homeserver.route("*", "/_matrix/1", Answer::json(200, "1").after(&gate));
    homeserver.route("*", "/_matrix/2", Answer::json(200, "2"));
    let vestibule = Vestibule::start(&homeserver, "").await;
    let both = [
        Request::get("/_matrix/1").bytes(),
        Request::get("/_matrix/2").bytes(),
    ]
    .concat();
    let mut client = vestibule.raw(Door::Plain).await;
    client.send(both).await;
    homeserver.begun(0).await;
    gate.open();
    assert_eq!(client.response().await.text(), "1");
    if let Some(second) = client.try_response().await {
        assert_eq!(second.text(), "2");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_may_come_byte_by_byte() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for door in [Door::Plain, Door::Tls] {
        let mut client = vestibule.raw(door).await;
        for byte in Request::put("/_matrix/client/v3/x", "hello").bytes() {
            client.send([byte]).await;
        }
        assert_eq!(client.response().await.status, 200);
        assert_eq!(homeserver.last_request().body, b"hello");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_line_before_a_request_is_skipped() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut client = vestibule.raw(Door::Plain).await;
    client
        .send([b"\r\n".to_vec(), Request::get("/_matrix/x").bytes()].concat())
        .await;
    assert_eq!(client.response().await.status, 200);
    assert_eq!(homeserver.only_request().target(), "/_matrix/x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_to_close_is_obeyed() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for target in [
        "/_matrix/client/versions",
        "/nowhere",
        "/.well-known/matrix/client",
    ] {
        let mut client = vestibule.raw(Door::Tls).await;
        client
            .ask(&Request::get(target).field("Connection", "close"))
            .await;
        assert_eq!(client.closed().await, b"", "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_so_many_connections_and_no_more() {
    let homeserver = Homeserver::start().await;
    let config = "[limits]\nconnections = 4\nconnections_per_address = 1";
    let vestibule = Vestibule::start(&homeserver, config).await;
    let ask = Request::get("/_matrix/client/versions");
    // Loopback is exempt from the limit per address, not from the one for all.
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = vestibule.raw(Door::Plain).await;
        assert_eq!(client.ask(&ask).await.status, 200);
        clients.push(client);
    }
    let mut refused = vestibule.raw(Door::Plain).await;
    refused.send(ask.bytes()).await;
    assert_ne!(
        refused.try_response().await.map(|answer| answer.status),
        Some(200)
    );
    clients.pop();
    eventually("a place is free again", async || {
        let mut client = vestibule.raw(Door::Plain).await;
        client.send(ask.bytes()).await;
        client
            .try_response()
            .await
            .is_some_and(|answer| answer.status == 200)
    })
    .await;
}
