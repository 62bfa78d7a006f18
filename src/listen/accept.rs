//! The accept loop of one bound socket.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use pingora_timeout::timeout;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

use super::Excess;
use super::app::App;
use super::connections::{AddressPermit, Connections, Permit, stopped};
use super::establish::{Failure, canonical, establish, is_proxied};
use super::socket::{BACKLOG, Bound, Kind};
use super::tls::Offer;
use super::wire::Socket;
use super::{Limits, Listener, Peer, serve};
use crate::telemetry::Telemetry;

/// How long to wait after an accept that failed for want of file descriptors, which only time
/// gives back.
const BACK_OFF: Duration = Duration::from_millis(50);

/// What all connections of one listener share, as long as the configuration stays the same.
pub struct Intake<A> {
    /// What serves the requests.
    pub app: Arc<A>,
    /// The listener.
    pub listener: Arc<Listener>,
    /// What is offered over TLS, where the listener has it.
    pub tls: Option<Offer>,
    /// Deadlines and sizes.
    pub limits: Arc<Limits>,
    /// The open connections of all listeners.
    pub connections: Arc<Connections>,
    /// Where everything is counted.
    pub telemetry: Arc<Telemetry>,
    /// Becomes true when the listener closes: no more is accepted, and connections end with the
    /// requests they carry.
    pub shutdown: watch::Receiver<bool>,
    /// Becomes true, then or later, when idle connections are to close as well. Until then they
    /// wait for one more request: a peer may be about to send it.
    pub closing: watch::Receiver<bool>,
}

/// Accepts connections on `bound` and serves each by what is in `current` when it comes, until
/// shutdown. The socket closes on return; connections go on, see [`Connections::drained`].
///
/// Fails only where the socket cannot be polled at all. To be called within a tokio runtime.
pub async fn accept<A>(bound: Bound, current: Arc<ArcSwap<Intake<A>>>) -> io::Result<()>
where
    A: App,
{
    let socket = Acceptor::new(bound)?;
    let mut shutdown = current.load().shutdown.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut shutdown) => break,
            accepted = socket.accept() => accepted,
        };
        let intake = current.load_full();
        match accepted {
            Ok((socket, peer)) => admit(intake, socket, peer),
            Err(error) => {
                tracing::debug!(listener = %intake.listener.name, %error, "accept failed");
                intake.telemetry.accept_failed(&intake.listener.name);
                if is_shortage(&error) {
                    tokio::time::sleep(BACK_OFF).await;
                }
            }
        }
    }
    // The kernel has connected them already, and would cut them off.
    for _ in 0..BACKLOG {
        match socket.accept().now_or_never() {
            Some(Ok((socket, peer))) => admit(current.load_full(), socket, peer),
            Some(Err(_)) | None => break,
        }
    }
    Ok(())
}

/// Whether the system is out of file descriptors or memory, rather than the
/// connection gone before it was taken.
fn is_shortage(error: &io::Error) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    matches!(
        error.raw_os_error(),
        None | Some(ENOMEM | ENFILE | EMFILE | ENOBUFS)
    )
}

/// A bound socket of either kind.
enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Acceptor {
    fn new(bound: Bound) -> io::Result<Self> {
        match bound.kind {
            Kind::Tcp(socket) => TcpListener::from_std(socket).map(Self::Tcp),
            Kind::Unix(socket) => UnixListener::from_std(socket).map(Self::Unix),
        }
    }

    async fn accept(&self) -> io::Result<(Socket, Peer)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, address) = socket.accept().await?;
                Ok((Socket::Tcp(stream), Peer::Tcp(canonical(address))))
            }
            Self::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                Ok((Socket::Unix(stream), Peer::Unix))
            }
        }
    }
}

fn admit<A>(intake: Arc<Intake<A>>, socket: Socket, peer: Peer)
where
    A: App,
{
    let connections = &intake.connections;
    let address = match peer {
        // Behind a load balancer the address that counts is in the PROXY header.
        Peer::Tcp(address) if !is_proxied(&intake.listener, peer) => {
            connections.admit_address(address.ip())
        }
        Peer::Tcp(_) | Peer::Unix => Ok(None),
    };
    let admitted = address.and_then(|address| Ok((connections.admit()?, address)));
    let (permit, address) = match admitted {
        Ok(permits) => permits,
        Err(excess) => {
            let name = &intake.listener.name;
            intake.telemetry.connection_refused(name, excess.reason());
            return;
        }
    };
    tokio::spawn(async move { run(&intake, socket, peer, (permit, address)).await });
}

/// The whole life of one connection.
async fn run<A>(
    intake: &Arc<Intake<A>>,
    socket: Socket,
    peer: Peer,
    (permit, address): (Permit, Option<AddressPermit>),
) where
    A: App,
{
    // Boxed, because a handshake needs far more room than what waits after it.
    let establishing = Box::pin(establish(intake, socket, peer, address));
    let handshake = intake.connections.begin_handshake();
    let established = tokio::select! {
        biased;
        established = timeout(intake.limits.handshake, establishing) => {
            established.unwrap_or(Err(Failure::Timeout))
        }
        () = handshake.displaced() => Err(Failure::Excess(Excess::Handshakes)),
    };
    drop(handshake);
    let connection = match established {
        Ok(established) => established,
        Err(failure) => {
            let name = &intake.listener.name;
            tracing::debug!(listener = %name, ?peer, reason = failure.reason(), "no connection");
            match failure {
                // It was what it was meant to be.
                Failure::Challenge => {}
                Failure::Excess(excess) => {
                    intake.telemetry.connection_refused(name, excess.reason());
                }
                Failure::Timeout
                | Failure::Closed
                | Failure::ProxyHeader
                | Failure::PlainHttp
                | Failure::NotTls
                | Failure::Incompatible
                | Failure::TooLong
                | Failure::Misbehaved
                | Failure::Alert
                | Failure::UnknownName
                | Failure::Other => intake.telemetry.handshake_failed(name, failure.reason()),
            }
            return;
        }
    };
    serve(intake, connection, permit).await;
}
