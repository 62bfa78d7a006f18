use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::message::{Fields, Protocol};
use crate::upstream::{Address, Health};

/// A server that answers by script: the n-th request of each connection with the n-th text, and
/// closes after the last.
struct Server {
    upstream: Upstream,
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Server {
    async fn start(script: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::Relaxed);
                play(stream, script).await;
            }
        });
        Self {
            upstream: upstream(address),
            connections,
            accepting,
        }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn play(mut stream: TcpStream, script: &[&str]) {
    for answer in script {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            // The client may have had enough.
            let Ok(byte) = stream.read_u8().await else {
                return;
            };
            request.push(byte);
        }
        assert!(request.starts_with(b"GET /health HTTP/1.1\r\nHost: a\r\n"));
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

fn upstream(address: SocketAddr) -> Upstream {
    let health = Health::new(Arc::default());
    Upstream::new("test".into(), Address::Socket(address), None, health)
}

const DEADLINES: Deadlines = Deadlines {
    connect: Duration::from_secs(5),
    idle: Duration::from_secs(45),
    write: Duration::from_secs(5),
};

async fn ask_within(
    pool: &Pool,
    upstream: &Upstream,
    within: Duration,
) -> Result<(u16, String), NoAnswer> {
    let head = RequestHead {
        method: Method::GET,
        target: "/health".into(),
        protocol: Protocol::Http11,
        fields: [("Host", "a")].into_iter().collect::<Fields>(),
    };
    let inquiry = Inquiry {
        head: &head,
        body: Bytes::new(),
        most: 5,
        within,
    };
    let answer = pool.ask(upstream, &DEADLINES, &inquiry).await?;
    let body = String::from_utf8(answer.1.to_vec()).unwrap();
    Ok((answer.0.status.as_u16(), body))
}

async fn ask(pool: &Pool, upstream: &Upstream) -> Result<(u16, String), NoAnswer> {
    ask_within(pool, upstream, Duration::from_secs(5)).await
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";

#[tokio::test]
async fn a_connection_serves_one_question_after_the_other() {
    const CHUNKED: &str =
        "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n3\r\nway\r\n0\r\n\r\n";
    const INTERIM: &str = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 Nothing\r\n\r\n";
    let server = Server::start(&[OK, CHUNKED, INTERIM, OK]).await;
    let pool = Pool::new();
    for (status, body) in [(200, "OK"), (503, "noway"), (204, ""), (200, "OK")] {
        let answer = ask(&pool, &server.upstream).await.unwrap();
        assert_eq!(answer, (status, body.to_owned()));
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_body_goes_up_behind_its_head() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = upstream(listener.local_addr().unwrap());
    let pool = Pool::new();
    // One that is copied behind the head, and one that is sent as it is.
    for length in [5, 5000] {
        let head = RequestHead {
            method: Method::POST,
            target: "/query".into(),
            protocol: Protocol::Http11,
            fields: [("Content-Length", length.to_string().as_str())]
                .into_iter()
                .collect::<Fields>(),
        };
        let inquiry = Inquiry {
            head: &head,
            body: "x".repeat(length).into(),
            most: 5,
            within: Duration::from_secs(5),
        };
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let expected = format!(
                "POST /query HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{}",
                "x".repeat(length)
            );
            let mut request = vec![0; expected.len()];
            stream.read_exact(&mut request).await.unwrap();
            assert_eq!(String::from_utf8(request).unwrap(), expected);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")
                .await
                .unwrap();
        };
        let asking = pool.ask(&upstream, &DEADLINES, &inquiry);
        let (answer, ()) = tokio::join!(asking, serving);
        assert_eq!(answer.unwrap().1, "OK");
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_waited_is_replaced() {
    // Each connection serves one question, and is closed without a word.
    let server = Server::start(&[OK]).await;
    let pool = Pool::new();
    for asked in 1..=3 {
        assert_eq!(ask(&pool, &server.upstream).await.unwrap().0, 200);
        assert_eq!(server.connections(), asked);
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_whole() {
    let server = Server::start(&["HTTP/1.1 200 OK\r\n\r\nOK"]).await;
    let answer = ask(&Pool::new(), &server.upstream).await.unwrap();
    assert_eq!(answer, (200, "OK".to_owned()));
}

#[tokio::test]
async fn what_is_no_answer_is_told_apart() {
    for (script, expected) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nlonger",
            "too large",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nlonger", "too large"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nOK", "ended"),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", "101"),
        ("SSH-2.0\r\n\r\n", "not a valid answer"),
        ("", "ended"),
    ] {
        let script: &'static [&'static str] = Vec::leak(vec![script]);
        let server = Server::start(script).await;
        let error = ask(&Pool::new(), &server.upstream).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{script:?}: {error}");
    }
}

#[tokio::test]
async fn a_silent_upstream_and_an_absent_one_are_no_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = upstream(silent.local_addr().unwrap());
    let pool = Pool::new();
    let brief = Duration::from_millis(50);
    let error = ask_within(&pool, &upstream, brief).await.unwrap_err();
    assert!(matches!(error, NoAnswer::Timeout), "{error}");
    drop(silent);
    let error = ask(&pool, &upstream).await.unwrap_err();
    assert!(matches!(error, NoAnswer::NoConnection(_)), "{error}");
}

#[tokio::test]
async fn a_server_that_goes_away_is_noticed() {
    let server = Server::start(&[OK, OK]).await;
    let pool = Pool::new();
    assert!(ask(&pool, &server.upstream).await.is_ok());
    server.accepting.abort();
    assert!(server.accepting.await.is_err());
    let error = ask(&pool, &server.upstream).await.unwrap_err();
    assert!(matches!(error, NoAnswer::NoConnection(_)), "{error}");
}
