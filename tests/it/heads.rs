//! Malformed heads: refused with the right status, the connection closed, and
//! not a byte upstream.

use crate::support::frames::{END_HEADERS, END_STREAM, HEADERS, block, frame};
use crate::support::{Door, Homeserver, Request, Table, Vestibule};

/// Sent behind every malformed head; nobody may ever run it.
const HIDDEN: &[u8] = b"GET /_matrix/hidden HTTP/1.1\r\nHost: matrix.example.com\r\n\r\n";

/// Request lines, with good fields behind them.
const REQUEST_LINES: &[(&[u8], &str)] = &[
    (b"GET  /_matrix/x HTTP/1.1", "400"),
    (b"GET /_matrix/x  HTTP/1.1", "400"),
    (b" GET /_matrix/x HTTP/1.1", "400"),
    (b"GET\t/_matrix/x HTTP/1.1", "400"),
    (b"GET /_matrix/x\tHTTP/1.1", "400"),
    (b"GET /_matrix/x HTTP/1.1 ", "400"),
    (b"GET /_matrix/x HTTP/1.1 x", "400"),
    (b"GET /_matrix/a b HTTP/1.1", "400"),
    (b"GET /_matrix/a b c d HTTP/1.1", "400"),
    (b"GET /_matrix/x", "400"),
    (b"GET", "400"),
    (b"/_matrix/x HTTP/1.1", "400"),
    (b"GET HTTP/1.1", "400"),
    (b"GET /_matrix/a\0b HTTP/1.1", "400"),
    (b"GET /_matrix/a\x01b HTTP/1.1", "400"),
    (b"GET /_matrix/a\x0bb HTTP/1.1", "400"),
    (b"GET /_matrix/a\rb HTTP/1.1", "400"),
    (b"GET /_matrix/a\nb HTTP/1.1", "400"),
    (b"GET /_matrix/a\x7fb HTTP/1.1", "400"),
    (b"GET /_matrix/a\x80b HTTP/1.1", "400"),
    (b"GET /_matrix/a\xffb HTTP/1.1", "400"),
    (b"GET http:// HTTP/1.1", "400"),
    (b"GET http:///_matrix/x HTTP/1.1", "400"),
    (b"GET http://u@matrix.example.com/_matrix/x HTTP/1.1", "400"),
    (
        b"GET http://u:p@matrix.example.com/_matrix/x HTTP/1.1",
        "400",
    ),
    (b"GET http://a b/_matrix/x HTTP/1.1", "400"),
    (
        b"GET http://matrix.example.com:99999/_matrix/x HTTP/1.1",
        "400",
    ),
    (b"GET http://[::1/_matrix/x HTTP/1.1", "400"),
    (b"\0GET /_matrix/x HTTP/1.1", "400"),
    (b"G\xc9T /_matrix/x HTTP/1.1", "400"),
    (b"G(T /_matrix/x HTTP/1.1", "400"),
    (b"GET: /_matrix/x HTTP/1.1", "400"),
    (b"G,T /_matrix/x HTTP/1.1", "400"),
    (b"get /_matrix/x HTTP/1.1", "501"),
    (b"Get /_matrix/x HTTP/1.1", "501"),
    (b"B!D /_matrix/x HTTP/1.1", "501"),
    (b"PROPFIND /_matrix/x HTTP/1.1", "501"),
    (b"GETGETGETGETGETGETGETGETGETGET /_matrix/x HTTP/1.1", "501"),
    (b"TRACE /_matrix/x HTTP/1.1", "405"),
    (b"CONNECT matrix.example.com:443 HTTP/1.1", "405"),
    (b"GET /_matrix/x HTTP/0.9", "505"),
    (b"GET /_matrix/x HTTP/1.2", "505"),
    (b"GET /_matrix/x HTTP/2.0", "505"),
    (b"GET /_matrix/x HTTP/3.0", "505"),
    (b"GET /_matrix/x HTTP/1", "400/505"),
    (b"GET /_matrix/x HTTP/1.", "400/505"),
    (b"GET /_matrix/x HTTP/1.10", "400/505"),
    (b"GET /_matrix/x HTTP/01.1", "400/505"),
    (b"GET /_matrix/x HTTP/+1.1", "400/505"),
    (b"GET /_matrix/x HTTP/1,1", "400/505"),
    (b"GET /_matrix/x HTTP1.1", "400/505"),
    (b"GET /_matrix/x http/1.1", "400/505"),
    (b"GET /_matrix/x HTTPS/1.1", "400/505"),
    (b"GET /_matrix/x HTTP/1.1\0", "400/505"),
    (b"GET /_matrix/x ICY/1.1", "400/505"),
];

