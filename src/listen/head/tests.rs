use super::*;

const GOOD: &str = "Host: example.org\r\n";

fn limits() -> Limits {
    Limits {
        head_size: 4096,
        head_fields: 8,
        target_size: 64,
        ..Limits::default()
    }
}

/// Scans and checks, byte by byte when `trickle`, as the gate does.
fn pass(head: &[u8], trickle: bool) -> Result<Option<Request>, Refusal> {
    let limits = limits();
    let mut scan = Scan::default();
    let ends = if trickle {
        1..=head.len()
    } else {
        head.len()..=head.len()
    };
    for end in ends {
        if let Some((start, end)) = scan.advance(&head[..end], &limits)? {
            return read(&head[start..end], &limits).map(Some);
        }
    }
    Ok(None)
}

fn status(head: &[u8]) -> u16 {
    let whole = pass(head, false);
    let told = |passed: &Result<Option<Request>, Refusal>| match passed {
        Ok(request) => Ok(request.as_ref().map(written)),
        Err(refusal) => Err(*refusal),
    };
    let trickled = pass(head, true);
    assert_eq!(told(&whole), told(&trickled), "{}", head.escape_ascii());
    match whole {
        Ok(Some(_)) => 200,
        Ok(None) => 0,
        Err(refusal) => refusal.status(),
    }
}

/// A request as it would be written.
fn written(request: &Request) -> String {
    let head = &request.head;
    let line = [head.method.as_str().as_bytes(), b" ", &head.target].concat();
    let text = [
        &line,
        &b" "[..],
        head.protocol.as_str().as_bytes(),
        b"\r\n",
        head.fields.wire(),
    ];
    String::from_utf8_lossy(&text.concat()).into_owned()
}

/// Request lines, completed with a Host and an end.
const REQUEST_LINES: &[(u16, &str)] = &[
    (200, "GET / HTTP/1.1"),
    (200, "GET / HTTP/1.0"),
    (200, "HEAD /_matrix/client/versions HTTP/1.1"),
    (200, "PUT /a%2Fb//./../%2e%2e;p=1?q&&%zz=% HTTP/1.1"),
    (200, "GET /!$&'()*+,-.:;=@[]^_{|}~\\\" HTTP/1.1"),
    (200, "GET /?`{}|^[]\\ HTTP/1.1"),
    (200, "OPTIONS * HTTP/1.1"),
    (200, "OPTIONS / HTTP/1.1"),
    (200, "PATCH / HTTP/1.1"),
    (200, "DELETE /? HTTP/1.1"),
    (200, "GET http://example.org/a HTTP/1.1"),
    (200, "GET HTTPS://example.org:443 HTTP/1.1"),
    (200, "OPTIONS http://example.org HTTP/1.1"),
    (200, "GET http://[::1]:1?q HTTP/1.1"),
    (400, "GET"),
    (400, "GET /"),
    (400, "GET  / HTTP/1.1"),
    (400, "GET /  HTTP/1.1"),
    (400, "GET / HTTP/1.1 "),
    (400, " GET / HTTP/1.1"),
    (400, "GET /a b HTTP/1.1"),
    (400, "GET\t/\tHTTP/1.1"),
    (400, "GET /\tHTTP/1.1"),
    (400, "GET /a\tb HTTP/1.1"),
    (400, "GET / http/1.1"),
    (400, "GET / HTTP/1.10"),
    (400, "GET / HTTP/11.1"),
    (400, "GET / HTTP/1"),
    (400, "GET / HTTP/1."),
    (400, "GET / HTTP/a.b"),
    (400, "GET / HTTPS/1.1"),
    (400, "GET / HTTP/ 1.1"),
    (400, "GET / XHTTP/1.1"),
    (400, "GET / HTTP/1.1x"),
    (505, "GET / HTTP/0.9"),
    (505, "GET / HTTP/1.2"),
    (505, "GET / HTTP/2.0"),
    (505, "GET / HTTP/3.0"),
    (505, "PRI * HTTP/2.0"),
    (400, "G@T / HTTP/1.1"),
    (400, "GET: / HTTP/1.1"),
    (400, "\"GET\" / HTTP/1.1"),
    (501, "get / HTTP/1.1"),
    (501, "Get / HTTP/1.1"),
    (501, "post / HTTP/1.1"),
    (501, "B!D / HTTP/1.1"),
    (501, "GETX / HTTP/1.1"),
    (501, "PROPFIND / HTTP/1.1"),
    (501, "TRACK / HTTP/1.1"),
    (405, "TRACE / HTTP/1.1"),
    (405, "CONNECT example.org:443 HTTP/1.1"),
    (405, "CONNECT / HTTP/1.1"),
    (400, "GET * HTTP/1.1"),
    (400, "OPTIONS ** HTTP/1.1"),
    (400, "OPTIONS *? HTTP/1.1"),
    (400, "GET a/b HTTP/1.1"),
    (400, "GET foo:bar HTTP/1.1"),
    (400, "GET ?q HTTP/1.1"),
    (400, "GET example.org:80 HTTP/1.1"),
    (400, "GET \\ HTTP/1.1"),
    (400, "GET /a#b HTTP/1.1"),
    (400, "GET /?a#b HTTP/1.1"),
    (400, "GET /<b> HTTP/1.1"),
    (400, "GET /?<b> HTTP/1.1"),
    (400, "GET /` HTTP/1.1"),
    (400, "GET /?\" HTTP/1.1"),
    (400, "GET /\u{e9} HTTP/1.1"),
    (400, "GET /\u{7f} HTTP/1.1"),
    (400, "GET /\0 HTTP/1.1"),
    (400, "GET /\u{1b}[0m HTTP/1.1"),
    (400, "GET http:///a HTTP/1.1"),
    (400, "GET http:/a HTTP/1.1"),
    (400, "GET http:a HTTP/1.1"),
    (400, "GET http://a@example.org/ HTTP/1.1"),
    (400, "GET http://example.org:x/ HTTP/1.1"),
    (400, "GET http://example.org:99999/ HTTP/1.1"),
    (400, "GET http://example.org\\@a/ HTTP/1.1"),
    (400, "GET http://example.org#a HTTP/1.1"),
    (400, "GET http://exa%6Dple.org/ HTTP/1.1"),
    (400, "GET http://example.org/a#b HTTP/1.1"),
    (400, "GET ftp://example.org/ HTTP/1.1"),
    (400, "GET ws://example.org/ HTTP/1.1"),
];

