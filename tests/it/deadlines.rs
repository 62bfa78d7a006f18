//! Deadlines, with a configured short clock: whoever makes no progress is cut,
//! whoever waits for the homeserver is not.

use bytes::Bytes;

use crate::support::frames::{
    END_HEADERS, END_STREAM, Frames, HEADERS, PREFACE, SETTINGS, block, frame, get, request,
};
use crate::support::request::HOST;
use crate::support::wire::Wire;
use crate::support::{Answer, Door, Gate, Homeserver, Raw, Request, Vestibule};

/// Every deadline that a client can run into.
const SHORT: &str = r#"
[timeouts]
handshake = "300ms"
head = "300ms"
idle = "300ms"
body_idle = "300ms"
write = "300ms"
"#;

const POST: &str = "POST /_matrix/client/v3/login HTTP/1.1\r\nHost: matrix.example.com\r\n";

/// More than the kernel holds for a client that does not read.
fn large() -> Answer {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 268435456\r\n\r\n";
    Answer::raw(head).then_times(4096, vec![b'a'; 65_536])
}

/// Sends `part` at a steady pace until the other side closes.
async fn drip(client: &mut Raw, part: &[u8]) -> String {
    let mut pace = tokio::time::interval(std::time::Duration::from_millis(50));
    let answer = loop {
        tokio::select! {
            answer = client.try_response() => break answer,
            _ = pace.tick() => client.send(part).await,
        }
    };
    client.closed().await;
    answer.map_or_else(|| "closed".into(), |answer| answer.status.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_does_not_come_is_cut() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, SHORT).await;
    for begin in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let mut client = vestibule.raw_without_tls(Door::Tls).await;
        client.send(begin).await;
        client.closed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_has_one_deadline_for_all_of_it() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, SHORT).await;
    for door in [Door::Plain, Door::Tls] {
        let mut client = vestibule.raw(door).await;
        client.send("GET /_matrix/x HTTP/1.1\r\n").await;
        assert_eq!(client.refusal().await, "408", "{door:?}");
        let mut client = vestibule.raw(door).await;
        client.send("GET /_matrix/x HTTP/1.1\r\nX: ").await;
        assert_eq!(drip(&mut client, b"y").await, "408", "{door:?}");
    }
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_without_a_word() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, SHORT).await;
    for door in [Door::Plain, Door::Tls] {
        let mut client = vestibule.raw(door).await;
        assert_eq!(client.ask(&Request::get("/_matrix/x")).await.status, 200);
        assert_eq!(client.closed().await, b"", "{door:?}");
        let mut silent = vestibule.raw(door).await;
        assert_eq!(silent.closed().await, b"", "{door:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_given_up() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, SHORT).await;
    for (number, framing) in ["Content-Length: 10", "Transfer-Encoding: chunked"]
        .iter()
        .enumerate()
    {
        let mut client = vestibule.raw(Door::Plain).await;
        client
            .send(format!("{POST}{framing}\r\n\r\na\r\nhel"))
            .await;
        assert_eq!(client.refusal().await, "408", "{framing}");
        assert!(!homeserver.abandoned(number).await.whole, "{framing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_slower_than_the_least_rate_is_given_up() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, SHORT).await;
    let mut client = vestibule.raw(Door::Plain).await;
    client
        .send(format!("{POST}Content-Length: 100000\r\n\r\n"))
        .await;
    assert_eq!(drip(&mut client, b"a").await, "408");
    homeserver.abandoned(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_cut() {
    let homeserver = Homeserver::start().await;
    homeserver.route("*", "/", large());
    let vestibule = Vestibule::start(&homeserver, SHORT).await;
    for (number, door) in [Door::Plain, Door::Tls].into_iter().enumerate() {
        let mut client = vestibule.raw(door).await;
        client.send(Request::get("/_matrix/x").bytes()).await;
        homeserver.abandoned(number).await;
        drop(client);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_client_that_opens_no_window_is_cut() {
    let homeserver = Homeserver::start().await;
    homeserver.route("*", "/", large());
    let vestibule = Vestibule::start(&homeserver, SHORT).await;
    let mut client = vestibule.frames(Door::Tls).await;
    client.send(get(1, HOST, "/_matrix/x")).await;
    homeserver.abandoned(0).await;
    let mut client = vestibule.frames(Door::Tls).await;
    let no_window = [0, 4, 0, 0, 0, 0];
    client
        .send(
            [
                frame(SETTINGS, 0, 0, &no_window),
                get(1, HOST, "/_matrix/x"),
            ]
            .concat(),
        )
        .await;
    homeserver.abandoned(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_preface_that_stops_is_cut() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, SHORT).await;
    for door in [Door::Plain, Door::Tls] {
        for begin in [&b""[..], &PREFACE[..1], &PREFACE[..20], PREFACE, b"\0"] {
            if door == Door::Plain && begin == b"\0" {
                continue; // neither of the two protocols begins so
            }
            let mut client = Frames(Wire::new(vestibule.h2_stream(door).await));
            client.send(begin).await;
            client.closed().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_headers_that_stop_are_cut() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, SHORT).await;
    let fields = block(&request("GET", HOST, "/_matrix/x"));
    let whole = frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields);
    for begin in [
        frame(HEADERS, END_STREAM, 1, &fields),
        whole[..20].to_vec(),
        whole[..4].to_vec(),
    ] {
        let mut client = vestibule.frames(Door::Tls).await;
        client.send(&begin).await;
        client.closed().await;
    }
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_body_that_does_not_come_is_given_up() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, SHORT).await;
    let mut client = vestibule.h2(Door::Tls).await;
    let (head, _) = Request::new("POST", "/_matrix/client/v3/login").to_http2();
    let mut stalled = client.begin(head, false).await.unwrap();
    stalled
        .send(Bytes::from_static(b"hel"), false)
        .await
        .unwrap();
    homeserver.abandoned(0).await;
    if let Ok(answer) = stalled.response().await {
        answer.assert_error(408, "M_UNKNOWN");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_connection_without_a_stream_is_closed_politely() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, SHORT).await;
    let mut client = vestibule.frames(Door::Tls).await;
    client.send(get(1, HOST, "/_matrix/x")).await;
    assert_eq!(client.outcome(1).await.status, Some(200));
    assert!(matches!(client.closed().await, None | Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_outlives_every_deadline_of_the_client() {
    let homeserver = Homeserver::start().await;
    let gate = Gate::new();
    homeserver.route(
        "*",
        "/_matrix/client/v3/sync",
        Answer::default().after(&gate),
    );
    let vestibule = Vestibule::start(&homeserver, SHORT).await;
    let poll = Request::get("/_matrix/client/v3/sync?timeout=30000");
    let mut over_1 = vestibule.raw(Door::Tls).await;
    over_1.send(poll.bytes()).await;
    let mut over_2 = vestibule.h2(Door::Tls).await;
    let pending = over_2.begin(poll.to_http2().0, true).await.unwrap();
    homeserver.begun(1).await;
    for _ in 0..3 {
        // What is idle meanwhile is closed; so the deadline has passed each time.
        vestibule.raw(Door::Tls).await.closed().await;
    }
    gate.open();
    assert_eq!(over_1.response().await.status, 200);
    assert_eq!(pending.response().await.unwrap().status, 200);
}
