//! The open connections: how many there may be, when the last has ended, and how to end them all.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use pingora_limits::rate::Rate;
use tokio::sync::watch;

use super::Limits;
use super::half_open::{HalfOpen, Handshake};
use super::place::{Place, Places};

/// Counts the connections of all listeners.
pub struct Connections {
    caps: ArcSwap<Caps>,
    /// Of fixed size, however many addresses there are; two may share a count, rarely.
    new_per_address: Rate,
    handshakes: HalfOpen,
    addresses: Mutex<HashMap<IpAddr, Share>>,
    open: watch::Sender<usize>,
    ended: watch::Sender<bool>,
}

/// How many there may be.
struct Caps {
    most: usize,
    most_per_address: usize,
    most_new_per_address: isize,
    most_requests_per_address: usize,
    most_handshakes: usize,
    most_handshakes_per_address: usize,
    exempt: Vec<IpNet>,
}

impl Caps {
    fn of(limits: &Limits) -> Self {
        let most_new = limits.new_connections_per_address;
        Self {
            most: limits.connections,
            most_per_address: limits.connections_per_address,
            most_new_per_address: isize::try_from(most_new).unwrap_or(isize::MAX),
            most_requests_per_address: limits.requests_per_address,
            most_handshakes: limits.handshakes,
            most_handshakes_per_address: limits.handshakes_per_address,
            exempt: limits.exempt.clone(),
        }
    }
}

/// Why a connection was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// `limits.connections` are open.
    Total,
    /// `limits.connections_per_address` are open from its network.
    Address,
    /// `limits.new_connections_per_address` came from its network within a second.
    Rate,
    /// `limits.handshakes` began since, and are not done yet.
    Handshakes,
    /// `limits.handshakes_per_address` of its network are not done yet.
    HandshakesOfAddress,
}

impl Excess {
    /// The name of the reason in metrics.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Total => "connections",
            Self::Address => "connections_per_address",
            Self::Rate => "new_connections_per_address",
            Self::Handshakes => "handshakes",
            Self::HandshakesOfAddress => "handshakes_per_address",
        }
    }
}

/// A connection's place among the open ones, given back when dropped.
#[derive(Debug)]
pub struct Permit(Arc<Connections>);

/// What one network has open.
#[derive(Debug, Default)]
struct Share {
    connections: usize,
    requests: Places,
    handshakes: Places,
}

/// A connection's place among those of its network, given back when dropped.
#[derive(Debug)]
pub struct AddressPermit {
    connections: Arc<Connections>,
    network: IpAddr,
    requests: Places,
    handshakes: Places,
}

impl AddressPermit {
    /// A place for one more request; `None` where there are as many as there may be.
    pub fn admit_request(&self) -> Option<Place> {
        let most = self.connections.caps.load().most_requests_per_address;
        self.requests.take(most)
    }

    /// A place for one more handshake, to be kept until it is done.
    pub(super) fn admit_handshake(&self) -> Result<Place, Excess> {
        let most = self.connections.caps.load().most_handshakes_per_address;
        let place = self.handshakes.take(most);
        place.ok_or(Excess::HandshakesOfAddress)
    }
}

impl Connections {
    /// No connection is open yet.
    pub fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            caps: ArcSwap::from_pointee(Caps::of(limits)),
            new_per_address: Rate::new(Duration::from_secs(1)),
            handshakes: HalfOpen::default(),
            addresses: Mutex::default(),
            open: watch::Sender::new(0),
            ended: watch::Sender::new(false),
        })
    }

    /// From now on there may be as many as `limits` say. Those that are open stay.
    pub fn limit(&self, limits: &Limits) {
        self.caps.store(Arc::new(Caps::of(limits)));
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        *self.open.borrow()
    }

    /// Ends when no connection is open.
    pub async fn drained(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        drop(self.open.subscribe().wait_for(|open| *open == 0).await);
    }

    /// Says that all connections are cut. Whoever runs them does it: the end of its runtime.
    pub fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Becomes true when [`Connections::end`] is called.
    pub fn cut(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    /// A place for one more connection.
    pub fn admit(self: &Arc<Self>) -> Result<Permit, Excess> {
        let most = self.caps.load().most;
        let is_admitted = self.open.send_if_modified(|open| {
            let has_room = *open < most;
            *open += usize::from(has_room);
            has_room
        });
        if is_admitted {
            Ok(Permit(Arc::clone(self)))
        } else {
            Err(Excess::Total)
        }
    }

    /// Begins one more handshake of whatever address; what this gives is to be kept until it is
    /// done.
    pub(super) fn begin_handshake(&self) -> Handshake<'_> {
        self.handshakes.begin(self.caps.load().most_handshakes)
    }

    /// A place for one more connection from `address`. `None` for those that are not counted:
    /// loopback and trusted proxies.
    pub fn admit_address(
        self: &Arc<Self>,
        address: IpAddr,
    ) -> Result<Option<AddressPermit>, Excess> {
        let address = address.to_canonical();
        let caps = self.caps.load();
        if address.is_loopback() || caps.exempt.iter().any(|net| net.contains(&address)) {
            return Ok(None);
        }
        let network = network(address);
        if self.new_per_address.observe(&network, 1) > caps.most_new_per_address {
            return Err(Excess::Rate);
        }
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let share = addresses.entry(network).or_default();
        if share.connections >= caps.most_per_address {
            return Err(Excess::Address);
        }
        share.connections += 1;
        Ok(Some(AddressPermit {
            connections: Arc::clone(self),
            network,
            requests: share.requests.clone(),
            handshakes: share.handshakes.clone(),
        }))
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("open", &self.open())
            .finish_non_exhaustive()
    }
}