#[test]
fn judges_request_lines() {
    let long = "a".repeat(70);
    for (expected, line) in REQUEST_LINES {
        let head = format!("{line}\r\n{GOOD}\r\n");
        assert_eq!(status(head.as_bytes()), *expected, "{line:?}");
    }
    let head = format!("GET /{long} HTTP/1.1\r\n{GOOD}\r\n");
    assert_eq!(status(head.as_bytes()), 414);
}

/// Fields after a good request line of HTTP/1.1, with `Host` where the case has none.
const FIELDS: &[(u16, &str)] = &[
    (200, ""),
    (200, "A: b\r\n"),
    (200, "A:\r\n"),
    (200, "A:b\r\n"),
    (200, "A: \t b \t \r\n"),
    (200, "A: \u{e9}\u{20ac}\r\n"),
    (200, "!#$%&'*+-.^_`|~1aZ: b\r\n"),
    (200, "Content-Length: 0\r\n"),
    (200, "Content-Length:  5 \r\n"),
    (200, "content-length: 005\r\n"),
    (200, "Transfer-Encoding: chunked\r\n"),
    (200, "TRANSFER-ENCODING:\tCHUNKED\r\n"),
    (200, "Expect: 100-continue\r\n"),
    (200, "Expect: 100-Continue\r\n"),
    (200, "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    (400, "A\r\n"),
    (400, "A b\r\n"),
    (400, ": b\r\n"),
    (400, ":\r\n"),
    (400, "A : b\r\n"),
    (400, "A\t: b\r\n"),
    (400, "Content-Length : 5\r\n"),
    (400, "A b: c\r\n"),
    (400, "A@: c\r\n"),
    (400, "A(: c\r\n"),
    (400, "\"A\": c\r\n"),
    (400, "A\u{e9}: c\r\n"),
    (400, "A: b\r\n c\r\n"),
    (400, "A: b\r\n\tc\r\n"),
    (400, " A: b\r\n"),
    (400, "A: b\r\n \r\n"),
    (400, "A: b\nC: d\r\n"),
    (400, "A: b\n\r\n"),
    (400, "A: b\rC: d\r\n"),
    (400, "A: b\r\r\n"),
    (400, "A: \0\r\n"),
    (400, "A\0: b\r\n"),
    (400, "A: \u{b}\r\n"),
    (400, "A: \u{c}b\r\n"),
    (400, "A: \u{7f}\r\n"),
    (400, "A: \u{1}\r\n"),
    (400, "Content-Length: \r\n"),
    (400, "Content-Length: +3\r\n"),
    (400, "Content-Length: -1\r\n"),
    (400, "Content-Length: -0\r\n"),
    (400, "Content-Length: 0x3\r\n"),
    (400, "Content-Length: 3a\r\n"),
    (400, "Content-Length: 3 3\r\n"),
    (400, "Content-Length: 3, 3\r\n"),
    (400, "Content-Length: 3,\r\n"),
    (400, "Content-Length: 3;a\r\n"),
    (400, "Content-Length: 3.0\r\n"),
    (400, "Content-Length: 1_0\r\n"),
    (400, "Content-Length: \"3\"\r\n"),
    (400, "Content-Length: \u{661}\r\n"),
    (400, "Content-Length: 18446744073709551616\r\n"),
    (400, "Content-Length: 9999999999999999999\r\n"),
    (400, "Content-Length: 3\r\nContent-Length: 3\r\n"),
    (400, "Content-Length: 3\r\ncontent-length: 4\r\n"),
    (400, "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
    (400, "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
    (400, "Transfer-Encoding:\r\n"),
    (400, "Transfer-Encoding: identity\r\n"),
    (400, "Transfer-Encoding: gzip\r\n"),
    (400, "Transfer-Encoding: gzip, chunked\r\n"),
    (400, "Transfer-Encoding: identity, chunked\r\n"),
    (400, "Transfer-Encoding: chunked, chunked\r\n"),
    (400, "Transfer-Encoding: chunked,\r\n"),
    (400, "Transfer-Encoding: ,chunked\r\n"),
    (400, "Transfer-Encoding: chunked;q=1\r\n"),
    (400, "Transfer-Encoding: \"chunked\"\r\n"),
    (400, "Transfer-Encoding: xchunked\r\n"),
    (400, "Transfer-Encoding: chunkedx\r\n"),
    (400, "Transfer-Encoding: chun ked\r\n"),
    (400, "Transfer-Encoding: \u{b}chunked\r\n"),
    (
        400,
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        400,
        "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n",
    ),
    (400, "Transfer-Encoding : chunked\r\n"),
    (400, "Transfer-Encoding\r\n"),
    (400, "Transfer-Encoding: chunked\r\n , gzip\r\n"),
    (417, "Expect: 200-ok\r\n"),
    (417, "Expect:\r\n"),
    (417, "Expect: 100-continue, x\r\n"),
    (417, "Expect: 100-continue\r\nExpect: x\r\n"),
    (400, "Host: a\r\nHost: a\r\n"),
    (400, "Host: a\r\nhOST: b\r\n"),
    (400, "Host:\r\n"),
    (400, "Host: a b\r\n"),
    (400, "Host: a,b\r\n"),
    (400, "Host: a/b\r\n"),
    (400, "Host: a?b\r\n"),
    (400, "Host: a#b\r\n"),
    (400, "Host: a\\b\r\n"),
    (400, "Host: a@b\r\n"),
    (400, "Host: a:\r\n"),
    (400, "Host: a:b\r\n"),
    (400, "Host: a:65536\r\n"),
    (400, "Host: \u{e9}\r\n"),
    (400, "Host: [::1\r\n"),
    (400, "Host : a\r\n"),
    (
        431,
        "A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\nF: 1\r\nG: 1\r\nH: 1\r\n",
    ),
];

#[test]
fn judges_fields() {
    for (expected, fields) in FIELDS {
        let has_host = fields.to_ascii_lowercase().contains("host");
        let host = if has_host { "" } else { GOOD };
        let head = format!("POST /a HTTP/1.1\r\n{host}{fields}\r\n");
        assert_eq!(status(head.as_bytes()), *expected, "{fields:?}");
    }
    let long = format!("GET / HTTP/1.1\r\n{GOOD}A: {}\r\n\r\n", "a".repeat(4096));
    assert_eq!(status(long.as_bytes()), 431);
}

#[test]
fn judges_whole_heads() {
    for (expected, head) in [
        (400, "GET / HTTP/1.1\r\n\r\n"),
        (200, "GET / HTTP/1.0\r\n\r\n"),
        (200, "GET / HTTP/1.0\r\nHost: a\r\n\r\n"),
        (400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"),
        (200, "POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc"),
        (400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (
            400,
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        ),
        (400, "GET / HTTP/1.1\nHost: a\n\n"),
        (400, "GET / HTTP/1.1\r\nHost: a\r\n\n"),
        (400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (200, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "\u{feff}GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "GET /\r\n"),
        (400, "GET /\n"),
        (400, "{\"a\":1}"),
        (400, "\u{16}\u{3}\u{1}"),
        (400, "\0"),
        (0, ""),
        (0, "GET / HTTP/1.1\r\nHost: a\r\n"),
        (0, "GET / HTTP/1.1\r\nHost: a\r\n\r"),
    ] {
        assert_eq!(status(head.as_bytes()), expected, "{head:?}");
    }
}

#[test]
fn finds_the_end_before_what_follows() {
    let mut scan = Scan::default();
    let head = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\n";
    assert_eq!(scan.advance(head, &limits()), Ok(Some((2, 29))));
}

#[test]
fn tells_how_the_body_is_framed() {
    let head = |fields: &str| {
        let head = format!("POST / HTTP/1.1\r\n{GOOD}{fields}\r\n");
        pass(head.as_bytes(), false).unwrap().unwrap()
    };
    assert_eq!(head("").framing, Framing::Length(0));
    assert_eq!(head("Content-Length: 17\r\n").framing, Framing::Length(17));
    assert_eq!(
        head("Transfer-Encoding: chunked\r\n").framing,
        Framing::Chunked
    );
}

#[test]
fn tells_what_becomes_of_the_connection() {
    for (keeps, head) in [
        (true, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (
            true,
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
        ),
        (
            false,
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n",
        ),
        (false, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
    ] {
        let request = pass(head.as_bytes(), false).unwrap().unwrap();
        assert_eq!(!request.wishes.close, keeps, "{head:?}");
    }
}

#[test]
fn absolute_form_becomes_origin_form_and_all_else_stays() {
    for (head, expected) in [
        (
            "GET /a%2Fb HTTP/1.1\r\nhOST:  a\r\nX:\t1 \r\n\r\n",
            "GET /a%2Fb HTTP/1.1\r\nhOST: a\r\nX: 1\r\n",
        ),
        (
            "GET http://b.c:8/p%2Fq?r HTTP/1.1\r\nX: 1\r\nhost: a\r\nY:2\r\n\r\n",
            "GET /p%2Fq?r HTTP/1.1\r\nX: 1\r\nhost: b.c:8\r\nY: 2\r\n",
        ),
        (
            "GET https://b HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: b\r\n",
        ),
        (
            "GET http://b?q HTTP/1.1\r\nHost: b\r\n\r\n",
            "GET /?q HTTP/1.1\r\nHost: b\r\n",
        ),
        (
            "OPTIONS http://b HTTP/1.1\r\nHost: b\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: b\r\n",
        ),
        (
            "OPTIONS http://b/ HTTP/1.1\r\nHost: b\r\n\r\n",
            "OPTIONS / HTTP/1.1\r\nHost: b\r\n",
        ),
    ] {
        let passed = pass(head.as_bytes(), false).unwrap().unwrap();
        assert_eq!(written(&passed), expected, "{head:?}");
    }
}

#[test]
fn checks_requests_of_http2_alike() {
    for (expected, method, target) in [
        (None, "GET", "/a%2F?b"),
        (None, "OPTIONS", "*"),
        (Some(Refusal::RefusedMethod), "TRACE", "/"),
        (Some(Refusal::UnknownMethod), "get", "/"),
        (Some(Refusal::Target), "GET", "http://a/"),
        (Some(Refusal::Target), "GET", "/a#b"),
        (Some(Refusal::Target), "GET", ""),
    ] {
        let checked = check_request(method.as_bytes(), target.as_bytes(), limits().target_size);
        assert_eq!(checked.err(), expected, "{method} {target}");
    }
}
