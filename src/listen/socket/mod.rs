//! Binding listeners: typed addresses in, listening sockets out.
//!
//! Nothing is accepted here. A socket is bound, listening and non-blocking
//! when it is handed over, so that every address is known to be free before
//! the first connection is served.

mod error;
mod unix;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use socket2::{Domain, Protocol, Socket, Type};

pub use error::{BindError, BindProblem};

/// Connections that may wait to be accepted; the kernel caps it at
/// `net.core.somaxconn`, which is 4096 on current kernels.
const BACKLOG: i32 = 4096;

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
    /// (`SO_REUSEPORT`). Of a unix socket it is the same one once more.
    pub fn share(&self) -> io::Result<Self> {
        let kind = match &self.kind {
            Kind::Tcp(listener) => Kind::Tcp(bind_tcp(listener.local_addr()?, Sharing::Yes)?),
            Kind::Unix(listener) => Kind::Unix(listener.try_clone()?),
        };
        Ok(Self {
            name: self.name.clone(),
            kind,
            local: self.local.clone(),
        })
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
    /// One socket, or two for [`Address::AnyInterface`]: IPv4 before IPv6.
    pub sockets: Vec<Bound>,
    /// What is worth a line in the log.
    pub notes: Vec<BindNote>,
}

/// Binds `address` for the listener `name`; TCP port 0 takes a free port.
///
/// A unix socket file that nobody answers on is replaced; one that is in use,
/// or a file that is no socket, is an error.
pub fn bind(name: &str, address: &Address) -> Result<Binding, BindError> {
    let fail = |problem| BindError::new(name, address, problem);
    let tcp = |socket_address| {
        let listener = bind_tcp(socket_address, Sharing::No)
            .map_err(|source| fail(BindProblem::of_tcp(source, socket_address)))?;
        tcp_bound(name, listener).map_err(|source| fail(BindProblem::Other { source }))
    };
    match address {
        Address::Tcp(socket_address) => Ok(Binding {
            sockets: vec![tcp(*socket_address)?],
            notes: Vec::new(),
        }),
        Address::AnyInterface(port) => bind_both(name, address, *port, tcp),
        Address::Unix(path) => {
            let listener = unix::bind(path, BACKLOG).map_err(fail)?;
            Ok(Binding {
                sockets: vec![Bound {
                    name: name.to_owned(),
                    kind: Kind::Unix(listener),
                    local: address.to_string(),
                }],
                notes: Vec::new(),
            })
        }
    }
}

/// Both families on one port. One socket each rather than a dual-stack one:
/// so peers have plain IPv4 addresses, and `net.ipv6.bindv6only` has no say.
fn bind_both(
    name: &str,
    address: &Address,
    port: u16,
    tcp: impl Fn(SocketAddr) -> Result<Bound, BindError>,
) -> Result<Binding, BindError> {
    let v4 = |port| tcp(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
    let v6 = |port| tcp(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    let mut attempts = if port == 0 { FREE_PORT_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        let first = match v4(port) {
            Ok(bound) => bound,
            Err(error) if error.is_family_missing() => {
                return Ok(Binding {
                    sockets: vec![v6(port)?],
                    notes: vec![BindNote::NoIpv4 {
                        name: name.to_owned(),
                        address: address.to_string(),
                    }],
                });
            }
            Err(error) => return Err(error),
        };
        let chosen = first.socket_address().map_or(port, |a| a.port());
        match v6(chosen) {
            Ok(second) => {
                return Ok(Binding {
                    sockets: vec![first, second],
                    notes: Vec::new(),
                });
            }
            Err(error) if error.is_family_missing() => {
                return Ok(Binding {
                    sockets: vec![first],
                    notes: vec![BindNote::NoIpv6 {
                        name: name.to_owned(),
                        address: address.to_string(),
                    }],
                });
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
