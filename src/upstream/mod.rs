//! Where requests go: addresses, TLS, timeouts.

mod address;
mod ca;
mod tunnel;
mod warnings;

use std::sync::Arc;
use std::time::Duration;

use pingora::upstreams::peer::HttpPeer;

use self::tunnel::Unhurried;
pub use address::{Address, Name};
pub use ca::{Ca, UnusableCa};
pub use warnings::Warnings;

/// Something that answers requests for us: a homeserver, or what a route names.
#[derive(Debug)]
pub struct Upstream {
    /// As the configuration writes it; the `upstream` of logs and metrics.
    pub name: Arc<str>,
    /// Where it is.
    pub address: Address,
    /// Set for `https://`.
    pub tls: Option<Tls>,
    /// Keeps the pooled connections of one definition apart from another's:
    /// pingora's pool does not look at the CA.
    pub pool: u64,
    /// Keeps the log from filling while it is down.
    pub warnings: Warnings,
}

/// How an upstream is spoken to by TLS.
#[derive(Debug)]
pub struct Tls {
    /// The name that its certificate must have.
    pub name: String,
    /// The CAs to believe instead of the system's.
    pub ca: Option<Ca>,
}

/// The deadlines of connections to upstreams.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// To connect, TLS included.
    pub connect: Duration,
    /// How long a pooled connection is kept. Below the 60 s after which
    /// Synapse closes it, so that no request meets a closing connection.
    pub idle: Duration,
    /// How long one write may block.
    pub write: Duration,
}

/// What a request wants of its connection.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The longest that the upstream may be silent.
    pub silence: Duration,
    /// Whether it may become a tunnel (WebSocket).
    pub tunnel: bool,
}

/// Keeps connections that were made for tunnels out of the common pool.
const TUNNELS: u64 = 1 << 63;

/// A peer to connect to, and how many addresses the upstream has.
pub struct Candidate {
    /// The peer, ready for pingora.
    pub peer: Box<HttpPeer>,
    /// How many addresses could be tried in turn.
    pub addresses: usize,
}

/// Why no peer could be made.
#[derive(Debug, thiserror::Error)]
pub enum NoPeer {
    /// The name could not be resolved.
    #[error("cannot resolve the upstream: {0}")]
    Resolve(#[from] std::io::Error),
    /// The path cannot be a unix socket's.
    #[error("not a usable unix socket path")]
    UnixPath,
}

impl Upstream {
    /// The peer for one request. A request that may become a tunnel gets a
    /// connection of its own, which no other request uses after it.
    pub async fn candidate(
        &self,
        deadlines: &Deadlines,
        wanted: Wanted,
    ) -> Result<Candidate, NoPeer> {
        let is_tls = self.tls.is_some();
        let sni = self
            .tls
            .as_ref()
            .map(|t| t.name.clone())
            .unwrap_or_default();
        let (mut peer, addresses) = match &self.address {
            Address::Socket(address) => (HttpPeer::new(*address, is_tls, sni), 1),
            Address::Name(name) => {
                let (address, count) = name.address().await?;
                (HttpPeer::new(address, is_tls, sni), count)
            }
            Address::Unix(path) => {
                let path = path.to_str().ok_or(NoPeer::UnixPath)?;
                let peer = HttpPeer::new_uds(path, is_tls, sni).map_err(|_| NoPeer::UnixPath)?;
                (peer, 1)
            }
        };
        peer.group_key = self.pool;
        let options = &mut peer.options;
        options.connection_timeout = Some(deadlines.connect);
        options.total_connection_timeout = Some(deadlines.connect);
        options.idle_timeout = Some(deadlines.idle);
        options.write_timeout = Some(deadlines.write);
        options.read_timeout = Some(wanted.silence);
        options.ca = self
            .tls
            .as_ref()
            .and_then(|t| t.ca.as_ref().map(Ca::certificates));
        if wanted.tunnel {
            options.custom_l4 = Some(Arc::new(Unhurried));
            options.idle_timeout = Some(Duration::ZERO);
            peer.group_key |= TUNNELS;
        }
        Ok(Candidate {
            peer: Box::new(peer),
            addresses,
        })
    }

    /// Notes that the address in use could not be connected to.
    pub fn connect_failed(&self) {
        if let Address::Name(name) = &self.address {
            name.prefer_next();
        }
    }
}
