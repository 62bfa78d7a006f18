//! Request bodies: limits that a client can read, and chunks that mean one thing only.

use bytes::Bytes;

use crate::support::binary::Binary;
use crate::support::curl::curl;
use crate::support::request::X_MATRIX;
use crate::support::strict::Framing;
use crate::support::{Answer, Door, Gate, Homeserver, Request, Table, Vestibule};

/// Limits small enough for tables.
const LIMITS: &str = "max_upload_size = \"64K\"\n[limits]\nbody_size = \"8K\"";

const UPLOAD: &str = "/_matrix/media/v3/upload?filename=a.png";
const JSON: &str = "/_matrix/client/v3/keys/upload";

fn post_head(target: &str, fields: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: matrix.example.com\r\n{fields}\r\n\r\n")
}

fn chunked(target: &str, body: &[u8]) -> Vec<u8> {
    let head = post_head(target, "Transfer-Encoding: chunked");
    let size = format!("{:x}\r\n", body.len());
    [head.as_bytes(), size.as_bytes(), body, b"\r\n0\r\n\r\n"].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_goes_by_the_endpoint() {
    const K: usize = 1024;
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, LIMITS).await;
    let mut table = Table::default();
    for (method, target, limit) in [
        ("POST", "/_matrix/media/v3/upload", 64 * K),
        ("POST", "/_matrix/media/r0/upload?filename=x", 64 * K),
        ("PUT", "/_matrix/media/v3/upload/example.com/abc", 64 * K),
        ("POST", "/_matrix/client/v3/keys/upload", 8 * K),
        ("POST", "/_matrix/client/v3/login", 8 * K),
        (
            "PUT",
            "/_matrix/client/v3/rooms/!r:x/send/m.room.message/1",
            8 * K,
        ),
        ("PUT", "/_matrix/federation/v1/send/1", 8 * K),
        ("PUT", "/_matrix/federation/v2/send_join/!r:x/$e", 8 * K),
        ("GET", "/_matrix/media/v3/upload", 8 * K),
        ("POST", "/_matrix/media/v3/uploads", 8 * K),
        ("POST", "/_matrix/media/v3/upload/../x", 8 * K),
        (
            "POST",
            "/_synapse/client/password_reset/email/submit_token",
            8 * K,
        ),
    ] {
        for (size, status) in [(limit, 200), (limit + 1, 413)] {
            let request = Request::new(method, target).body(vec![b'a'; size]).signed();
            let got = vestibule.ask(Door::Plain, &request).await.status;
            table.row((method, target, size), &got, &status);
        }
    }
    table.assert_right(24);
    assert!(
        homeserver
            .requests()
            .iter()
            .all(|r| r.whole && r.body.len() >= 8 * K)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usual_limits_are_those_of_synapse() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for (target, limit) in [
        ("/_matrix/federation/v1/send/1", 13_107_200),
        ("/_matrix/media/v3/upload/example.com/a", 52_428_800),
    ] {
        let longer = format!("Authorization: {X_MATRIX}\r\nContent-Length: {}", limit + 1);
        let head = post_head(target, &longer).replace("POST", "PUT");
        let mut client = vestibule.raw(Door::Plain).await;
        client.send(head).await;
        client.response().await.assert_error(413, "M_TOO_LARGE");
        let whole = Request::put(target, vec![b'a'; limit]).signed();
        assert_eq!(vestibule.ask(Door::Plain, &whole).await.status, 200);
        assert_eq!(homeserver.last_request().body.len(), limit);
    }
    assert_eq!(homeserver.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announced_length_over_the_limit_never_reaches_the_homeserver() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, LIMITS).await;
    for door in [Door::Plain, Door::Tls] {
        let mut client = vestibule.raw(door).await;
        client
            .send(post_head(JSON, "Content-Length: 1000000"))
            .await;
        client.response().await.assert_error(413, "M_TOO_LARGE");
        assert_eq!(client.closed().await, b"");
    }
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_is_counted() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, LIMITS).await;
    let mut client = vestibule.raw(Door::Plain).await;
    client.send(chunked(JSON, &[b'a'; 8 * 1024])).await;
    assert_eq!(client.response().await.status, 200);
    assert!(homeserver.received(0).await.whole);
    client.send(chunked(JSON, &[b'a'; 8 * 1024 + 1])).await;
    client.response().await.assert_error(413, "M_TOO_LARGE");
    assert_eq!(client.closed().await, b"");
    homeserver.all_closed().await;
    assert!(homeserver.requests().iter().skip(1).all(|r| !r.whole));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_body_is_never_read_as_a_request() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, LIMITS).await;
    let hidden = Request::get("/_matrix/hidden").bytes();
    for target in [JSON, "/_synapse/admin/x", "/nowhere"] {
        let mut client = vestibule.raw(Door::Plain).await;
        client
            .send(post_head(target, "Content-Length: 20000"))
            .await;
        client.send(hidden.repeat(250)).await;
        let status = client.response().await.status;
        assert!(matches!(status, 404 | 413), "{target}: {status}");
        assert_eq!(client.closed().await, b"", "{target}");
    }
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_in_the_middle_of_a_large_body_can_read_the_413() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, LIMITS).await;
    for door in [Door::Plain, Door::Tls] {
        for framing in ["Content-Length: 100000000", "Transfer-Encoding: chunked"] {
            let mut client = vestibule.raw(door).await;
            client.send(post_head(JSON, framing)).await;
            let part = [b"4000\r\n".as_slice(), &[b'a'; 0x4000], b"\r\n"].concat();
            let answer = client.respond_while_sending(&part, 6000).await;
            answer.assert_error(413, "M_TOO_LARGE");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_413_over_http2_ends_one_stream_only() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, LIMITS).await;
    let mut client = vestibule.h2(Door::Tls).await;
    for length in [Some("100000000"), None] {
        let (mut head, _) = Request::new("POST", JSON).to_http2();
        if let Some(length) = length {
            head.headers_mut()
                .insert("content-length", length.parse().unwrap());
        }
        let mut upload = client.begin(head, false).await.unwrap();
        // The stream may be reset while this goes out; the answer counts.
        let _ = upload.send(Bytes::from(vec![b'a'; 100_000]), false).await;
        upload
            .response()
            .await
            .unwrap()
            .assert_error(413, "M_TOO_LARGE");
        let next = client.ask(&Request::get("/_matrix/client/versions")).await;
        assert_eq!(next.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_reads_the_413() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, LIMITS).await;
    let file = vestibule.state().join("large");
    std::fs::write(&file, vec![b'a'; 20_000_000]).unwrap();
    let data = format!("@{}", file.display());
    let chunked = ["-H", "Transfer-Encoding: chunked"];
    let mut table = Table::default();
    for version in ["--http1.1", "--http2"] {
        for more in [&[][..], &["-H", "Expect:"], &chunked] {
            let arguments = [&[version, "--data-binary", &data], more].concat();
            let got = curl(&vestibule, Door::Tls, UPLOAD, &arguments).await;
            table.row(
                (version, more, &got),
                &(got.exit, got.status),
                &(Some(0), 413),
            );
            table.row((version, more), &got.body.contains("M_TOO_LARGE"), &true);
        }
    }
    table.assert_right(12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_waits_to_be_asked_for_is_refused_without_being_asked_for() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, LIMITS).await;
    let mut client = vestibule.raw(Door::Plain).await;
    client
        .send(post_head(
            JSON,
            "Content-Length: 9000\r\nExpect: 100-continue",
        ))
        .await;
    let answer = client.response().await;
    assert_eq!((answer.status, &answer.interim[..]), (413, &[][..]));
    let mut client = vestibule.raw(Door::Plain).await;
    client
        .send(post_head(JSON, "Content-Length: 5\r\nExpect: 100-Continue"))
        .await;
    client.until("HTTP/1.1 100").await;
    client.until("\r\n\r\n").await;
    client.send("hello").await;
    assert_eq!(client.response().await.status, 200);
    assert_eq!(homeserver.only_request().body, b"hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_arrive_without_extensions_and_trailers() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut client = vestibule.raw(Door::Plain).await;
    for body in [
        "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        "3;a=b\r\nabc\r\n2;c=\"d;e\"\r\nde\r\n0;f\r\n\r\n",
        "0003\r\nabc\r\n2\r\nde\r\n000\r\n\r\n",
        "3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: y\r\nX-Other: z\r\n\r\n",
        "5\r\nabcde\r\n0\r\nContent-Length: 7\r\nAuthorization: x\r\n\r\n",
    ] {
        client
            .send(post_head(JSON, "Transfer-Encoding: Chunked") + body)
            .await;
        assert_eq!(client.response().await.status, 200, "{body:?}");
        let arrived = homeserver.last_request();
        assert_eq!(
            (arrived.framing, &arrived.body[..]),
            (Framing::Chunked, &b"abcde"[..])
        );
        assert_eq!(arrived.all("x-trailer"), [""; 0]);
    }
}

/// Chunked bodies with something wrong in them.
const CHUNKS: &[&[u8]] = &[
    b"\r\nabc\r\n0\r\n\r\n",
    b"g\r\nabc\r\n0\r\n\r\n",
    b"0x3\r\nabc\r\n0\r\n\r\n",
    b"+3\r\nabc\r\n0\r\n\r\n",
    b"-3\r\nabc\r\n0\r\n\r\n",
    b" 3\r\nabc\r\n0\r\n\r\n",
    b"3 \r\nabc\r\n0\r\n\r\n",
    b"\t3\r\nabc\r\n0\r\n\r\n",
    b"3_0\r\nabc\r\n0\r\n\r\n",
    b"3\0\r\nabc\r\n0\r\n\r\n",
    b"3\nabc\r\n0\r\n\r\n",
    b"3\rabc\r\n0\r\n\r\n",
    b"3\r\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabc\n0\r\n\r\n",
    b"3\r\nabc0\r\n\r\n",
    b"3\r\nabcd\r\n0\r\n\r\n",
    b"3\r\nabc\r\n\r\n0\r\n\r\n",
    b"3\r\nabcX\r\n0\r\n\r\n",
    b"00000000000000003\r\nabc\r\n0\r\n\r\n",
    b"FFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
    b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    b"3;a\0b\r\nabc\r\n0\r\n\r\n",
    b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    b"3;a\x01b\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabc\r\n0\r\nno colon\r\n\r\n",
    b"3\r\nabc\r\n0\r\n X: leading space\r\n\r\n",
    b"3\r\nabc\r\n0\r\nX : y\r\n\r\n",
    b"3\r\nabc\r\n0\r\nX: a\0b\r\n\r\n",
    b"3\r\nabc\r\n0\r\nX: a\nb: c\r\n\r\n",
    b"3\r\nabc\r\n0\r\nGET /_matrix/hidden HTTP/1.1\r\n\r\n",
    b"3\r\nabc\r\n0\r\n\n",
    b"3\r\nabc\r\n0\n\r\n",
];

#[tokio::test(flavor = "multi_thread")]
async fn malformed_chunks_are_refused_and_never_arrive_whole() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut table = Table::default();
    let long = [
        b"3;a=",
        "b".repeat(2000).as_bytes(),
        b"\r\nabc\r\n0\r\n\r\n",
    ]
    .concat();
    let many = [
        b"1;aaaaaaaaaaaaaaaa=bbbbbbbbbbbbbbbb\r\na\r\n".repeat(1000),
        b"0\r\n\r\n".to_vec(),
    ]
    .concat();
    let trailers = [
        b"0\r\n".to_vec(),
        b"X: y\r\n".repeat(3000),
        b"\r\n".to_vec(),
    ]
    .concat();
    let rows = CHUNKS
        .iter()
        .copied()
        .chain([&long[..], &many[..], &trailers[..]]);
    for body in rows {
        let mut client = vestibule.raw(Door::Plain).await;
        let head = post_head(JSON, "Transfer-Encoding: chunked");
        client
            .send(
                [
                    head.as_bytes(),
                    body,
                    &Request::get("/_matrix/hidden").bytes(),
                ]
                .concat(),
            )
            .await;
        let case = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        table.row(&case, &client.refusal().await.as_str(), &"400");
        homeserver.all_idle().await;
        table.row(
            &case,
            &homeserver.requests().iter().any(|r| r.whole),
            &false,
        );
    }
    table.assert_right(60);
    assert!(!homeserver.targets().contains(&"/_matrix/hidden".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_streams_while_it_comes() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut client = vestibule.raw(Door::Plain).await;
    client.send(post_head(UPLOAD, "Content-Length: 3000")).await;
    for sent in 1..=3 {
        client.send([b'a'; 1000]).await;
        homeserver.body_reaches(0, sent * 1000).await;
    }
    assert_eq!(client.response().await.status, 200);
    assert_eq!(homeserver.only_request().framing, Framing::Length(3000));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_body_arrives_with_its_length_or_chunked() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut client = vestibule.h2(Door::Tls).await;
    let request = Request::put("/_matrix/client/v3/x", "hello");
    assert_eq!(client.ask(&request).await.status, 200);
    assert_eq!(homeserver.last_request().framing, Framing::Length(5));
    let (head, _) = Request::new("PUT", "/_matrix/client/v3/x").to_http2();
    let mut unknown = client.begin(head, false).await.unwrap();
    unknown
        .send(Bytes::from_static(b"hello"), true)
        .await
        .unwrap();
    assert_eq!(unknown.response().await.unwrap().status, 200);
    assert_eq!(homeserver.last_request().framing, Framing::Chunked);
    assert!(homeserver.requests().iter().all(|r| r.body == b"hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_body_never_arrives_whole() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for (number, framing) in ["Content-Length: 10", "Transfer-Encoding: chunked"]
        .iter()
        .enumerate()
    {
        let mut client = vestibule.raw(Door::Plain).await;
        client.send(post_head(UPLOAD, framing) + "5\r\nhello").await;
        homeserver.body_reaches(number, 5).await;
        drop(client);
        assert!(!homeserver.abandoned(number).await.whole, "{framing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_of_the_homeserver_is_passed_on() {
    let homeserver = Homeserver::start().await;
    let early = Answer::json(403, r#"{"errcode":"M_FORBIDDEN"}"#).before_body();
    homeserver.route("POST", "/_matrix/media", early);
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut client = vestibule.raw(Door::Plain).await;
    client
        .send(post_head(UPLOAD, "Content-Length: 5000000"))
        .await;
    let answer = client.respond_while_sending(&[b'a'; 10_000], 500).await;
    assert_eq!(
        (answer.status, answer.errcode().as_str()),
        (403, "M_FORBIDDEN")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_many_requests_do_not_mix() {
    let homeserver = Homeserver::start().await;
    let gate = Gate::new();
    homeserver.route("PUT", "/", Answer::default().after(&gate));
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut clients = Vec::new();
    for number in 0..20 {
        let mut client = vestibule.raw(Door::Plain).await;
        let body = format!("{number:05}").repeat(1000);
        client
            .send(Request::put(&format!("/_matrix/{number:05}"), body).bytes())
            .await;
        clients.push(client);
    }
    for index in 0..20 {
        let request = homeserver.received(index).await;
        let number = request.target().rsplit('/').next().unwrap().repeat(1000);
        assert_eq!(request.body, number.as_bytes());
    }
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_pass_in_little_memory() {
    const SIZE: usize = 48 * 1024 * 1024;
    let homeserver = Homeserver::start().await;
    let begin = Answer::raw(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"));
    homeserver.route(
        "GET",
        "/",
        begin.then_times(SIZE / 65_536, vec![b'a'; 65_536]),
    );
    let binary = Binary::start(&homeserver).await;
    let mut client = binary.raw().await;
    assert_eq!(
        client.ask(&Request::get("/_matrix/x")).await.body.len(),
        SIZE
    );
    let before = binary.peak_memory();
    let upload = Request::post(UPLOAD, vec![b'a'; SIZE]);
    assert_eq!(client.ask(&upload).await.status, 200);
    assert_eq!(
        client.ask(&Request::get("/_matrix/x")).await.body.len(),
        SIZE
    );
    let grown = binary.peak_memory() - before;
    assert!(grown <= 8 * 1024 * 1024, "{grown} bytes");
}
