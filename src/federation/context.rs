//! What all parts of one check share, and the way out: every connection is made here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::crypto::CryptoProvider;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::certificate::Standard;
use super::dns::Dns;
use super::http::{Answer, Broken, Request};
use super::network::is_public;
use super::options::Options;
use super::tls::{self, Handshake, Offer};

/// Most connections at once.
const MOST_AT_ONCE: usize = 12;

/// What all parts of one check share.
pub(super) struct Context {
    pub(super) options: Options,
    pub(super) dns: Dns,
    pub(super) provider: Arc<CryptoProvider>,
    slots: Semaphore,
    progress: Arc<Progress>,
}

/// How far a check has come, for whoever watches.
#[derive(Debug, Default)]
pub struct Progress {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

impl Progress {
    /// Probes that have begun, and those of them that have ended.
    pub fn counts(&self) -> (usize, usize) {
        (
            self.begun.load(Ordering::Relaxed),
            self.ended.load(Ordering::Relaxed),
        )
    }
}

/// Why an exchange came to nothing, and in which phase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// The address is private, and private ones are not connected to.
    #[error("{0} is a private address")]
    Private(std::net::IpAddr),
    /// No connection.
    #[error("{0}")]
    Connect(String),
    /// No TLS on it.
    #[error("{0}")]
    Tls(tls::Failure),
    /// No answer on that.
    #[error("{0}")]
    Http(Broken),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Silent(Duration),
}

/// A connection with TLS on it, and what was learnt on the way.
pub(super) struct Connected {
    pub(super) stream: tls::Stream,
    pub(super) handshake: Handshake,
    pub(super) took: Duration,
}

impl Context {
    pub(super) fn new(options: Options, dns: Dns, progress: Arc<Progress>) -> Self {
        Self {
            options,
            dns,
            provider: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
            slots: Semaphore::new(MOST_AT_ONCE),
            progress,
        }
    }

    /// Connects to a published address, or to where the options say instead.
    pub(super) async fn connect(&self, published: SocketAddr) -> Result<TcpStream, Failure> {
        let detour = self
            .options
            .connect_to
            .iter()
            .find(|to| to.published == published);
        let address = detour.map_or(published, |to| to.instead);
        let is_allowed = detour.is_some() || self.options.allow_private || is_public(address.ip());
        if !is_allowed {
            return Err(Failure::Private(address.ip()));
        }
        let connecting = TcpStream::connect(address);
        match tokio::time::timeout(self.options.timeout, connecting).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(Failure::Connect(reason(&error))),
            Err(_) => {
                let seconds = self.options.timeout.as_secs_f32();
                Err(Failure::Connect(format!(
                    "no connection within {seconds} s"
                )))
            }
        }
    }

    /// Connects, and shakes hands.
    pub(super) async fn shake_hands(
        &self,
        address: SocketAddr,
        name: &str,
        offer: Offer,
    ) -> Result<Connected, Failure> {
        let began = Instant::now();
        let stream = self.connect(address).await?;
        let took = began.elapsed();
        // Its state is large, and there are many of these at once.
        let shaking = Box::pin(tls::handshake(stream, name, offer, self.provider.clone()));
        match tokio::time::timeout(self.options.timeout, shaking).await {
            Ok(Ok((stream, handshake))) => Ok(Connected {
                stream,
                handshake,
                took,
            }),
            Ok(Err(failure)) => Err(Failure::Tls(failure)),
            Err(_) => Err(Failure::Tls(tls::Failure::Silent)),
        }
    }

    /// What a certificate for `name` is checked against.
    pub(super) fn standard<'a>(&'a self, name: &'a str, now: i64) -> Standard<'a> {
        Standard {
            name,
            roots: &self.options.roots,
            provider: &self.provider,
            now,
        }
    }

    /// Sends a request over a connection of its own.
    pub(super) async fn ask(
        &self,
        address: SocketAddr,
        name: &str,
        request: &Request,
    ) -> Result<Answer, Failure> {
        let _probe = self.probe().await;
        let connected = self.shake_hands(address, name, Offer::default()).await?;
        self.send(connected.stream, request).await
    }

    /// Sends a request over a connection that stands.
    pub(super) async fn send<S>(&self, stream: S, request: &Request) -> Result<Answer, Failure>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite,
    {
        let timeout = self.options.timeout;
        match tokio::time::timeout(timeout, Box::pin(request.send(stream))).await {
            Ok(answer) => answer.map_err(Failure::Http),
            Err(_) => Err(Failure::Silent(timeout)),
        }
    }

    /// Waits for a place among those that ask at once.
    pub(super) async fn probe(&self) -> Probe<'_> {
        self.progress.begun.fetch_add(1, Ordering::Relaxed);
        Probe {
            _permit: self.slots.acquire().await.ok(),
            ended: &self.progress.ended,
        }
    }
}

/// A place among those that ask at once.
pub(super) struct Probe<'a> {
    _permit: Option<tokio::sync::SemaphorePermit<'a>>,
    ended: &'a AtomicUsize,
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}

fn reason(error: &std::io::Error) -> String {
    let kind = error.kind();
    if kind == std::io::ErrorKind::ConnectionRefused {
        "connection refused".to_owned()
    } else if kind == std::io::ErrorKind::NetworkUnreachable {
        "network unreachable from here".to_owned()
    } else if kind == std::io::ErrorKind::HostUnreachable {
        "host unreachable".to_owned()
    } else {
        error.to_string()
    }
}
