//! Connections over loopback, with an app that tells what it was asked.

mod handshakes;
mod http1;
mod http2;
mod limits;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::StatusCode;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::socket::{Address, bind};
use super::tls::Offer;
use super::*;
use crate::matrix::Profile;
use crate::message::{Fields, RequestHead};
use crate::telemetry::{Settings, Telemetry};

/// Answers with what it was asked: method, target, host, client and the length of the body.
/// `/wait` waits until the test says so, `/large` answers with 4 MiB, `/chat` upgrades and echoes.
struct Mirror {
    go: watch::Receiver<bool>,
}

impl App for Mirror {
    async fn serve(&self, head: RequestHead, downstream: &mut Downstream) -> After {
        if head.target == "/chat" {
            return After::Tunnel(head);
        }
        let status = match self.answer(&head, downstream).await {
            Ok(()) => return After::Served,
            Err(Fault::Malformed) => 400,
            Err(Fault::TooSlow) => 408,
            Err(Fault::Gone | Fault::Stalled) => {
                downstream.abort();
                return After::Served;
            }
        };
        let status = StatusCode::from_u16(status).unwrap();
        let fields = Fields::default();
        downstream.answer(status, &fields, false).unwrap();
        downstream.end().await.unwrap();
        After::Served
    }

    async fn tunnel(&self, mut session: ServerSession, _: &watch::Receiver<bool>) {
        assert!(session.read_request().await.unwrap());
        // A client may leave in the middle.
        drop(chat(&mut session).await);
    }
}

impl Mirror {
    async fn answer(&self, head: &RequestHead, downstream: &mut Downstream) -> Result<(), Fault> {
        let facts = Arc::clone(downstream.facts());
        let mut length = 0;
        while let Some(bytes) = downstream.data().await? {
            length += bytes.len();
        }
        let target = String::from_utf8_lossy(&head.target);
        if target == "/wait" {
            self.go.clone().wait_for(|go| *go).await.unwrap();
        }
        let mut body = format!(
            "{} {target} {} {} {} {length}",
            head.method,
            String::from_utf8_lossy(head.fields.first("host").unwrap_or(b"-")),
            facts.ip().map(|ip| ip.to_string()).unwrap_or_default(),
            facts.sni.as_deref().unwrap_or("-"),
        );
        if target == "/large" {
            body = "x".repeat(4 << 20);
        }
        let length = body.len().to_string();
        let fields = [("Content-Length", length)].into_iter().collect();
        downstream.answer(StatusCode::OK, &fields, true)?;
        downstream.send(body.into()).await?;
        downstream.end().await
    }
}

async fn chat(session: &mut ServerSession) -> pingora::Result<()> {
    let mut head = ResponseHeader::build(101, None)?;
    head.insert_header("upgrade", "websocket")?;
    head.insert_header("connection", "upgrade")?;
    session.write_response_header(Box::new(head)).await?;
    while let Some(bytes) = session.read_request_body().await? {
        session.write_response_body(bytes, false).await?;
    }
    session.write_response_body(Bytes::new(), true).await
}

/// A listener on a free port.
struct Door {
    address: SocketAddr,
    connections: Arc<Connections>,
    telemetry: Arc<Telemetry>,
    stop: watch::Sender<bool>,
    go: watch::Sender<bool>,
}

impl Door {
    fn plain(limits: Limits) -> Self {
        Self::open(limits, None, &[])
    }

    fn open(limits: Limits, tls: Option<Offer>, proxies: &[&str]) -> Self {
        let (stop, shutdown) = watch::channel(false);
        let (go, may_go) = watch::channel(false);
        let settings = Settings {
            started: SystemTime::now(),
            access_log: None,
        };
        let any_port = Address::Tcp("127.0.0.1:0".parse().unwrap());
        let bound = bind("test", &any_port).unwrap().sockets.remove(0);
        let address = bound.socket_address().unwrap();
        let intake = Intake {
            app: Arc::new(Mirror { go: may_go }),
            listener: Arc::new(Listener {
                name: "test".into(),
                profile: Profile::Both,
                tls: tls.is_some(),
                proxy_protocol: proxies.iter().map(|p| p.parse().unwrap()).collect(),
            }),
            tls,
            connections: Connections::new(&limits),
            limits: Arc::new(limits),
            telemetry: Arc::new(Telemetry::start(settings).unwrap()),
            closing: shutdown.clone(),
            shutdown,
        };
        let connections = Arc::clone(&intake.connections);
        let telemetry = Arc::clone(&intake.telemetry);
        tokio::spawn(accept(bound, Arc::new(ArcSwap::from_pointee(intake))));
        Self {
            address,
            connections,
            telemetry,
            stop,
            go,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Everything that comes back for `bytes`, until the connection ends.
    async fn ask(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        rest(&mut stream).await
    }
}

/// What comes until the end of the stream, which must be within 5 s.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut bytes)).await;
    // A reset after the answer is an end too.
    drop(read.expect("the connection ends"));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What comes up to and with `end`.
async fn until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_u8()).await;
        match read.expect("more comes") {
            Ok(byte) => bytes.push(byte),
            Err(error) => panic!("{error} after {}", bytes.escape_ascii()),
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
