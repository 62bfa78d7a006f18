//! Where requests go: addresses, TLS, deadlines, and the connections that carry requests there.

mod address;
mod ask;
mod ca;
pub mod connection;
mod discovery;
pub mod health;
mod homeserver;
mod load;
mod pool;
mod tunnel;
mod turn;
mod users;
mod warnings;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pingora::upstreams::peer::HttpPeer;

use self::tunnel::Unhurried;
pub use address::{Address, Name};
pub use ask::{Inquiry, NoAnswer};
pub use ca::{Ca, UnusableCa};
pub use connection::{Broken, Connection, Progress};
pub use discovery::{Discovery, Member, NoResolver, Records, Resolver, system_resolver};
pub use health::{Health, State};
pub use homeserver::{Choice, Discovered, Homeserver, How, Worker};
pub use load::Load;
pub use pool::{NoConnection, Pool};
pub use turn::{PlaceInQueue, Queue, Turn};
pub use users::{Bearer, DEFAULT_TOKENS, Users};
pub use warnings::Warnings;

use crate::matrix::affinity;

/// Something that answers requests for us: a homeserver, or what a route names.
#[derive(Debug)]
pub struct Upstream {
    /// A worker's name, else the address as the configuration writes it; the
    /// `upstream` of logs and metrics.
    pub name: Arc<str>,
    /// The name's hash, which stands for it where workers are chosen.
    pub hash: u64,
    /// Where it is.
    pub address: Address,
    /// Set for `https://`.
    pub tls: Option<Tls>,
    /// Keeps its connections apart from those of all others.
    pub(super) pool: u64,
    /// Whether it is there.
    pub health: Health,
    /// What it has to do.
    pub load: Load,
    /// Keeps the log from filling while it is down.
    pub warnings: Warnings,
}

/// What one worker of a group takes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupLimits {
    /// Requests of the group in progress at each of its workers.
    pub max_requests: u32,
    /// Requests that wait for a turn.
    pub max_queued: u32,
    /// How long one waits.
    pub max_wait: Duration,
}

/// Numbers the upstreams of a process, those of earlier configurations too.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// How an upstream is spoken to by TLS.
#[derive(Debug, PartialEq, Eq)]
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

/// There is no address, and the path cannot be a unix socket's.
#[derive(Debug, thiserror::Error)]
#[error("not a usable unix socket path")]
pub struct UnixPath;

impl Upstream {
    /// An upstream that nothing is known of yet.
    pub fn new(name: Arc<str>, address: Address, tls: Option<Tls>, health: Health) -> Self {
        Self {
            hash: affinity::hash_of_name(&name),
            name,
            address,
            tls,
            pool: COUNT.fetch_add(1, Ordering::Relaxed),
            health,
            load: Load::default(),
            warnings: Warnings::default(),
        }
    }

    /// Whether `other` is the same process, spoken to in the same way.
    pub fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.address == other.address && self.tls == other.tls
    }

    /// A number that no other upstream of this run of the program has.
    pub fn number(&self) -> u64 {
        self.pool
    }

    /// Notes that it took no connection.
    pub fn refused(&self, error: &NoConnection) {
        if self.health.refused() || self.warnings.is_due(Instant::now()) {
            tracing::warn!(upstream = &*self.name, %error, "the upstream takes no connections");
        }
    }

    /// The peer at `address`, ready for pingora. A request that may become a tunnel gets a
    /// connection of its own, which no other request uses after it.
    pub(crate) fn peer(
        &self,
        address: Option<SocketAddr>,
        deadlines: &Deadlines,
        wanted: Wanted,
    ) -> Result<HttpPeer, UnixPath> {
        let is_tls = self.tls.is_some();
        let name = self.tls.as_ref().map(|tls| tls.name.clone());
        let name = name.unwrap_or_default();
        let mut peer = match (address, &self.address) {
            (Some(address), _) => HttpPeer::new(address, is_tls, name),
            (None, Address::Unix(path)) => {
                let path = path.to_str().ok_or(UnixPath)?;
                HttpPeer::new_uds(path, is_tls, name).map_err(|_| UnixPath)?
            }
            (None, Address::Socket(_) | Address::Name(_)) => return Err(UnixPath),
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
            options.custom_l4 = Some(Arc::new(Unhurried { is_plain: !is_tls }));
            options.idle_timeout = Some(Duration::ZERO);
            peer.group_key |= TUNNELS;
        }
        Ok(peer)
    }

    /// An address for the next attempt, and how many there are to try.
    pub(crate) async fn next_address(&self) -> io::Result<(Option<SocketAddr>, usize)> {
        match &self.address {
            Address::Socket(address) => Ok((Some(*address), 1)),
            Address::Unix(_) => Ok((None, 1)),
            Address::Name(name) => {
                let (address, count) = name.address().await?;
                Ok((Some(address), count))
            }
        }
    }

    /// Notes that the address in use could not be connected to.
    pub fn connect_failed(&self) {
        if let Address::Name(name) = &self.address {
            name.prefer_next();
        }
    }
}