/// What shares one cap, as an address: an IPv4 address, or an IPv6 /64, which is what one client is given.
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

/// Ends when Vestibule shuts down, or when whoever could tell is gone.
pub(super) async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    drop(shutdown.wait_for(|stop| *stop).await);
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0
            .open
            .send_modify(|open| *open = open.saturating_sub(1));
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        let mut addresses = self
            .connections
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = addresses.get_mut(&self.network) {
            share.connections -= 1;
            if share.connections == 0 {
                addresses.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections() -> Arc<Connections> {
        Connections::new(&Limits {
            connections: 3,
            connections_per_address: 1,
            exempt: vec!["10.0.0.0/8".parse().unwrap()],
            ..Limits::default()
        })
    }

    #[test]
    fn caps_each_address_and_each_ipv6_network() {
        let connections = connections();
        let admit = |address: &str| connections.admit_address(address.parse().unwrap());
        let first = admit("192.0.2.1").unwrap();
        assert_eq!(admit("192.0.2.1").unwrap_err(), Excess::Address);
        assert_eq!(admit("::ffff:192.0.2.1").unwrap_err(), Excess::Address);
        let _second = admit("192.0.2.2").unwrap().unwrap();
        let _third = admit("2001:db8::1").unwrap().unwrap();
        assert_eq!(admit("2001:db8::2:1").unwrap_err(), Excess::Address);
        assert!(admit("2001:db8:0:1::1").unwrap().is_some());
        for free in ["127.0.0.1", "::1", "10.1.2.3"] {
            assert!(admit(free).unwrap().is_none(), "{free}");
        }
        drop(first);
        assert!(admit("192.0.2.1").is_ok());
    }

    #[test]
    fn caps_what_comes_anew_from_one_address() {
        let connections = Connections::new(&Limits {
            new_connections_per_address: 5,
            ..Limits::default()
        });
        let admit = |address: &str| connections.admit_address(address.parse().unwrap());
        let refused = (0..50).filter(|_| admit("192.0.2.1").is_err()).count();
        // A second may end once meanwhile, and the count begins anew.
        assert!((40..=45).contains(&refused), "{refused}");
        assert!(admit("192.0.2.2").is_ok());
        assert!((0..50).all(|_| admit("127.0.0.1").is_ok()));
    }

    #[test]
    fn caps_the_requests_of_an_address_over_all_its_connections() {
        let connections = Connections::new(&Limits {
            requests_per_address: 2,
            ..Limits::default()
        });
        let admit = |address: &str| connections.admit_address(address.parse().unwrap());
        let first = admit("192.0.2.1").unwrap().unwrap();
        let second = admit("192.0.2.1").unwrap().unwrap();
        let request = first.admit_request().unwrap();
        let _other = second.admit_request().unwrap();
        assert!(first.admit_request().is_none() && second.admit_request().is_none());
        let elsewhere = admit("192.0.2.2").unwrap().unwrap();
        assert!(elsewhere.admit_request().is_some());
        drop((request, first));
        assert!(second.admit_request().is_some());
    }

    #[test]
    fn caps_the_handshakes_of_an_address() {
        let connections = Connections::new(&Limits {
            handshakes_per_address: 2,
            ..Limits::default()
        });
        let admit = |address: &str| connections.admit_address(address.parse().unwrap());
        let first = admit("2001:db8::1").unwrap().unwrap();
        let second = admit("2001:db8::2").unwrap().unwrap();
        let held = first.admit_handshake().unwrap();
        let _other = second.admit_handshake().unwrap();
        let excess = first.admit_handshake().unwrap_err();
        assert_eq!(excess, Excess::HandshakesOfAddress);
        drop(held);
        assert!(second.admit_handshake().is_ok());
    }

    #[tokio::test]
    async fn caps_the_total_and_tells_when_the_last_has_ended() {
        let connections = connections();
        let permits: Vec<_> = (0..3).map(|_| connections.admit().unwrap()).collect();
        assert_eq!(connections.admit().unwrap_err(), Excess::Total);
        assert_eq!(connections.open(), 3);
        drop(permits);
        connections.drained().await;
        assert_eq!(connections.open(), 0);
    }
}
