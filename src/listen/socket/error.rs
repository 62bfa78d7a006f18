//! Why an address cannot be listened on, and what to do about it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::Address;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("listener \"{name}\" cannot listen on {address}: {problem}")]
pub struct BindError {
    /// The listener, as the configuration names it.
    pub name: String,
    /// The address as configured.
    pub address: Box<Address>,
    /// What is in the way; its text is part of this error's.
    pub problem: BindProblem,
}

/// What is in the way of listening.
#[derive(Debug, thiserror::Error)]
pub enum BindProblem {
    /// `EADDRINUSE`.
    #[error(
        "port {port} is in use; `ss -ltnp 'sport = :{port}'` (as root) shows the process that has it"
    )]
    PortInUse {
        /// The port that somebody else has.
        port: u16,
    },
    /// `EACCES` on TCP: a port that only the privileged may take.
    #[error(
        "ports below 1024 need a privilege; with systemd set \
         `AmbientCapabilities=CAP_NET_BIND_SERVICE`, by hand run \
         `setcap cap_net_bind_service=+ep` on the vestibule binary, \
         or lower `sysctl net.ipv4.ip_unprivileged_port_start` to {port}"
    )]
    PrivilegedPort {
        /// The port.
        port: u16,
    },
    /// `EADDRNOTAVAIL`: no interface has that address.
    #[error(
        "no interface of this machine has the address {}; \
         `ip -brief address` lists those it has, and `*:{}` takes all of them",
        address.ip(), address.port()
    )]
    NotLocal {
        /// The address.
        address: SocketAddr,
    },
    /// `EAFNOSUPPORT`: the kernel does not know the family.
    #[error("this machine has no {}", if address.is_ipv6() { "IPv6" } else { "IPv4" })]
    FamilyMissing {
        /// The address.
        address: SocketAddr,
    },
    /// The folder of a unix socket is not there.
    #[error(
        "the folder {} does not exist; create it, or let systemd do so with `RuntimeDirectory=`",
        folder.display()
    )]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder of a unix socket may not be written.
    #[error("the folder {} may not be written by this user; change its owner or mode", folder.display())]
    FolderReadOnly {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process answers on the unix socket.
    #[error("another process answers on it; `ss -lxp` shows which")]
    SocketInUse,
    /// A file stands where the unix socket should be.
    #[error("a file that is no socket stands there; remove it or choose another path")]
    NotASocket,
    /// The path does not fit a socket address.
    #[error("the path is longer than the {max} bytes that a unix socket may have; shorten it")]
    PathTooLong {
        /// The longest path in bytes.
        max: usize,
    },
    /// Anything else.
    #[error("{source}")]
    Other {
        /// What the system says.
        source: io::Error,
    },
}

impl BindError {
    pub(super) fn new(name: &str, address: &Address, problem: BindProblem) -> Self {
        Self {
            name: name.to_owned(),
            address: Box::new(address.clone()),
            problem,
        }
    }

    /// Something else that the system says of `address`.
    pub fn of(name: &str, address: &Address, source: io::Error) -> Self {
        Self::new(name, address, BindProblem::Other { source })
    }

    /// Whether the machine lacks the family. An IPv6 that is switched off by
    /// `disable_ipv6` shows as an address that no interface has.
    pub(super) fn is_family_missing(&self) -> bool {
        matches!(
            self.problem,
            BindProblem::FamilyMissing { .. } | BindProblem::NotLocal { .. }
        )
    }

    pub(super) fn is_in_use(&self) -> bool {
        matches!(self.problem, BindProblem::PortInUse { .. })
    }
}

impl BindProblem {
    /// What a system error means for a TCP address.
    pub(super) fn of_tcp(source: io::Error, address: SocketAddr) -> Self {
        /// Neither has an `ErrorKind` of its own.
        const EAFNOSUPPORT: i32 = 97;
        if source.raw_os_error() == Some(EAFNOSUPPORT) {
            return Self::FamilyMissing { address };
        }
        let port = address.port();
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "std's kinds are open-ended; all others are shown as the system words them"
        )]
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::PortInUse { port },
            io::ErrorKind::AddrNotAvailable => Self::NotLocal { address },
            io::ErrorKind::PermissionDenied if port != 0 && port < 1024 => {
                Self::PrivilegedPort { port }
            }
            _ => Self::Other { source },
        }
    }
}
