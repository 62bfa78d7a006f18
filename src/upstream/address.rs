//! Where an upstream is, resolved when it is a name.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// How long a resolved name is used before it is looked up again. Containers
/// move; the resolver behind `getaddrinfo` keeps the TTL.
const RESOLVED_FOR: Duration = Duration::from_secs(10);

/// How long one look-up may take.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Where to connect. Two names are equal whatever was found out about either.
#[derive(Debug, PartialEq, Eq)]
pub enum Address {
    /// A fixed address.
    Socket(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
    /// A host name and a port.
    Name(Name),
}

/// A host name whose addresses are looked up and remembered.
#[derive(Debug)]
pub struct Name {
    host: Box<str>,
    port: u16,
    known: Mutex<Known>,
    preferred: AtomicUsize,
}

/// What the look-ups so far have brought.
#[derive(Debug, Default)]
struct Known {
    /// When the last one ended.
    at: Option<Instant>,
    /// The addresses of the last one that found any.
    addresses: Option<Arc<[SocketAddr]>>,
    /// How the last one failed, where none has found any yet.
    failure: Option<(io::ErrorKind, String)>,
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        (&self.host, self.port) == (&other.host, other.port)
    }
}

impl Eq for Name {}

impl Name {
    /// A name that is not looked up yet.
    pub fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            known: Mutex::default(),
            preferred: AtomicUsize::new(0),
        }
    }

    /// The address to try now, and how many there are.
    ///
    /// A failed look-up falls back to what was known before; it is an error
    /// only where nothing was.
    pub async fn address(&self) -> io::Result<(SocketAddr, usize)> {
        let addresses = self.addresses().await?;
        let preferred = self.preferred.load(Ordering::Relaxed);
        match addresses.get(preferred % addresses.len().max(1)) {
            Some(address) => Ok((*address, addresses.len())),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("{} has no address", self.host),
            )),
        }
    }

    /// Moves on to the next address: this one does not answer. `localhost`
    /// that listens on 127.0.0.1 only is the common case.
    pub fn prefer_next(&self) {
        self.preferred.fetch_add(1, Ordering::Relaxed);
    }

    async fn addresses(&self) -> io::Result<Arc<[SocketAddr]>> {
        let asked = Instant::now();
        // One look-up at a time; the others wait for its result, a failure too.
        let mut known = self.known.lock().await;
        let is_fresh = known.at.is_some_and(|at| match known.addresses {
            Some(_) => at.elapsed() < RESOLVED_FOR,
            None => at > asked,
        });
        if !is_fresh {
            self.look_up(&mut known).await;
        }
        match (&known.addresses, &known.failure) {
            (Some(addresses), _) => Ok(addresses.clone()),
            (None, Some((kind, reason))) => Err(io::Error::new(*kind, reason.clone())),
            (None, None) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    async fn look_up(&self, known: &mut Known) {
        let lookup = tokio::net::lookup_host((&*self.host, self.port));
        let found = match tokio::time::timeout(LOOKUP_TIMEOUT, lookup).await {
            Ok(found) => found.map(Iterator::collect::<Arc<[SocketAddr]>>),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        known.at = Some(Instant::now());
        match found {
            Ok(addresses) => known.addresses = Some(addresses),
            Err(error) => known.failure = Some((error.kind(), error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_moves_through_its_addresses() {
        let name = Name::new("localhost", 8008);
        let (first, count) = name.address().await.unwrap();
        assert!(first.ip().is_loopback());
        assert_eq!(name.address().await.unwrap().0, first);
        for _ in 0..count {
            name.prefer_next();
        }
        assert_eq!(name.address().await.unwrap().0, first);
    }

    #[tokio::test]
    async fn who_waits_for_a_look_up_shares_its_failure() {
        let name = Name::new("no-such-host.invalid", 8008);
        let mut known = name.known.lock().await;
        let waiting = name.address();
        tokio::pin!(waiting);
        let is_waiting = tokio::time::timeout(Duration::ZERO, &mut waiting).await;
        assert!(is_waiting.is_err());
        known.at = Some(Instant::now());
        known.failure = Some((io::ErrorKind::Other, "as it was".to_owned()));
        drop(known);
        assert_eq!(waiting.await.unwrap_err().to_string(), "as it was");
    }

    #[tokio::test]
    async fn a_failed_look_up_leaves_what_was_known() {
        let name = Name::new("no-such-host.invalid", 8008);
        let address = SocketAddr::from(([192, 0, 2, 1], 8008));
        name.known.lock().await.addresses = Some([address].into());
        assert_eq!(name.address().await.unwrap(), (address, 1));
    }

    #[tokio::test]
    async fn an_unknown_name_is_an_error() {
        let name = Name::new("no-such-host.invalid", 8008);
        assert!(name.address().await.is_err());
    }
}
