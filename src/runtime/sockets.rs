//! The configured listeners, bound: every address before the first connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::{self, ListenAddress};
use crate::listen::Listener;
use crate::listen::socket::{Address, BindError, BindNote, Binding, Bound, bind};

/// A listener and its sockets.
pub(super) struct Socket {
    /// What the connections are told of it.
    pub(super) listener: Arc<Listener>,
    /// One for each address family.
    pub(super) bound: Vec<Bound>,
}

/// The sockets of one thread, each with its listener.
pub(super) type Spread = Vec<(Bound, Arc<Listener>)>;

/// All sockets of a configuration.
#[derive(Default)]
pub(super) struct Sockets {
    pub(super) sockets: Vec<Socket>,
    pub(super) notes: Vec<BindNote>,
}

impl Sockets {
    /// Binds every listener, or says of each address what stands in the way.
    pub(super) fn bind(listeners: &[config::Listener]) -> Result<Self, Vec<BindError>> {
        let mut all = Self::default();
        let mut errors = Vec::new();
        for written in listeners {
            for written_address in &written.address {
                let name = written_address.to_string();
                match bind(&name, &address(written_address)) {
                    Ok(binding) => all.add(listener(written, &name), binding),
                    Err(error) => errors.push(error),
                }
            }
        }
        if errors.is_empty() {
            Ok(all)
        } else {
            Err(errors)
        }
    }

    fn add(&mut self, listener: Listener, binding: Binding) {
        self.notes.extend(binding.notes);
        self.sockets.push(Socket {
            listener: Arc::new(listener),
            bound: binding.sockets,
        });
    }

    /// Every socket for each of `workers` threads.
    pub(super) fn spread(self, workers: usize) -> io::Result<Vec<Spread>> {
        let mut all: Vec<Spread> = (1..workers)
            .map(|_| self.share())
            .collect::<io::Result<_>>()?;
        let own = |socket: Socket| {
            let listener = socket.listener;
            let bound = socket.bound.into_iter();
            bound.map(move |bound| (bound, listener.clone()))
        };
        all.push(self.sockets.into_iter().flat_map(own).collect());
        Ok(all)
    }

    /// Sockets for another thread on the same addresses.
    fn share(&self) -> io::Result<Spread> {
        let share = |socket: &Socket| {
            let listener = socket.listener.clone();
            let shared = socket.bound.iter().map(Bound::share);
            shared
                .map(move |bound| Ok((bound?, listener.clone())))
                .collect::<Vec<_>>()
        };
        self.sockets.iter().flat_map(share).collect()
    }

    /// The name and address of each TCP socket, in the order of the
    /// configuration.
    pub(super) fn addresses(&self) -> Vec<(Arc<str>, SocketAddr)> {
        let of = |socket: &Socket| {
            let name = socket.listener.name.clone();
            let addresses = socket.bound.iter().filter_map(Bound::socket_address);
            addresses
                .map(move |a| (name.clone(), a))
                .collect::<Vec<_>>()
        };
        self.sockets.iter().flat_map(of).collect()
    }
}

fn listener(written: &config::Listener, name: &str) -> Listener {
    Listener {
        name: name.into(),
        profile: written.profile,
        tls: written.tls,
        proxy_protocol: written.proxy_protocol.iter().map(|n| n.net()).collect(),
    }
}

pub(super) fn address(written: &ListenAddress) -> Address {
    match written {
        ListenAddress::Any { port } => Address::AnyInterface(*port),
        ListenAddress::Ip(address) => Address::Tcp(*address),
        ListenAddress::Unix(path) => Address::Unix(path.clone()),
    }
}