/// Field lines behind a good request line and `Host`.
const FIELDS: &[(&[u8], &str)] = &[
    (b"X : y", "400"),
    (b"X\t: y", "400"),
    (b": y", "400"),
    (b":", "400"),
    (b"X", "400"),
    (b"X=y", "400"),
    (b" X: y", "400"),
    (b"\tX: y", "400"),
    (b"X: a\r\n b", "400"),
    (b"X: a\r\n\tb", "400"),
    (b"X: a\r\n ", "400"),
    (b"X: a\0b", "400"),
    (b"X: \0", "400"),
    (b"X: a\x01b", "400"),
    (b"X: a\x08b", "400"),
    (b"X: a\x0bb", "400"),
    (b"X: a\x0cb", "400"),
    (b"X: a\x1bb", "400"),
    (b"X: a\x7fb", "400"),
    (b"X: a\rb", "400"),
    (b"X: a\r", "400"),
    (b"X: a\nY: b", "400"),
    (b"X: a\n", "400"),
    (b"\rX: a", "400"),
    (b"\nX: a", "400"),
    (b"X\0: y", "400"),
    (b"X\x01: y", "400"),
    (b"X\x7f: y", "400"),
    (b"X\x80: y", "400"),
    (b"\xffX: y", "400"),
    (b"X Y: z", "400"),
    (b"X(: y", "400"),
    (b"X/Y: z", "400"),
    (b"X@Y: z", "400"),
    (b"{X}: y", "400"),
    (b"\"X\": y", "400"),
    (b"X[1]: y", "400"),
    (b"X;Y: z", "400"),
    (b"X,Y: z", "400"),
    (b"Transf\x82r-Encoding: chunked", "400"),
    (b"Content-Length\x85: 5", "400"),
    (b"Host: matrix.example.com", "400"),
    (b"host: other.example.com", "400"),
    (b"Expect: 200-ok", "417"),
    (b"Expect: 100-continue, 200-ok", "417"),
];

/// `Host` lines, instead of the good one.
const HOSTS: &[&[u8]] = &[
    b"X: no host at all",
    b"Host:",
    b"Host: ",
    b"Host : matrix.example.com",
    b"Host: matrix.example.com, matrix.example.com",
    b"Host: matrix.example.com other",
    b"Host: matrix.example.com/x",
    b"Host: matrix.example.com?x",
    b"Host: matrix.example.com#x",
    b"Host: matrix.example.com\\x",
    b"Host: http://matrix.example.com",
    b"Host: u@matrix.example.com",
    b"Host: matrix.example.com@evil.example",
    b"Host: matrix.example.com:x",
    b"Host: matrix.example.com:-1",
    b"Host: matrix.example.com:+443",
    b"Host: matrix.example.com:0x1bb",
    b"Host: matrix.example.com:99999",
    b"Host: matrix.example.com:443:443",
    b"Host: :443",
    b"Host: [::1",
    b"Host: [::1]x",
    b"Host: [zz]",
    b"Host: ::1",
    b"Host: matrix.example.com\0",
    b"Host: matrix\x80.example.com",
    b"Host: <script>",
    b"Host: \"matrix.example.com\"",
    b"Host: %6datrix.example.com",
];

/// Fields about the length of a body, in a `POST`.
const FRAMINGS: &[&[u8]] = &[
    b"Content-Length:",
    b"Content-Length: +5",
    b"Content-Length: -5",
    b"Content-Length: 5, 5",
    b"Content-Length: 5,6",
    b"Content-Length: 5 5",
    b"Content-Length: 5\r\nContent-Length: 5",
    b"Content-Length: 5\r\ncontent-length: 6",
    b"Content-Length: 0\r\nContent-Length: 44",
    b"Content-Length: 0x5",
    b"Content-Length: 5.0",
    b"Content-Length: 5e0",
    b"Content-Length: 5_0",
    b"Content-Length: five",
    b"Content-Length: 5;",
    b"Content-Length: \"5\"",
    b"Content-Length: \xef\xbc\x95",
    b"Content-Length: 99999999999999999999",
    b"Content-Length: 18446744073709551621",
    b"Content-Length : 5",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    b"Transfer-Encoding: chunked\r\nContent-Length: 0",
    b"Transfer-Encoding:",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: gzip",
    b"Transfer-Encoding: x",
    b"Transfer-Encoding: chunkedx",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked;q=1",
    b"Transfer-Encoding: \"chunked\"",
    b"Transfer-Encoding: chunked,",
    b"Transfer-Encoding: ,chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked",
    b" Transfer-Encoding: chunked",
    b"Transfer-Encoding:\r\n chunked",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: chunked\x00",
    b"X: y\nTransfer-Encoding: chunked",
    b"X: y\rTransfer-Encoding: chunked",
];

