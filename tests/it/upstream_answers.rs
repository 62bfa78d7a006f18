//! What a homeserver may answer, and what becomes of it when it may not.

use crate::support::{Answer, Door, Gate, Homeserver, Request, Table, Vestibule};

const TARGET: &str = "/_matrix/client/v3/capabilities";

/// Answers that are wrong before their head is over: the client sees a 502.
fn unusable_heads() -> Vec<(&'static str, Answer)> {
    let raw = |name, text: &str| (name, Answer::raw(text).closing());
    let early_hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let ok_head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    vec![
        ("nothing", Answer::hang_up()),
        raw("garbage", "\x16\x03\x01 garbage\r\n\r\n"),
        raw("HTTP/0.9", "hello"),
        raw("a page", "<html><body>hello</body></html>\r\n\r\n"),
        raw(
            "an unasked 101",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nraw",
        ),
        raw(
            "a bare 101",
            "HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ),
        raw("a torn status line", "HTTP/1.1 20"),
        raw("a torn head", "HTTP/1.1 200 OK\r\nContent-Le"),
        raw(
            "four digits",
            "HTTP/1.1 1000 X\r\nContent-Length: 0\r\n\r\n",
        ),
        raw("two digits", "HTTP/1.1 20 X\r\nContent-Length: 0\r\n\r\n"),
        raw("no digits", "HTTP/1.1 abc X\r\nContent-Length: 0\r\n\r\n"),
        raw("HTTP/2", "HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n"),
        raw(
            "another protocol",
            "RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        ),
        raw("17 interim answers", &(early_hints.repeat(17) + ok_head)),
        raw("interim answers without end", &early_hints.repeat(2000)),
    ]
}

/// Answers with a field section that can be read in two ways, or in none.
fn unusable_fields() -> Vec<(&'static str, Answer)> {
    let ok = |name, fields: &str| {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nhello");
        (name, Answer::raw(text).closing())
    };
    vec![
        ok("a signed length", "Content-Length: +5"),
        ok("a negative length", "Content-Length: -5"),
        ok("a length in words", "Content-Length: five"),
        ok(
            "a length that overflows",
            "Content-Length: 99999999999999999999",
        ),
        ok("two lengths", "Content-Length: 5\r\nContent-Length: 6"),
        ok("one length twice", "Content-Length: 5\r\nContent-Length: 5"),
        ok("a list of lengths", "Content-Length: 5, 6"),
        ok("a coding that is not chunked", "Transfer-Encoding: gzip"),
        ok("codings before chunked", "Transfer-Encoding: gzip, chunked"),
        ok(
            "chunked twice",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        ),
        ok(
            "a length before chunks",
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
        ),
        ok(
            "a length after chunks",
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
        ),
        ok("a NUL in a value", "Content-Length: 5\r\nX: a\0b"),
        ok("a bare CR in a value", "Content-Length: 5\r\nX: a\rb"),
        ok("a line without a colon", "Content-Length: 5\r\nhello world"),
        ok("an empty name", "Content-Length: 5\r\n: x"),
        ok("a head without end", &"X: y\r\n".repeat(400_000)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_head_is_a_502_and_the_connection_to_the_homeserver_ends() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut table = Table::default();
    for (name, answer) in unusable_heads().into_iter().chain(unusable_fields()) {
        homeserver.route("*", "/", answer);
        let mut client = vestibule.raw(Door::Plain).await;
        client.send(Request::get(TARGET).bytes()).await;
        let over_1 = client.try_response().await;
        let over_2 = vestibule
            .h2(Door::Tls)
            .await
            .try_ask(&Request::get(TARGET))
            .await;
        for answer in [over_1, over_2.ok()] {
            let status = answer.as_ref().map(|answer| answer.status);
            table.row((name, &answer), &status, &Some(502));
            let errcode = answer
                .as_ref()
                .is_some_and(|a| a.text().contains("M_UNKNOWN"));
            table.row((name, &answer), &errcode, &true);
        }
    }
    homeserver.all_closed().await;
    table.assert_right(120);
}

/// Answers that break off, or go wrong, after their head.
fn broken_bodies() -> Vec<(&'static str, Answer)> {
    let chunked = |name, body: &str| {
        let text = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        (name, Answer::raw(text).closing())
    };
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    vec![
        ("a short body", Answer::raw(short).closing()),
        ("no body", Answer::raw(&short[..short.len() - 5]).closing()),
        chunked("no chunk at all", ""),
        chunked("no last chunk", "5\r\nhello\r\n"),
        chunked("a torn chunk", "a\r\nhello"),
        chunked("a torn size", "5\r\nhello\r\n1"),
        chunked("no line end after a chunk", "5\r\nhello0\r\n\r\n"),
        chunked(
            "a size that is none",
            "5\r\nhello\r\nzz\r\nhello\r\n0\r\n\r\n",
        ),
        chunked("a signed size", "5\r\nhello\r\n+5\r\nhello\r\n0\r\n\r\n"),
        chunked(
            "a size that overflows",
            "5\r\nhello\r\nfffffffffffffffff\r\nhello",
        ),
        chunked("no line end at the end", "5\r\nhello\r\n0\r\n"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_body_is_never_shown_as_whole() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut table = Table::default();
    for (name, answer) in broken_bodies() {
        homeserver.route("*", "/", answer);
        let mut client = vestibule.raw(Door::Plain).await;
        client.send(Request::get(TARGET).bytes()).await;
        let over_1 = client.try_response().await;
        let over_2 = vestibule
            .h2(Door::Tls)
            .await
            .try_ask(&Request::get(TARGET))
            .await;
        for answer in [over_1, over_2.ok()].into_iter().flatten() {
            let shown_as_whole = answer.status == 200 && answer.whole;
            table.row((name, &answer), &shown_as_whole, &false);
        }
    }
    homeserver.all_closed().await;
    table.assert_right(10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_an_answer_is_nobodys_answer() {
    let stray = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray";
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut table = Table::default();
    for (head, body) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "hello",
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", ""),
    ] {
        homeserver.route(
            "GET",
            "/_matrix/first",
            Answer::raw(format!("{head}{stray}")),
        );
        let mut client = vestibule.raw(Door::Plain).await;
        let first = client.ask(&Request::get("/_matrix/first")).await;
        table.row(head, &first.text().as_str(), &body);
        let second = vestibule
            .ask(Door::Plain, &Request::get("/_matrix/second"))
            .await;
        table.row(head, &second.text().as_str(), &"{}");
        let requests = homeserver.requests();
        let [.., a, b] = &requests[..] else {
            unreachable!("two requests")
        };
        table.row(head, &(a.connection == b.connection), &false);
    }
    table.assert_right(12);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_pass_as_they_are() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut table = Table::default();
    for status in [
        200, 201, 202, 301, 302, 303, 307, 400, 401, 403, 404, 405, 409, 413, 415, 429, 500, 501,
        502, 503, 504, 599,
    ] {
        let body = format!(r#"{{"errcode":"ORG_EXAMPLE","error":"{status} of the homeserver"}}"#);
        homeserver.route("*", "/", Answer::json(status, &body));
        for method in ["GET", "PUT"] {
            let request = Request::new(method, TARGET).body("");
            let over_1 = vestibule.ask(Door::Plain, &request).await;
            let over_2 = vestibule.ask_h2(Door::Tls, &request).await;
            for answer in [over_1, over_2] {
                table.row((method, &answer.version), &answer.status, &status);
                table.row((method, &answer.version), &answer.text(), &body);
                // What the homeserver does not say, nobody says for it.
                table.row(
                    (method, status),
                    &answer.header("access-control-allow-origin"),
                    &None,
                );
            }
        }
    }
    table.assert_right(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_an_answer_pass_but_for_those_of_the_connection() {
    let homeserver = Homeserver::start().await;
    let fields = [
        ("Server", "Synapse/1.163.2"),
        ("Cache-Control", "no-cache, no-store, must-revalidate"),
        ("Access-Control-Allow-Origin", "*"),
        ("ETag", "\"x\""),
        ("Set-Cookie", "a=1; HttpOnly"),
        ("Set-Cookie", "b=2; Secure"),
        ("Content-Encoding", "gzip"),
        ("WWW-Authenticate", "Bearer"),
    ];
    let hop_by_hop = [
        ("Connection", "X-Hop, keep-alive"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authenticate", "Basic"),
        ("Trailer", "X-Trailer"),
        ("Upgrade", "h2c"),
    ];
    homeserver.route(
        "*",
        "/",
        Answer::with(200, &[&fields[..], &hop_by_hop].concat(), b"hello"),
    );
    let vestibule = Vestibule::start(&homeserver, "").await;
    let over_1 = vestibule.ask(Door::Plain, &Request::get(TARGET)).await;
    let over_2 = vestibule.ask_h2(Door::Tls, &Request::get(TARGET)).await;
    for answer in [over_1, over_2] {
        for (name, value) in fields {
            assert!(answer.all(name).contains(&value), "{name}: {answer:?}");
        }
        assert_eq!(answer.all("set-cookie"), ["a=1; HttpOnly", "b=2; Secure"]);
        let left = hop_by_hop[1..]
            .iter()
            .filter(|(name, _)| !answer.all(name).is_empty());
        assert_eq!(left.count(), 0, "{answer:?}");
        assert!(!answer.all("connection").contains(&"X-Hop, keep-alive"));
        assert_eq!(answer.all("x-request-id"), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn interim_answers_pass() {
    let homeserver = Homeserver::start().await;
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(16);
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    homeserver.route("*", "/", Answer::raw(hints).then(ok));
    let vestibule = Vestibule::start(&homeserver, "").await;
    let over_1 = vestibule.ask(Door::Plain, &Request::get(TARGET)).await;
    let over_2 = vestibule.ask_h2(Door::Tls, &Request::get(TARGET)).await;
    assert_eq!(over_1.interim, [103; 16]);
    // The client drops one that comes while it looks for the answer itself.
    assert!(over_2.interim.len() > 8 && over_2.interim.iter().all(|status| *status == 103));
    for answer in [over_1, over_2] {
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_with_the_connection_is_whole() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for version in ["1.1", "1.0"] {
        let text = format!("HTTP/{version} 200 OK\r\nContent-Type: text/plain\r\n\r\nhello");
        homeserver.route("*", "/", Answer::raw(text).closing());
        let over_1 = vestibule.ask(Door::Plain, &Request::get(TARGET)).await;
        let over_2 = vestibule.ask_h2(Door::Tls, &Request::get(TARGET)).await;
        for answer in [over_1, over_2] {
            assert_eq!(
                (answer.status, answer.whole),
                (200, true),
                "{version}: {answer:?}"
            );
            assert_eq!(answer.text(), "hello");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_body_have_none() {
    let homeserver = Homeserver::start().await;
    homeserver.route(
        "HEAD",
        "/",
        Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
    );
    homeserver.route("PUT", "/", Answer::raw("HTTP/1.1 204 No Content\r\n\r\n"));
    let not_modified = "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n";
    homeserver.route("GET", "/", Answer::raw(not_modified));
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut client = vestibule.raw(Door::Plain).await;
    for _ in 0..2 {
        let head = client.ask(&Request::new("HEAD", TARGET)).await;
        assert_eq!(
            (head.status, head.header("content-length")),
            (200, Some("500"))
        );
        assert_eq!(client.ask(&Request::put(TARGET, "")).await.status, 204);
        let unchanged = client.ask(&Request::get(TARGET)).await;
        assert_eq!(
            (unchanged.status, unchanged.header("etag")),
            (304, Some("\"x\""))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_308_goes_out_as_301_as_configured() {
    let homeserver = Homeserver::start().await;
    let location = "/_matrix/client/v3/a%2Fb/../c?d=%20";
    homeserver.route("*", "/", Answer::with(308, &[("Location", location)], b"x"));
    let mut table = Table::default();
    for (config, get, put) in [
        ("", 301, 301),
        ("rewrite_308 = \"all\"", 301, 301),
        ("rewrite_308 = \"get\"", 301, 308),
        ("rewrite_308 = \"off\"", 308, 308),
    ] {
        let vestibule = Vestibule::start(&homeserver, config).await;
        for (method, status) in [("GET", get), ("HEAD", get), ("PUT", put), ("POST", put)] {
            let request = Request::new(method, TARGET).body("");
            homeserver.route("HEAD", "/", Answer::raw("HTTP/1.1 308 X\r\nLocation: /_matrix/client/v3/a%2Fb/../c?d=%20\r\nContent-Length: 1\r\n\r\n"));
            let answer = vestibule.ask(Door::Plain, &request).await;
            let got = (answer.status, answer.header("location"));
            table.row((config, method), &got, &(status, Some(location)));
        }
    }
    table.assert_right(16);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_an_answer_pass_as_they_come() {
    let (first, second) = (Gate::new(), Gate::new());
    let homeserver = Homeserver::start().await;
    let slow = |head: &str, a: &str, b: &str| {
        let head = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n");
        Answer::raw(head)
            .then_wait(&first)
            .then(a)
            .then_wait(&second)
            .then(b)
    };
    homeserver.route(
        "*",
        "/_matrix/length",
        slow("Content-Length: 10", "hello", "world"),
    );
    let chunks = slow(
        "Transfer-Encoding: chunked",
        "5\r\nhello\r\n",
        "5\r\nworld\r\n0\r\n\r\n",
    );
    homeserver.route("*", "/_matrix/chunked", chunks);
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut clients = [
        vestibule.raw(Door::Plain).await,
        vestibule.raw(Door::Tls).await,
    ];
    for (client, target) in clients
        .iter_mut()
        .zip(["/_matrix/length", "/_matrix/chunked"])
    {
        client.send(Request::get(target).bytes()).await;
        client.until("\r\n\r\n").await;
    }
    for (gate, word) in [(&first, "hello"), (&second, "world")] {
        gate.open();
        for client in &mut clients {
            client.until(word).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_passes_whole() {
    let homeserver = Homeserver::start().await;
    let begin = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n");
    homeserver.route("*", "/", begin.then_times(1024, vec![b'a'; 65_536]));
    let vestibule = Vestibule::start(&homeserver, "").await;
    for door in [Door::Plain, Door::Tls] {
        let over_1 = vestibule.ask(door, &Request::get(TARGET)).await;
        let over_2 = vestibule.ask_h2(door, &Request::get(TARGET)).await;
        assert_eq!((over_1.whole, over_1.body.len()), (true, 67_108_864));
        assert_eq!((over_2.whole, over_2.body.len()), (true, 67_108_864));
    }
}
