//! Binding listeners: typed addresses in, listening sockets out.
//!
//! Nothing is accepted here. A socket is bound, listening and non-blocking
//! when it is handed over, so that every address is known to be free before
//! the first connection is served.

mod available;
mod error;
mod unix;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

pub use available::Available;
pub use error::{BindError, BindProblem};

/// Connections that may wait to be accepted; the kernel caps it at
/// `net.core.somaxconn`, which is 4096 on current kernels.
pub(super) const BACKLOG: i32 = 4096;

/// How often `*:0` looks for a port that is free in both families.
const FREE_PORT_ATTEMPTS: usize = 16;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// One interface address, or all of one family (`0.0.0.0`, `[::]`).
    Tcp(SocketAddr),
    /// `*:port`: every IPv4 and every IPv6 address of the machine.
    AnyInterface(u16),
    /// A unix socket in an existing folder.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::AnyInterface(port) => write!(f, "*:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A listening socket, non-blocking.
#[derive(Debug)]
pub struct Bound {
    /// The listener it belongs to, as the configuration names it.
    pub name: String,
    /// The socket.
    pub kind: Kind,
    /// The address that it really has: `0.0.0.0:443`, `[::]:443`, `unix:/run/a.sock`.
    pub local: String,
}

/// The kinds of listening sockets.
#[derive(Debug)]
pub enum Kind {
    /// TCP over IPv4 or IPv6; accepted connections have `TCP_NODELAY` set.
    Tcp(TcpListener),
    /// A unix socket with mode 0660.
    Unix(UnixListener),
}

impl Bound {
    /// The TCP address, with the port that the kernel chose where 0 was asked for.
    pub fn socket_address(&self) -> Option<SocketAddr> {
        match &self.kind {
            Kind::Tcp(listener) => listener.local_addr().ok(),
            Kind::Unix(_) => None,
        }
    }
}

impl Bound {
    /// Another socket for the same address: the kernel spreads connections over both
    /// (`SO_REUSEPORT`). Where that is not allowed, as for one that another user has opened, and
    /// for unix sockets, it is another handle of the same one.
    pub fn share(&self) -> io::Result<Self> {
        let kind = match &self.kind {
            Kind::Tcp(listener) if SockRef::from(listener).reuse_port()? => {
                match bind_tcp(listener.local_addr()?, Sharing::Yes) {
                    Ok(another) => Kind::Tcp(another),
                    Err(_) => self.kind.try_clone()?,
                }
            }
            kind @ (Kind::Tcp(_) | Kind::Unix(_)) => kind.try_clone()?,
        };
        Ok(self.with(kind))
    }

    /// Another handle of the same socket.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(self.with(self.kind.try_clone()?))
    }

    fn with(&self, kind: Kind) -> Self {
        Self {
            name: self.name.clone(),
            kind,
            local: self.local.clone(),
        }
    }
}

impl Kind {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            Self::Unix(listener) => Self::Unix(listener.try_clone()?),
        })
    }
}

impl AsFd for Bound {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.kind {
            Kind::Tcp(listener) => listener.as_fd(),
            Kind::Unix(listener) => listener.as_fd(),
        }
    }
}

/// Something an operator may want to know though the listener works.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindNote {
    /// `*:port` is served over IPv4 alone.
    #[error("listener \"{name}\": this machine has no IPv6, {address} is served over IPv4 only")]
    NoIpv6 {
        /// The listener.
        name: String,
        /// Its address.
        address: String,
    },
    /// `*:port` is served over IPv6 alone.
    #[error("listener \"{name}\": this machine has no IPv4, {address} is served over IPv6 only")]
    NoIpv4 {
        /// The listener.
        name: String,
        /// Its address.
        address: String,
    },
}

/// The sockets of one address.
#[derive(Debug)]
pub struct Binding {
    /// One socket, or two for [`Address::AnyInterface`]: IPv4 before IPv6. Of sockets that were
    /// there already it is all of them.
    pub sockets: Vec<Bound>,
    /// What is worth a line in the log.
    pub notes: Vec<BindNote>,
}

