//! WebSocket: where a route allows it, and nothing else by `Upgrade`.

use crate::support::{Answer, Door, Gate, Homeserver, Raw, Request, Vestibule};

const ROUTES: &str = r#"
[[routes]]
path = "/socket"
upstream = "$homeserver"
websocket = true

[[routes]]
path = "/plain"
upstream = "$homeserver"
websocket = false
"#;

async fn start() -> (Homeserver, Vestibule) {
    let homeserver = Homeserver::start().await;
    homeserver.route("GET", "/socket", Answer::websocket_echo());
    let vestibule = Vestibule::start(&homeserver, ROUTES).await;
    (homeserver, vestibule)
}

fn upgrade(target: &str, protocol: &str) -> Request {
    Request::get(target)
        .field("Connection", "keep-alive, Upgrade")
        .field("Upgrade", protocol)
        .field("Sec-WebSocket-Version", "13")
        .field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

async fn open(vestibule: &Vestibule, door: Door) -> Raw {
    let mut client = vestibule.raw(door).await;
    let answer = client.ask(&upgrade("/socket/a%2Fb?c", "websocket")).await;
    assert_eq!(
        (answer.status, answer.header("upgrade")),
        (101, Some("websocket"))
    );
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_pass_both_ways_once_the_upgrade_is_granted() {
    let (homeserver, vestibule) = start().await;
    for door in [Door::Plain, Door::Tls] {
        let mut client = open(&vestibule, door).await;
        for word in ["hello", "\0\u{1}\r\n\r\nGET / HTTP/1.1\r\n\r\n", "world"] {
            client.send(word).await;
            assert_eq!(client.until(word).await, word);
        }
        let large = "x".repeat(300_000) + "!";
        client.send(&large).await;
        assert_eq!(client.until("!").await, large);
    }
    let arrived = homeserver.last_request();
    assert_eq!(arrived.target(), "/socket/a%2Fb?c");
    assert_eq!(arrived.header("upgrade").as_deref(), Some("websocket"));
    assert!(
        arrived
            .header("connection")
            .unwrap()
            .eq_ignore_ascii_case("upgrade")
    );
    assert_eq!(homeserver.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_ends_when_either_side_ends_it() {
    let (homeserver, vestibule) = start().await;
    drop(open(&vestibule, Door::Tls).await);
    homeserver.all_closed().await;
    let farewell = "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nbye";
    homeserver.route("GET", "/socket", Answer::raw(farewell).closing());
    let mut client = open(&vestibule, Door::Tls).await;
    client.until("bye").await;
    assert_eq!(client.closed().await, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_upgrade_is_an_ordinary_answer() {
    let (homeserver, vestibule) = start().await;
    homeserver.route(
        "GET",
        "/socket",
        Answer::json(403, r#"{"errcode":"M_FORBIDDEN"}"#),
    );
    let mut client = vestibule.raw(Door::Plain).await;
    let answer = client.ask(&upgrade("/socket", "websocket")).await;
    assert_eq!(
        (answer.status, answer.errcode().as_str()),
        (403, "M_FORBIDDEN")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_wait_until_the_upgrade_is_granted() {
    let (homeserver, vestibule) = start().await;
    let gate = Gate::new();
    homeserver.route("GET", "/socket", Answer::json(403, "{}").after(&gate));
    let mut client = vestibule.raw(Door::Plain).await;
    let hidden = Request::get("/_matrix/hidden").bytes();
    client
        .send([upgrade("/socket", "websocket").bytes(), hidden].concat())
        .await;
    homeserver.begun(0).await;
    let meanwhile = Request::get("/_matrix/client/versions");
    assert_eq!(vestibule.ask(Door::Tls, &meanwhile).await.status, 200);
    // Bytes that came up before this would be flagged.
    gate.open();
    assert_eq!(client.response().await.status, 403);
    // Now they are a request like any other, or the connection closes.
    let next = client.try_response().await;
    assert!(next.is_none_or(|answer| answer.status == 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_upgraded() {
    let (homeserver, vestibule) = start().await;
    homeserver.route("GET", "/", Answer::default());
    for (target, protocol) in [
        ("/_matrix/client/versions", "websocket"),
        ("/plain", "websocket"),
        ("/socket", "h2c"),
        ("/socket", "TLS/1.0"),
        ("/socket", "h2c, websocket"),
    ] {
        let request = upgrade(target, protocol).field("HTTP2-Settings", "AAMAAABk");
        let answer = vestibule.ask(Door::Plain, &request).await;
        assert_eq!(answer.status, 200, "{target} {protocol}");
        let arrived = homeserver.last_request();
        assert_eq!(arrived.all("upgrade"), [""; 0], "{target} {protocol}");
        assert_eq!(
            arrived.all("http2-settings"),
            [""; 0],
            "{target} {protocol}"
        );
    }
}
