//! Request headers on their way to the homeserver.

use crate::support::request::HOST;
use crate::support::{Answer, Door, Homeserver, Request, Table, Vestibule, eventually, frames};

const TARGET: &str = "/_matrix/client/versions";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_says_about_its_address_is_replaced() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut request = Request::get(TARGET)
        .field("X-Forwarded-For", "1.2.3.4, 5.6.7.8")
        .field("x-forwarded-for", "9.9.9.9")
        .field("X-Forwarded-Proto", "gopher");
    let forged = [
        "Forwarded",
        "X-Real-IP",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Host",
    ];
    for name in forged {
        request = request.field(name, "evil");
    }
    for (door, scheme) in [(Door::Plain, "http"), (Door::Tls, "https")] {
        vestibule.ask(door, &request).await;
        vestibule.ask_h2(door, &request).await;
        for arrived in homeserver.requests().iter().rev().take(2) {
            assert_eq!(arrived.all("x-forwarded-for"), ["127.0.0.1"]);
            assert_eq!(arrived.all("x-forwarded-proto"), [scheme]);
            assert!(
                forged.iter().all(|name| arrived.all(name).is_empty()),
                "{arrived:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_is_believed_as_far_as_trust_reaches() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "trusted_proxies = [\"127.0.0.0/8\"]").await;
    let mut table = Table::default();
    for (said, seen) in [
        ("203.0.113.7", "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7", "203.0.113.7"),
        ("6.6.6.6,203.0.113.7, 127.0.0.9", "203.0.113.7"),
        ("127.0.0.9", "127.0.0.9"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("unknown", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("203.0.113.7, nonsense", "127.0.0.1"),
    ] {
        let request = Request::get(TARGET).field("X-Forwarded-For", said);
        vestibule
            .ask(Door::Plain, &request.field("X-Forwarded-Proto", "https"))
            .await;
        let arrived = homeserver.last_request();
        table.row(
            said,
            &arrived.all("x-forwarded-for"),
            &vec![seen.to_owned()],
        );
        table.row(
            said,
            &arrived.all("x-forwarded-proto"),
            &vec!["https".to_owned()],
        );
    }
    table.assert_right(20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ipv6_client_is_seen_as_such() {
    let homeserver = Homeserver::start().await;
    let listener = "listeners = [{ address = \"[::1]:0\", tls = false, profile = \"both\" }]";
    let vestibule = Vestibule::start(&homeserver, listener).await;
    assert_eq!(
        vestibule
            .ask(Door::Plain, &Request::get(TARGET))
            .await
            .status,
        200
    );
    assert_eq!(homeserver.only_request().all("x-forwarded-for"), ["::1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_arrives_as_the_client_sent_it() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for host in [
        HOST,
        "Matrix.Example.COM",
        "matrix.example.com:443",
        "example.com:8448",
        "matrix.example.com:1234",
    ] {
        let request = Request::get(TARGET).host(host);
        assert_eq!(
            vestibule.ask(Door::Plain, &request).await.status,
            200,
            "{host}"
        );
        assert_eq!(
            homeserver.last_request().header("host").as_deref(),
            Some(host)
        );
        if host == host.to_ascii_lowercase() {
            assert_eq!(
                vestibule.ask_h2(Door::Plain, &request).await.status,
                200,
                "{host}"
            );
            assert_eq!(
                homeserver.last_request().header("host").as_deref(),
                Some(host)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_can_not_nominate_what_is_ours() {
    const OURS: [&str; 5] = [
        "x-forwarded-for",
        "x-forwarded-proto",
        "host",
        "authorization",
        "cookie",
    ];
    const VALUES: [&str; 5] = ["127.0.0.1", "http", HOST, "Bearer t", "a=1"];
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut table = Table::default();
    for name in OURS
        .iter()
        .chain(&["Content-Length", "X-Request-ID", "Transfer-Encoding"])
    {
        let request = Request::put(TARGET, "hello")
            .field("Authorization", "Bearer t")
            .field("Cookie", "a=1")
            .field("Connection", &format!("close, {name}"));
        let before = homeserver.requests().len();
        let status = vestibule.ask(Door::Plain, &request).await.status;
        table.row(name, &matches!(status, 200 | 400), &true);
        for arrived in homeserver.requests().split_off(before) {
            let kept = OURS.map(|name| arrived.header(name).unwrap_or_default());
            table.row(name, &kept, &VALUES.map(String::from));
            table.row(name, &arrived.body, &b"hello".to_vec());
            table.row(name, &arrived.header("x-request-id").is_some(), &true);
        }
    }
    table.assert_right(8);
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_the_clients_connection_go_no_further() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let hop_by_hop = [
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authorization", "Basic x"),
        ("TE", "trailers"),
        ("Trailer", "X-Trailer"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
    ];
    let begin = Request::get(TARGET).field("Connection", "X-Hop, Upgrade, HTTP2-Settings, TE");
    let request = hop_by_hop
        .iter()
        .fold(begin, |request, (n, v)| request.field(n, v));
    assert_eq!(vestibule.ask(Door::Plain, &request).await.status, 200);
    let arrived = homeserver.only_request();
    for (name, _) in hop_by_hop {
        assert_eq!(arrived.all(name), [""; 0], "{name}");
    }
    assert!(
        !arrived
            .all("connection")
            .iter()
            .any(|value| value.contains("X-Hop"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn authorization_arrives_untouched_however_often() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let values = [
        r#"X-Matrix origin="a.example",destination="example.com",key="ed25519:1",sig="abc+/=""#,
        r#"X-Matrix  origin=b.example:8448 , key="ed25519:a_b", sig="x\"y", unknown="z""#,
        "X-Matrix origin=c,key=\"\",sig=\"\"",
        "Bearer syt_dG9rZW4_x",
    ];
    let begin = Request::put("/_matrix/federation/v1/send/1", "{}");
    let request = values
        .iter()
        .fold(begin, |request, v| request.field("Authorization", v));
    assert_eq!(vestibule.ask(Door::Tls, &request).await.status, 200);
    assert_eq!(vestibule.ask_h2(Door::Tls, &request).await.status, 200);
    for arrived in homeserver.requests() {
        assert_eq!(arrived.all("authorization"), values);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_fields_arrive_in_order_and_as_spelt() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let fields = [
        ("User-Agent", "Element/1.11  (x; y)"),
        ("aCcEpT", "application/json;q=0.5, */*"),
        ("Accept-Encoding", "gzip, br"),
        ("If-None-Match", "W/\"a\", \"b\""),
        ("Range", "bytes=0-1"),
        ("Origin", "https://app.element.io"),
        ("X-Custom", "a"),
        ("x-custom", "b"),
        ("X-Empty", ""),
        ("Via", "1.1 elsewhere"),
    ];
    let request = fields
        .iter()
        .fold(Request::get(TARGET), |request, (n, v)| request.field(n, v));
    assert_eq!(vestibule.ask(Door::Plain, &request).await.status, 200);
    let arrived = homeserver.only_request().fields();
    let kept: Vec<_> = fields
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    let of_the_client: Vec<_> = arrived
        .into_iter()
        .filter(|field| kept.contains(field))
        .collect();
    assert_eq!(of_the_client, kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn cookie_crumbs_of_http2_are_joined() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let crumbs = ["a=1", "b=2; c=3", "d=\"4\""];
    let request = crumbs.iter().fold(Request::get(TARGET), |request, v| {
        request.field("cookie", v)
    });
    assert_eq!(vestibule.ask_h2(Door::Tls, &request).await.status, 200);
    let joined = homeserver.only_request().header("cookie");
    assert_eq!(joined.as_deref(), Some("a=1; b=2; c=3; d=\"4\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_carries_an_id_of_our_own() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let forged = Request::get(TARGET).field("X-Request-ID", "forged");
    let mut client = vestibule.raw(Door::Plain).await;
    for _ in 0..3 {
        assert_eq!(client.ask(&forged).await.header("x-request-id"), None);
        vestibule.ask_h2(Door::Tls, &forged).await;
    }
    let ids = homeserver
        .requests()
        .into_iter()
        .map(|r| r.header("x-request-id").expect("an id"));
    let mut ids: Vec<_> = ids.collect();
    assert!(
        ids.iter()
            .all(|id| id != "forged" && id.bytes().all(|b| b.is_ascii_graphic()))
    );
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_1_0_client_gets_what_it_can_read() {
    let homeserver = Homeserver::start().await;
    homeserver.route(
        "*",
        "/_matrix/chunked",
        Answer::chunked(&["hello", " ", "world"]),
    );
    homeserver.route(
        "*",
        "/_matrix/length",
        Answer::with(200, &[], b"hello world"),
    );
    let vestibule = Vestibule::start(&homeserver, "").await;
    for target in ["/_matrix/chunked", "/_matrix/length"] {
        let mut client = vestibule.raw(Door::Plain).await;
        client
            .send(format!("GET {target} HTTP/1.0\r\nHost: {HOST}\r\n\r\n"))
            .await;
        let answer = client.response().await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "hello world")
        );
        assert_eq!(answer.all("transfer-encoding"), [""; 0]);
        assert_eq!(client.closed().await, b"");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_1_0_client_without_a_host_is_refused_or_given_one() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for target in [TARGET, "/_matrix/federation/v1/version"] {
        let mut client = vestibule.raw(Door::Plain).await;
        client.send(format!("GET {target} HTTP/1.0\r\n\r\n")).await;
        // The homeserver flags a request of HTTP/1.1 without one.
        let status = client.response().await.status;
        assert!(matches!(status, 200 | 400 | 421), "{target}: {status}");
        assert_eq!(client.closed().await, b"");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn absolute_form_becomes_origin_form() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut table = Table::default();
    for (target, arrives) in [
        (
            "http://matrix.example.com/_matrix/a%2Fb//c?d=%20",
            "/_matrix/a%2Fb//c?d=%20",
        ),
        ("https://matrix.example.com/_matrix/x", "/_matrix/x"),
        ("HTTP://matrix.example.com/_matrix/x", "/_matrix/x"),
        ("http://matrix.example.com:8008/_matrix/x?", "/_matrix/x?"),
        (
            "http://matrix.example.com/_matrix?http://x/",
            "/_matrix?http://x/",
        ),
    ] {
        let authority = target.split('/').nth(2).unwrap();
        let request = Request::get(target).host(authority);
        table.row(
            target,
            &vestibule.ask(Door::Plain, &request).await.status,
            &200,
        );
        let arrived = homeserver.last_request();
        table.row(target, &arrived.target(), &arrives);
        table.row(target, &arrived.header("host").as_deref(), &Some(authority));
    }
    table.assert_right(15);
    let outside = Request::get("http://matrix.example.com");
    vestibule
        .ask(Door::Plain, &outside)
        .await
        .assert_error(404, "M_UNRECOGNIZED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authority_of_the_target_counts_not_the_host() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let request = Request::get("http://matrix.example.com/_matrix/x").host("elsewhere.example");
    let mut client = vestibule.raw(Door::Plain).await;
    client.send(request.bytes()).await;
    if client.response().await.status == 200 {
        assert_eq!(
            homeserver.only_request().header("host").as_deref(),
            Some(HOST)
        );
    } else {
        homeserver.assert_untouched();
    }
    let request = Request::get("http://elsewhere.example/_matrix/x");
    let mut client = vestibule.raw(Door::Plain).await;
    client.send(request.bytes()).await;
    assert!(matches!(client.response().await.status, 400 | 421));
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_arrives_as_clean_http1_with_a_host() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let request = Request::get(TARGET)
        .field("te", "trailers")
        .field("accept", "*/*");
    assert_eq!(vestibule.ask_h2(Door::Tls, &request).await.status, 200);
    let arrived = homeserver.only_request();
    assert_eq!(arrived.header("host").as_deref(), Some(HOST));
    assert_eq!(arrived.all("te"), [""; 0]);
    assert!(
        arrived
            .fields()
            .iter()
            .all(|(name, _)| !name.starts_with(':'))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hsts_is_said_over_tls_where_configured() {
    let homeserver = Homeserver::start().await;
    let strict = Vestibule::start(&homeserver, "hsts = \"180d\"").await;
    let lax = Vestibule::start(&homeserver, "").await;
    for target in [TARGET, "/nowhere", "/.well-known/matrix/client"] {
        let request = Request::get(target);
        let said = strict.ask(Door::Tls, &request).await;
        assert_eq!(
            said.header("strict-transport-security"),
            Some("max-age=15552000"),
            "{target}"
        );
        let said = strict.ask_h2(Door::Tls, &request).await;
        assert_eq!(
            said.header("strict-transport-security"),
            Some("max-age=15552000"),
            "{target}"
        );
        assert_eq!(
            strict
                .ask(Door::Plain, &request)
                .await
                .header("strict-transport-security"),
            None
        );
        assert_eq!(
            lax.ask(Door::Tls, &request)
                .await
                .header("strict-transport-security"),
            None
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn host_and_authority_of_http2_must_name_one_host() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let [method, scheme, authority, path] = frames::request("GET", HOST, TARGET);
    for (fields, status, arrived) in [
        (
            vec![method, scheme, authority, path, ("host", HOST)],
            200,
            Some(HOST),
        ),
        (vec![method, scheme, path, ("host", HOST)], 200, Some(HOST)),
        (vec![method, scheme, path], 400, None),
        (
            vec![method, scheme, authority, path, ("host", "example.com")],
            400,
            None,
        ),
    ] {
        let before = homeserver.requests().len();
        let mut client = vestibule.frames(Door::Plain).await;
        let whole = frames::END_HEADERS | frames::END_STREAM;
        let request = frames::frame(frames::HEADERS, whole, 1, &frames::block(&fields));
        client.send(request).await;
        let outcome = client.outcome(1).await;
        assert_eq!(outcome.status, Some(status), "{fields:?}");
        if status == 400 {
            let error: serde_json::Value = serde_json::from_slice(&outcome.body).unwrap();
            assert_eq!(error["errcode"], "M_UNKNOWN", "{fields:?}");
        }
        let hosts = homeserver.requests().split_off(before);
        let hosts: Vec<_> = hosts.iter().filter_map(|r| r.header("host")).collect();
        assert_eq!(hosts, Vec::from_iter(arrived), "{fields:?}");
    }
    let written = async || vestibule.access_log().len() == 4;
    eventually("a record for each, refused or not", written).await;
}