/// Sends each head on a connection of its own and fills the table.
async fn refuse_all(heads: impl IntoIterator<Item = (Vec<u8>, String)>) -> Table {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut table = Table::default();
    for (head, wanted) in heads {
        let mut client = vestibule.raw(Door::Plain).await;
        client.send([&head, HIDDEN].concat()).await;
        let got = client.refusal().await;
        let wanted: Vec<_> = wanted.split('/').collect();
        table.row_of(String::from_utf8_lossy(&head), &got, &wanted);
        table.row(
            String::from_utf8_lossy(&head),
            &homeserver.targets().len(),
            &0,
        );
    }
    table
}

fn head(line: &[u8], host: &[u8], more: &[u8]) -> Vec<u8> {
    [line, b"\r\n", host, b"\r\n", more].concat()
}

const LINE: &[u8] = b"GET /_matrix/client/versions HTTP/1.1";
const GOOD_HOST: &[u8] = b"Host: matrix.example.com";

#[tokio::test(flavor = "multi_thread")]
async fn malformed_request_lines_are_refused() {
    let heads = REQUEST_LINES.iter().map(|(line, status)| {
        let head = head(line, GOOD_HOST, b"\r\n");
        (head, (*status).to_owned())
    });
    refuse_all(heads).await.assert_right(2 * 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_fields_are_refused() {
    let heads = FIELDS.iter().map(|(field, status)| {
        let head = head(LINE, GOOD_HOST, &[field, &b"\r\n\r\n"[..]].concat());
        (head, (*status).to_owned())
    });
    refuse_all(heads).await.assert_right(2 * 45);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_hosts_are_refused() {
    let heads = HOSTS
        .iter()
        .map(|host| (head(LINE, host, b"\r\n"), "400".to_owned()));
    refuse_all(heads).await.assert_right(2 * 28);
}

#[tokio::test(flavor = "multi_thread")]
async fn unclear_body_lengths_are_refused() {
    let line = b"POST /_matrix/client/v3/login HTTP/1.1";
    let heads = FRAMINGS.iter().map(|field| {
        let head = head(
            line,
            GOOD_HOST,
            &[field, &b"\r\n\r\n0\r\n\r\n"[..]].concat(),
        );
        (head, "400".to_owned())
    });
    refuse_all(heads).await.assert_right(2 * 48);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_line_ends_and_versions_are_refused() {
    let good = "GET /_matrix/x HTTP/1.1\r\nHost: matrix.example.com\r\n";
    let te = "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let heads = [
        good.replace("\r\n", "\n") + "\n",
        good.replace("\r\n", "\r") + "\r",
        good.replace("1.1\r\n", "1.1\n") + "\r\n",
        good.to_owned() + "\n",
        good.to_owned() + "\r\r\n",
        good.to_owned() + "X: y\n\r\n",
        good.replace("1.1\r\n", "1.1\r\r\n") + "\r\n",
        good.replace("1.1", "1.0") + te,
        "GET /_matrix/x\r\n".to_owned(),
        "GET /_matrix/x\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".to_owned(),
        "\0\0\0\0\0\0\r\n\r\n".to_owned(),
        "SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(),
    ];
    let heads = heads
        .into_iter()
        .map(|head| (head.into_bytes(), "400".to_owned()));
    refuse_all(heads).await.assert_right(2 * 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_heads_are_refused_as_such() {
    let head = |fields: String| head(LINE, GOOD_HOST, format!("{fields}\r\n").as_bytes());
    let heads = [
        (head(format!("X: {}\r\n", "a".repeat(70_000))), "431"),
        (head("X: y\r\n".repeat(200)), "431"),
        (
            head(format!("X: {}\r\n", "a".repeat(1000)).repeat(100)),
            "431",
        ),
        (head(format!("{}: y\r\n", "a".repeat(70_000))), "431"),
        (
            [
                b"GET /_matrix/",
                "a".repeat(20_000).as_bytes(),
                b" HTTP/1.1\r\n",
            ]
            .concat(),
            "414",
        ),
        (
            [b"GET /_matrix/?", "a".repeat(80_000).as_bytes()].concat(),
            "414",
        ),
    ];
    let heads = heads
        .into_iter()
        .map(|(head, status)| (head, status.to_owned()));
    refuse_all(heads).await.assert_right(2 * 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_http2_heads_are_refused_as_such() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let target = "/_matrix/client/versions";
    for (value, count) in [("a".repeat(1000), 80), ("b".to_owned(), 200)] {
        let request = (0..count).fold(Request::get(target), |request, number| {
            request.field(&format!("x-{number}"), &value)
        });
        let answer = vestibule.ask_h2(Door::Tls, &request).await;
        answer.assert_error(431, "M_UNKNOWN");
    }
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_up_to_the_limits_pass() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let authorization = format!("Authorization: Bearer {}\r\n", "a".repeat(8000));
    let many: String = (0..120).map(|n| format!("X-Field-{n}: {n}\r\n")).collect();
    for fields in [authorization, many] {
        let mut client = vestibule.raw(Door::Plain).await;
        client
            .send(head(LINE, GOOD_HOST, format!("{fields}\r\n").as_bytes()))
            .await;
        assert_eq!(client.response().await.status, 200);
        let arrived = String::from_utf8(homeserver.last_request().head).unwrap();
        assert!(fields.lines().all(|line| arrived.contains(line)));
    }
}

type Fields = Vec<(&'static str, &'static str)>;

const GOOD: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "matrix.example.com"),
    (":path", "/_matrix/x"),
];

/// Field sections that no HTTP/2 request may have, or that no HTTP/1.1 request
/// could carry on.
fn malformed_http2_heads() -> Vec<Fields> {
    let with = |more: &[(&'static str, &'static str)]| [&GOOD, more].concat();
    let without = |name: &str| {
        GOOD.into_iter()
            .filter(|(n, _)| *n != name)
            .collect::<Vec<_>>()
    };
    let swapped = |name: &'static str, value: &'static str| {
        GOOD.map(|(n, v)| (n, if n == name { value } else { v }))
            .to_vec()
    };
    vec![
        without(":method"),
        without(":path"),
        without(":scheme"),
        without(":authority"),
        swapped(":path", ""),
        swapped(":path", "_matrix/x"),
        swapped(":path", "*"),
        swapped(":path", "https://matrix.example.com/_matrix/x"),
        swapped(":method", ""),
        swapped(":method", "GET /_matrix/hidden HTTP/1.1"),
        swapped(":method", "CONNECT"),
        swapped(":method", "TRACE"),
        swapped(":authority", ""),
        swapped(":authority", "u@matrix.example.com"),
        swapped(":authority", "matrix.example.com/x"),
        swapped(":authority", "matrix.example.com\r\nX: y"),
        with(&[(":method", "POST")]),
        with(&[(":path", "/_matrix/y")]),
        with(&[(":authority", "matrix.example.com")]),
        with(&[(":status", "200")]),
        with(&[(":unknown", "x")]),
        with(&[("x", "y"), (":path", "/_matrix/y")]),
        with(&[("X-Upper", "y")]),
        with(&[("", "y")]),
        with(&[("x y", "z")]),
        with(&[("x:", "y")]),
        with(&[("x\r\ny", "z")]),
        with(&[("x", "a\r\nHost: evil")]),
        with(&[("x", "a\nb")]),
        with(&[("x", "a\0b")]),
        with(&[("connection", "close")]),
        with(&[("keep-alive", "timeout=5")]),
        with(&[("proxy-connection", "x")]),
        with(&[("upgrade", "websocket")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("te", "gzip")]),
        with(&[("host", "evil.example")]),
        with(&[("content-length", "5")]),
        with(&[("content-length", "x")]),
        with(&[("content-length", "0"), ("content-length", "5")]),
        with(&[("content-length", "0"), ("content-length", "0")]),
        with(&[("x", "y"); 129]),
        with(&[("expect", "200-ok")]),
        swapped(":method", "get"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_http2_heads_reach_nobody() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut table = Table::default();
    for fields in malformed_http2_heads() {
        let mut client = vestibule.frames(Door::Plain).await;
        client
            .send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields)))
            .await;
        let outcome = client.outcome(1).await;
        let refused = outcome
            .status
            .is_none_or(|status| (400..=505).contains(&status));
        table.row((fields, outcome), &refused, &true);
    }
    table.assert_right(40);
    homeserver.assert_untouched();
}
