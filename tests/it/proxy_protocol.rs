//! The PROXY protocol: believed from listed networks, and from nobody else.

use crate::support::proxy_header::{v1, v2, v2_local};
use crate::support::request::HOST;
use crate::support::{Answer, Door, Gate, Homeserver, Raw, Request, Table, Vestibule, tls};

/// One listener without and one with TLS, in the places of the usual ones.
fn listeners(networks: &str) -> String {
    let listener = |tls| {
        format!(
            "{{ address = \"127.0.0.1:0\", tls = {tls}, profile = \"both\", proxy_protocol = [{networks}] }}"
        )
    };
    format!("listeners = [{}, {}]", listener(false), listener(true))
}

async fn start(networks: &str) -> (Homeserver, Vestibule) {
    let homeserver = Homeserver::start().await;
    let config = listeners(networks) + "\n[timeouts]\nhandshake = \"1s\"";
    let vestibule = Vestibule::start(&homeserver, &config).await;
    (homeserver, vestibule)
}

const LISTED: &str = "\"127.0.0.0/8\"";

fn headers() -> Vec<(Vec<u8>, &'static str)> {
    vec![
        (v1("203.0.113.7:4711", "198.51.100.1:443"), "203.0.113.7"),
        (v1("[2001:db8::7]:4711", "[2001:db8::1]:443"), "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (b"PROXY UNKNOWN ffff::1 ::1 1 2\r\n".to_vec(), "127.0.0.1"),
        (v2("203.0.113.8:4711", "198.51.100.1:443"), "203.0.113.8"),
        (v2_local(), "127.0.0.1"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_is_the_one_that_the_header_names() {
    let (homeserver, vestibule) = start(LISTED).await;
    let mut table = Table::default();
    for (header, client) in headers() {
        let mut raw = vestibule.raw_without_tls(Door::Plain).await;
        raw.send(&header).await;
        table.row(
            &header,
            &raw.ask(&Request::get("/_matrix/x")).await.status,
            &200,
        );
        let arrived = homeserver.last_request().all("x-forwarded-for");
        table.row(&header, &arrived, &vec![client.to_owned()]);
    }
    table.assert_right(12);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_comes_before_tls() {
    let (homeserver, vestibule) = start(LISTED).await;
    let authority = vestibule.authority();
    for (header, client) in headers() {
        let mut tcp = vestibule.tcp(Door::Tls).await;
        tokio::io::AsyncWriteExt::write_all(&mut tcp, &header)
            .await
            .unwrap();
        let stream = tls::connect(tcp, &authority, HOST, &["http/1.1"])
            .await
            .unwrap();
        assert_eq!(
            Raw::new(stream)
                .ask(&Request::get("/_matrix/x"))
                .await
                .status,
            200
        );
        let arrived = homeserver.last_request();
        assert_eq!(arrived.all("x-forwarded-for"), [client]);
        assert_eq!(arrived.all("x-forwarded-proto"), ["https"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_may_come_in_pieces_and_with_the_request() {
    let (homeserver, vestibule) = start(LISTED).await;
    let request = Request::get("/_matrix/x").bytes();
    for (header, client) in headers() {
        let mut raw = vestibule.raw_without_tls(Door::Plain).await;
        for byte in &header {
            raw.send([*byte]).await;
        }
        raw.send(&request).await;
        assert_eq!(raw.response().await.status, 200);
        let mut raw = vestibule.raw_without_tls(Door::Plain).await;
        raw.send([&header[..], &request].concat()).await;
        assert_eq!(raw.response().await.status, 200);
        assert_eq!(homeserver.last_request().all("x-forwarded-for"), [client]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_good_header_is_closed() {
    let (homeserver, vestibule) = start(LISTED).await;
    let request = Request::get("/_matrix/x").bytes();
    let mut torn = v2("203.0.113.8:4711", "198.51.100.1:443");
    torn[15] = 200;
    let heads = [
        &b""[..],
        b"PROXY",
        b"PROXY TCP4 203.0.113.7 198.51.100.1 4711\r\n",
        b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 99999\r\n",
        b"PROXY TCP4 2001:db8::7 198.51.100.1 4711 443\r\n",
        b"PROXY TCP5 203.0.113.7 198.51.100.1 4711 443\r\n",
        b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\n",
        b"proxy TCP4 203.0.113.7 198.51.100.1 4711 443\r\n",
        &b"PROXY TCP4 ".repeat(50),
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
        &torn,
    ];
    for head in heads {
        let mut raw = vestibule.raw_without_tls(Door::Plain).await;
        raw.send([head, &request].concat()).await;
        assert_eq!(
            raw.closed().await,
            b"",
            "{:?}",
            String::from_utf8_lossy(head)
        );
    }
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_never_comes_is_not_awaited_for_ever() {
    let (_homeserver, vestibule) = start(LISTED).await;
    for (door, begin) in [
        (Door::Plain, ""),
        (Door::Plain, "PROX"),
        (Door::Tls, "PROXY TCP4 "),
    ] {
        let mut raw = vestibule.raw_without_tls(door).await;
        raw.send(begin).await;
        assert_eq!(raw.closed().await, b"", "{door:?} {begin:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_from_anybody_else_is_not_http() {
    let (homeserver, vestibule) = start("\"10.0.0.0/8\"").await;
    for (header, _) in headers() {
        let mut raw = vestibule.raw_without_tls(Door::Plain).await;
        raw.send([header, Request::get("/_matrix/x").bytes()].concat())
            .await;
        assert!(matches!(raw.refusal().await.as_str(), "400" | "closed"));
    }
    homeserver.assert_untouched();
    let mut raw = vestibule.raw_without_tls(Door::Plain).await;
    assert_eq!(raw.ask(&Request::get("/_matrix/x")).await.status, 200);
    assert_eq!(
        homeserver.only_request().all("x-forwarded-for"),
        ["127.0.0.1"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_so_many_requests_in_progress_and_no_more() {
    let (gate, homeserver) = (Gate::new(), Homeserver::start().await);
    homeserver.route("*", "/_matrix/slow", Answer::default().after(&gate));
    let config = listeners(LISTED) + "\n[limits]\nrequests_per_address = 2";
    let vestibule = Vestibule::start(&homeserver, &config).await;
    let from = async |address: &str| {
        let mut raw = vestibule.raw_without_tls(Door::Plain).await;
        raw.send(&v1(address, "198.51.100.1:443")).await;
        raw
    };
    let mut waiting = Vec::new();
    for count in 0..2 {
        let mut client = from("203.0.113.7:4711").await;
        client.send(Request::get("/_matrix/slow").bytes()).await;
        homeserver.begun(count).await;
        waiting.push(client);
    }
    let ask = Request::get("/_matrix/x");
    let refused = from("203.0.113.7:4712").await.ask(&ask).await;
    refused.assert_error(429, "M_LIMIT_EXCEEDED");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(from("203.0.113.8:4711").await.ask(&ask).await.status, 200);
    gate.open();
    for client in &mut waiting {
        assert_eq!(client.response().await.status, 200);
    }
    assert_eq!(from("203.0.113.7:4713").await.ask(&ask).await.status, 200);
}
