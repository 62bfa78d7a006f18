//! Thousands of requests and answers that are almost right. Whatever becomes of
//! each, the homeserver sees clean HTTP/1.1 only (the stub flags anything else),
//! and nobody gets another's answer.

use crate::support::{Answer, Door, Homeserver, Raw, Request, Vestibule, within};

/// A small generator of numbers: the same ones in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn one_of<'a>(&mut self, choices: &[&'a [u8]]) -> &'a [u8] {
        choices[self.below(choices.len())]
    }
}

/// What readers of HTTP have disagreed about.
const PIECES: &[&[u8]] = &[
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b"\0",
    b"\t",
    b"\x0b",
    b" ",
    b"  ",
    b":",
    b";",
    b",",
    b"%",
    b"#",
    b"\\",
    b"\x80",
    b"\xff",
    b"0",
    b"+",
    b"-",
    b"_",
    b"0x",
    b"/",
    b"//",
    b"/..",
    b"?",
    b"\r\nHost: evil.example",
    b"\r\nContent-Length: 5",
    b"\r\nContent-Length: 0",
    b"\r\nTransfer-Encoding: chunked",
    b"\r\nTransfer-Encoding: identity",
    b"\r\nTransfer-Encoding : chunked",
    b"\r\nConnection: Content-Length",
    b"\r\nConnection: Transfer-Encoding",
    b"\r\nUpgrade: h2c",
    b"\r\nExpect: 100-continue",
    b"\r\n ",
    b"chunked",
    b", chunked",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
    b"GET /_matrix/hidden HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b" HTTP/1.0",
    b" HTTP/1.1",
];

/// Changes a message in one to three places.
fn mutate(message: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut message = message.to_vec();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(message.len());
        let end = (at + numbers.below(4)).min(message.len());
        let piece = numbers.one_of(PIECES).iter().copied();
        match numbers.below(4) {
            0 => drop(message.splice(at..at, piece)),
            1 => drop(message.splice(at..end, piece)),
            2 => drop(message.splice(at..end, [])),
            _ => drop(message.splice(at..at, message[at..end].to_vec())),
        }
        if message.is_empty() {
            message.push(b'\n');
        }
    }
    message
}

const REQUESTS: &[&[u8]] = &[
    b"GET /_matrix/client/versions?a=b HTTP/1.1\r\nHost: matrix.example.com\r\nX: y\r\n\r\n",
    b"POST /_matrix/a HTTP/1.1\r\nHost: matrix.example.com\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /_matrix/b HTTP/1.1\r\nHost: matrix.example.com\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"GET http://matrix.example.com/_matrix/c HTTP/1.1\r\nHost: matrix.example.com\r\n\r\n",
    b"PUT /_matrix/d HTTP/1.1\r\nHost: matrix.example.com\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    b"GET /_matrix/e HTTP/1.0\r\nHost: matrix.example.com\r\nConnection: keep-alive\r\n\r\nGET /_matrix/f HTTP/1.1\r\nHost: matrix.example.com\r\n\r\n",
    b"GET /_matrix/g HTTP/1.1\r\nHost: matrix.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
];

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_almost_right_never_dirty_the_upstream() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut numbers = Numbers(1);
    for round in 0..3000 {
        let request = mutate(REQUESTS[round % REQUESTS.len()], &mut numbers);
        let Raw(mut wire) = vestibule.raw(Door::Plain).await;
        // The end of the stream makes an answer of everything unfinished.
        let _ = wire.write(&request).await;
        let _ = wire.finish().await;
        let what = String::from_utf8_lossy(&request).into_owned();
        let answers = within(&what, wire.rest()).await;
        let answers = String::from_utf8_lossy(&answers).into_owned();
        assert!(
            answers.is_empty() || answers.starts_with("HTTP/1.1 "),
            "{what:?}: {answers:?}"
        );
    }
    assert!(
        homeserver.requests().len() > 300,
        "most requests were not even alike"
    );
    let hidden = homeserver
        .requests()
        .into_iter()
        .find(|r| r.all("host").contains(&"evil.example".into()));
    assert!(hidden.is_none(), "{hidden:?}");
}

const ANSWERS: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello",
];

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_almost_right_never_become_anothers() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let good = Request::get("/_matrix/good");
    let mut numbers = Numbers(2);
    for round in 0..1000 {
        let answer = mutate(ANSWERS[round % ANSWERS.len()], &mut numbers);
        let what = String::from_utf8_lossy(&answer).into_owned();
        // Behind it, in one piece with it, an answer that nobody asked for. Were it
        // to come later, no proxy could tell it from the next request's.
        let stray = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray";
        let answer = [&answer[..], stray].concat();
        homeserver.route("*", "/", Answer::raw(answer).closing());
        homeserver.route("*", "/_matrix/good", Answer::json(200, "\"good\""));
        let Raw(mut wire) = vestibule.raw(Door::Plain).await;
        wire.write(
            &Request::get("/_matrix/odd")
                .field("Connection", "close")
                .bytes(),
        )
        .await
        .unwrap();
        within(&what, wire.rest()).await;
        let mut client = vestibule.raw(Door::Plain).await;
        assert_eq!(client.ask(&good).await.text(), "\"good\"", "after {what:?}");
    }
}
