//! Connections over loopback, with an app that tells what it was asked.

mod http1;
mod http2;
mod limits;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::socket::{Address, bind};
use super::*;
use crate::matrix::Profile;
use crate::telemetry::{Settings, Telemetry};

/// Answers with what it was asked: method, target, host, client and the length of the body.
/// `/wait` waits until the test says so, `/large` answers with 4 MiB, `/chat` upgrades and echoes.
struct Mirror {
    go: watch::Receiver<bool>,
}

#[async_trait]
impl HttpServerApp for Mirror {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        _: &watch::Receiver<bool>,
    ) -> Option<ReusedHttpStream> {
        if !session.read_request().await.unwrap() {
            return None;
        }
        match self.answer(&mut session).await {
            Ok(()) => {
                let settings = HttpPersistentSettings::for_session(&session);
                let reusable = session.finish().await.ok()??;
                Some(ReusedHttpStream::from_reusable_stream(reusable, settings))
            }
            Err(error) => {
                let status = match body_fault(&error) {
                    Some(BodyFault::Malformed) => 400,
                    Some(BodyFault::TooSlow) => 408,
                    None => return None,
                };
                session.respond_error(status).await.ok()?;
                session.shutdown().await;
                None
            }
        }
    }
}

impl Mirror {
    async fn answer(&self, session: &mut ServerSession) -> pingora::Result<()> {
        let facts = ConnectionFacts::of(session.digest().unwrap()).unwrap();
        let pending = facts.bodies.pending();
        let client = facts.ip().map(|ip| ip.to_string()).unwrap_or_default();
        let (sni, is_draining) = (facts.sni.clone(), facts.shutdown.clone());
        if session.req_header().uri.path() == "/chat" {
            return chat(session).await;
        }
        let mut length = 0;
        while let Some(bytes) = session.read_request_body().await? {
            pending.received(bytes.len() as u64);
            length += bytes.len();
        }
        drop(pending);
        let request = session.req_header();
        let target = String::from_utf8_lossy(request.raw_path()).into_owned();
        if target == "/wait" {
            self.go.clone().wait_for(|go| *go).await.unwrap();
        }
        let host = request.headers.get("host").map(|h| h.to_str().unwrap());
        let host = host.or_else(|| request.uri.authority().map(http::uri::Authority::as_str));
        let mut body = format!(
            "{} {target} {} {client} {} {length}",
            request.method,
            host.unwrap_or("-"),
            sni.as_deref().unwrap_or("-"),
        );
        if target == "/large" {
            body = "x".repeat(4 << 20);
        }
        if *is_draining.borrow() {
            session.set_keepalive(None);
        }
        let mut head = ResponseHeader::build(200, None)?;
        head.insert_header("content-length", body.len())?;
        session.write_response_header(Box::new(head)).await?;
        session.write_response_body(body.into(), true).await
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

    fn open(limits: Limits, tls: Option<Arc<ServerConfig>>, proxies: &[&str]) -> Self {
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
            shutdown,
        };
        let connections = Arc::clone(&intake.connections);
        let telemetry = Arc::clone(&intake.telemetry);
        tokio::spawn(accept(bound, Arc::new(intake)));
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