/// Opens `address` for the listener `name`: takes what is `available`, and binds the rest. TCP
/// port 0 takes a free port.
///
/// A unix socket file that nobody answers on is replaced; one that is in use,
/// or a file that is no socket, is an error.
pub fn open(
    name: &str,
    address: &Address,
    available: &mut Available,
) -> Result<Binding, BindError> {
    let fail = |problem| BindError::new(name, address, problem);
    let all = |listeners: Vec<TcpListener>| {
        let bound = listeners.into_iter().map(|it| tcp_bound(name, it));
        let bound = bound.collect::<io::Result<Vec<_>>>();
        bound.map_err(|source| fail(BindProblem::Other { source }))
    };
    let tcp = |socket_address, available: &mut Available| {
        let mut listeners = available.take_tcp(socket_address);
        if listeners.is_empty() {
            let listener = bind_tcp(socket_address, Sharing::No)
                .map_err(|source| fail(BindProblem::of_tcp(source, socket_address)))?;
            listeners.push(listener);
        }
        all(listeners)
    };
    match address {
        Address::Tcp(socket_address) => Ok(Binding {
            sockets: tcp(*socket_address, available)?,
            notes: Vec::new(),
        }),
        Address::AnyInterface(port) => match available.take_of_both_families(*port) {
            of_both if of_both.is_empty() => {
                bind_both(name, address, *port, |wanted| tcp(wanted, available))
            }
            of_both => Ok(Binding {
                sockets: all(of_both)?,
                notes: Vec::new(),
            }),
        },
        Address::Unix(path) => {
            let mut listeners = available.take_unix(path);
            if listeners.is_empty() {
                listeners.push(unix::bind(path, BACKLOG).map_err(fail)?);
            }
            let bound = |listener| Bound {
                name: name.to_owned(),
                kind: Kind::Unix(listener),
                local: address.to_string(),
            };
            Ok(Binding {
                sockets: listeners.into_iter().map(bound).collect(),
                notes: Vec::new(),
            })
        }
    }
}

/// The same where nothing is open yet.
pub fn bind(name: &str, address: &Address) -> Result<Binding, BindError> {
    open(name, address, &mut Available::default())
}

/// Both families on one port. One socket each rather than a dual-stack one:
/// so peers have plain IPv4 addresses, and `net.ipv6.bindv6only` has no say.
fn bind_both(
    name: &str,
    address: &Address,
    port: u16,
    mut tcp: impl FnMut(SocketAddr) -> Result<Vec<Bound>, BindError>,
) -> Result<Binding, BindError> {
    let v4 = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let v6 = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let (name, address) = (name.to_owned(), address.to_string());
    let mut attempts = if port == 0 { FREE_PORT_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        let mut sockets = match tcp(v4(port)) {
            Ok(bound) => bound,
            Err(error) if error.is_family_missing() => {
                return Ok(Binding {
                    sockets: tcp(v6(port))?,
                    notes: vec![BindNote::NoIpv4 { name, address }],
                });
            }
            Err(error) => return Err(error),
        };
        let chosen = sockets.first().and_then(Bound::socket_address);
        match tcp(v6(chosen.map_or(port, |a| a.port()))) {
            Ok(second) => {
                sockets.extend(second);
                let notes = Vec::new();
                return Ok(Binding { sockets, notes });
            }
            Err(error) if error.is_family_missing() => {
                let notes = vec![BindNote::NoIpv6 { name, address }];
                return Ok(Binding { sockets, notes });
            }
            Err(error) if error.is_in_use() && attempts > 0 => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether an address may have been bound by us before.
#[derive(Clone, Copy)]
enum Sharing {
    No,
    Yes,
}

fn bind_tcp(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Lets a restarted process bind while connections of the old one linger in TIME_WAIT.
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it: one system call fewer for every connection.
    socket.set_tcp_nodelay(true)?;
    match sharing {
        // An address that anybody has already is an error, a second Vestibule included. From then
        // on it is shared, by those that ask to.
        Sharing::No => {
            socket.bind(&address.into())?;
            socket.set_reuse_port(true)?;
        }
        Sharing::Yes => {
            socket.set_reuse_port(true)?;
            socket.bind(&address.into())?;
        }
    }
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn tcp_bound(name: &str, listener: TcpListener) -> io::Result<Bound> {
    Ok(Bound {
        name: name.to_owned(),
        local: listener.local_addr()?.to_string(),
        kind: Kind::Tcp(listener),
    })
}

#[cfg(test)]
mod tests;
