//! What is known of a connection, for every request on it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use pingora::protocols::Digest;
use tokio::sync::watch;

use super::connections::AddressPermit;
use super::{Bodies, Excess, Listener, Place};

/// The facts of one connection.
#[derive(Debug)]
pub struct ConnectionFacts {
    /// The listener that accepted it.
    pub listener: Arc<Listener>,
    /// The other end of the socket.
    pub peer: Peer,
    /// The client that a PROXY header named. Only headers of listed networks are read.
    pub source: Option<SocketAddr>,
    /// The server name of the TLS handshake, in lower case.
    pub sni: Option<Box<str>>,
    /// What the TLS handshake settled on; `None` on a plain connection.
    pub tls: Option<Negotiated>,
    /// The request bodies that the proxy waits for.
    pub bodies: Arc<Bodies>,
    /// The connection's place among those of its address; none where no cap holds.
    pub(super) permit: Option<AddressPermit>,
    pub(super) shutdown: watch::Receiver<bool>,
    pub(super) cut: watch::Receiver<bool>,
}

/// The other end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP address; IPv4 is never written as IPv6.
    Tcp(SocketAddr),
    /// A process on this host, through a Unix socket.
    Unix,
}

/// What a TLS handshake settled on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite as IANA names it.
    pub suite: &'static str,
}

impl ConnectionFacts {
    /// The facts of a connection that nobody made, for who asks what would happen on it.
    pub fn assumed(listener: Arc<Listener>, peer: Peer, sni: Option<Box<str>>) -> Self {
        let tls = listener.tls.then_some(Negotiated {
            version: "TLSv1.3",
            suite: "TLS13_AES_256_GCM_SHA384",
        });
        Self {
            listener,
            peer,
            source: None,
            sni,
            tls,
            bodies: Arc::default(),
            permit: None,
            shutdown: watch::channel(false).1,
            cut: watch::channel(false).1,
        }
    }

    /// The facts behind the digest of a session of pingora's. `None` for connections that were
    /// not made here.
    pub fn of(digest: &Digest) -> Option<&Arc<Self>> {
        let data = digest.proxy_digest.as_ref()?.user_data.as_ref()?;
        data.downcast_ref()
    }

    /// The nearest address that can be believed: the PROXY header's, else the socket's.
    pub fn address(&self) -> Option<SocketAddr> {
        self.source.or(match self.peer {
            Peer::Tcp(address) => Some(address),
            Peer::Unix => None,
        })
    }

    /// The IP of [`ConnectionFacts::address`].
    pub fn ip(&self) -> Option<IpAddr> {
        self.address().map(|address| address.ip())
    }

    /// Whether Vestibule is shutting down: answers then carry `Connection: close`.
    pub fn is_draining(&self) -> bool {
        *self.shutdown.borrow()
    }

    /// A place for one more request of the client's address; `None` where it is exempt.
    pub fn admit_request(&self) -> Result<Option<Place>, Excess> {
        match &self.permit {
            Some(permit) => permit.admit_request().map(Some).ok_or(Excess::Address),
            None => Ok(None),
        }
    }

    /// Whether Vestibule has ended the connection, because the time to drain was over.
    pub fn is_cut(&self) -> bool {
        *self.cut.borrow()
    }
}
