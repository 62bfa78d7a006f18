//! The connections to upstreams: those that wait for a request, and new ones.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::server::configuration::ServerConf;
use pingora_timeout::timeout;
use tokio::net::{TcpStream, UnixStream};

use super::connection::{Connection, Stream};
use super::{Address, Deadlines, Upstream, Wanted};

/// Connections to one upstream that wait for a request.
const MOST_IDLE: usize = 256;
/// How often those that have waited for too long, or that have closed, are looked for.
const SWEEP: Duration = Duration::from_secs(5);

const REFUSED: &str = "the upstream refused the connection";

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum NoConnection {
    /// The name could not be resolved, or nobody answered at any address.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It took longer than `timeouts.connect`.
    #[error("no connection within the time to connect")]
    Timeout,
    /// TLS could not be established; only the kind is told, the rest may quote the other side.
    #[error("{0}")]
    Tls(&'static str),
}

impl NoConnection {
    /// Whether the upstream is away, and may be back soon: nobody listens, or its name is not
    /// known now. A certificate that is not accepted stays so.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Io(_) | Self::Timeout => true,
            Self::Tls(reason) => *reason == REFUSED,
        }
    }

    /// The kind of an error of pingora's, without its context.
    pub(crate) fn of_pingora(error: &pingora::Error) -> Self {
        use pingora::ErrorType;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the library's list is open; whatever else it is, there is no connection"
        )]
        Self::Tls(match error.etype() {
            ErrorType::InvalidCert => "the upstream's certificate is not accepted",
            ErrorType::TLSHandshakeFailure => "the TLS handshake with the upstream failed",
            ErrorType::TLSHandshakeTimedout => "the TLS handshake with the upstream took too long",
            ErrorType::ConnectRefused => REFUSED,
            ErrorType::ConnectTimedout => return Self::Timeout,
            _ => "no connection to the upstream",
        })
    }
}

/// The connections of one worker thread.
pub struct Pool {
    /// Made for the first upstream with TLS: it reads the system's certificates.
    connector: OnceLock<TransportConnector>,
    idle: Mutex<Idle>,
    me: Weak<Self>,
}

#[derive(Default)]
struct Idle {
    connections: HashMap<u64, Vec<Connection>>,
    /// Whether somebody looks for those that have waited for too long.
    is_swept: bool,
}

impl Pool {
    /// No connections yet.
    pub fn new() -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            connector: OnceLock::new(),
            idle: Mutex::default(),
            me: me.clone(),
        })
    }

    /// A connection to `upstream` that waits, where there is one.
    pub fn take(&self, upstream: &Upstream) -> Option<Connection> {
        loop {
            let waiting = self.idle().connections.get_mut(&upstream.pool)?.pop();
            // The one that was used last is the likeliest to be open.
            let mut connection = waiting?;
            if connection.is_open() {
                return Some(connection);
            }
        }
    }

    /// Takes back a connection that has served its request, where it may serve another.
    pub fn give(&self, upstream: &Upstream, mut connection: Connection, deadlines: &Deadlines) {
        if !connection.is_reusable() || deadlines.idle.is_zero() {
            return;
        }
        connection.rest();
        let mut idle = self.idle();
        let waiting = idle.connections.entry(upstream.pool).or_default();
        if waiting.len() < MOST_IDLE {
            waiting.push(connection);
        }
        if !idle.is_swept {
            idle.is_swept = true;
            tokio::spawn(sweep(self.me.clone(), deadlines.idle));
        }
    }

    /// A new connection to `upstream`, by whichever of its addresses answers.
    pub async fn connect(
        &self,
        upstream: &Upstream,
        deadlines: &Deadlines,
    ) -> Result<Connection, NoConnection> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (connecting, addresses) = self.attempt(upstream, deadlines).await?;
            match connecting {
                Ok(connection) => return Ok(connection),
                Err(error) if attempts >= addresses => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// Tries the address that is next, and says how many there are.
    async fn attempt(
        &self,
        upstream: &Upstream,
        deadlines: &Deadlines,
    ) -> Result<(Result<Connection, NoConnection>, usize), NoConnection> {
        let (address, addresses) = upstream.next_address().await?;
        let connecting = timeout(deadlines.connect, self.dial(upstream, address, deadlines));
        let connected = match connecting.await {
            Ok(connected) => connected.map(Connection::new),
            Err(_) => Err(NoConnection::Timeout),
        };
        if connected.is_err() {
            upstream.connect_failed();
        }
        Ok((connected, addresses))
    }

    async fn dial(
        &self,
        upstream: &Upstream,
        address: Option<std::net::SocketAddr>,
        deadlines: &Deadlines,
    ) -> Result<Stream, NoConnection> {
        if upstream.tls.is_some() {
            let wanted = Wanted {
                silence: deadlines.connect,
                tunnel: false,
            };
            let peer = upstream
                .peer(address, deadlines, wanted)
                .map_err(|_| NoConnection::Tls("not a usable address"))?;
            let connector = self.connector.get_or_init(|| {
                let options = ConnectorOptions::from_server_conf(&ServerConf::default());
                TransportConnector::new(Some(options))
            });
            let stream = connector.new_stream(&peer).await;
            return stream
                .map(Stream::Tls)
                .map_err(|error| NoConnection::of_pingora(&error));
        }
        match (&upstream.address, address) {
            (Address::Unix(path), _) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
            (_, Some(address)) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            (_, None) => Err(io::Error::from(io::ErrorKind::AddrNotAvailable).into()),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes what has waited for longer than `most`, and what the upstream has closed, until nothing
/// waits any more.
async fn sweep(pool: Weak<Pool>, most: Duration) {
    loop {
        pingora_timeout::sleep(SWEEP.min(most)).await;
        let Some(pool) = pool.upgrade() else {
            return;
        };
        let now = Instant::now();
        let mut idle = pool.idle();
        idle.connections.retain(|_, waiting| {
            waiting.retain_mut(|c| now.duration_since(c.idle_since) < most && c.is_open());
            !waiting.is_empty()
        });
        if idle.connections.is_empty() {
            idle.is_swept = false;
            return;
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}
