//! Sockets that somebody has opened already: systemd, the process that this one succeeds, or a
//! listener of the configuration before.

use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

use listenfd::ListenFd;
use socket2::SockRef;

use super::{Bound, Kind};

/// Sockets that are to be taken rather than bound. Who takes one from a listener that is still
/// served shares its queue: no connection that waits there is lost.
#[derive(Debug, Default)]
pub struct Available {
    sockets: Vec<Kind>,
}

impl Available {
    /// What the environment hands over (`LISTEN_FDS`; `sd_listen_fds(3)`), and a datagram socket
    /// to whoever does it, where there is one.
    ///
    /// Errors where something is handed over that is neither: nobody would ever close it.
    pub fn from_environment() -> io::Result<(Self, Option<UnixDatagram>)> {
        let mut passed = ListenFd::from_env();
        let mut available = Self::default();
        let mut predecessor = None;
        for index in 0..passed.len() {
            if let Ok(Some(socket)) = passed.take_tcp_listener(index) {
                available.sockets.push(Kind::Tcp(prepared(socket)?));
            } else if let Ok(Some(socket)) = passed.take_unix_listener(index) {
                socket.set_nonblocking(true)?;
                available.sockets.push(Kind::Unix(socket));
            } else {
                predecessor = passed.take_unix_datagram(index)?;
            }
        }
        Ok((available, predecessor))
    }

    /// Adds another handle of each of `sockets`.
    pub fn add<'s>(&mut self, sockets: impl IntoIterator<Item = &'s Bound>) -> io::Result<()> {
        for socket in sockets {
            self.sockets.push(socket.kind.try_clone()?);
        }
        Ok(())
    }

    /// The addresses of those that nobody has taken.
    pub fn rest(&self) -> Vec<String> {
        self.sockets.iter().map(local).collect()
    }

    /// All sockets on exactly this address.
    pub(super) fn take_tcp(&mut self, wanted: SocketAddr) -> Vec<TcpListener> {
        let is_wanted = |kind: &mut Kind| match kind {
            Kind::Tcp(socket) => socket.local_addr().is_ok_and(|address| address == wanted),
            Kind::Unix(_) => false,
        };
        let taken = self.sockets.extract_if(.., is_wanted);
        taken.filter_map(tcp).collect()
    }

    /// Sockets of IPv6 on all addresses that take IPv4 as well, as systemd opens them by default.
    pub(super) fn take_of_both_families(&mut self, port: u16) -> Vec<TcpListener> {
        let wanted = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        let takes_both = |socket: &TcpListener| {
            let is_there = socket.local_addr().is_ok_and(|address| address == wanted);
            is_there && SockRef::from(socket).only_v6().is_ok_and(|only| !only)
        };
        let is_wanted = |kind: &mut Kind| matches!(kind, Kind::Tcp(socket) if takes_both(socket));
        let taken = self.sockets.extract_if(.., is_wanted);
        taken.filter_map(tcp).collect()
    }

    /// All sockets at exactly this path.
    pub(super) fn take_unix(&mut self, wanted: &Path) -> Vec<UnixListener> {
        let is_wanted = |kind: &mut Kind| match kind {
            Kind::Tcp(_) => false,
            Kind::Unix(socket) => socket
                .local_addr()
                .is_ok_and(|address| address.as_pathname() == Some(wanted)),
        };
        let taken = self.sockets.extract_if(.., is_wanted);
        let unix = |kind| match kind {
            Kind::Tcp(_) => None,
            Kind::Unix(socket) => Some(socket),
        };
        taken.filter_map(unix).collect()
    }
}

fn tcp(kind: Kind) -> Option<TcpListener> {
    match kind {
        Kind::Tcp(socket) => Some(socket),
        Kind::Unix(_) => None,
    }
}

/// As we would have bound it.
fn prepared(socket: TcpListener) -> io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    SockRef::from(&socket).set_tcp_nodelay(true)?;
    Ok(socket)
}

fn local(kind: &Kind) -> String {
    match kind {
        Kind::Tcp(socket) => socket.local_addr().map(|address| address.to_string()),
        Kind::Unix(socket) => socket.local_addr().map(|address| format!("{address:?}")),
    }
    .unwrap_or_else(|error| error.to_string())
}
