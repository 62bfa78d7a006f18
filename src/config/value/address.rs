//! Where a listener listens.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{InvalidValue, text_value};

const HELP: &str = "write \"*:443\" (IPv4 and IPv6), \"192.0.2.1:443\", \"[2001:db8::1]:443\" \
                    or \"unix:/run/vestibule/http.sock\"";

/// A socket of ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// `*:port`: every IPv4 and IPv6 address of the machine.
    Any {
        /// The port; 0 lets the system choose.
        port: u16,
    },
    /// One address. An unspecified one (`0.0.0.0`, `[::]`) stands for its family only.
    Ip(SocketAddr),
    /// `unix:/path`: a unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// The port; `None` for a unix socket.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Any { port } => Some(*port),
            Self::Ip(address) => Some(address.port()),
            Self::Unix(_) => None,
        }
    }

    /// Whether only this machine can connect to it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Any { .. } => false,
            Self::Ip(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// Whether the system would refuse to open both: the second fails with
    /// "address already in use". Port 0 never clashes.
    pub fn clashes_with(&self, other: &Self) -> bool {
        if let (Self::Unix(left), Self::Unix(right)) = (self, other) {
            return left == right;
        }
        match (self.port(), other.port()) {
            (Some(left), Some(right)) if left == right && left != 0 => {}
            _ => return false,
        }
        match (self, other) {
            (Self::Ip(left), Self::Ip(right)) => overlap(left.ip(), right.ip()),
            _ => true,
        }
    }
}

fn overlap(left: IpAddr, right: IpAddr) -> bool {
    left.is_ipv4() == right.is_ipv4()
        && (left == right || left.is_unspecified() || right.is_unspecified())
}

impl FromStr for ListenAddress {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refuse = |reason| {
            let message = format!("{text:?} is not an address to listen on{reason}");
            InvalidValue::new(message, HELP)
        };
        if let Some(path) = text.strip_prefix("unix:") {
            return match Path::new(path) {
                path if path.is_absolute() => Ok(Self::Unix(path.to_owned())),
                _ => Err(refuse(": the path must begin with \"/\"")),
            };
        }
        if let Some(port) = text.strip_prefix("*:") {
            let port = port.parse().map_err(|_| refuse(": that is no port"))?;
            return Ok(Self::Any { port });
        }
        match text.parse() {
            Ok(address) => Ok(Self::Ip(address)),
            Err(_) if text.parse::<IpAddr>().is_ok() => Err(refuse(": the port is missing")),
            Err(_) if text.parse::<u16>().is_ok() => Err(refuse(": that is only a port")),
            Err(_) if text.starts_with("localhost:") => Err(refuse(": that is a name")),
            Err(_) => Err(refuse("")),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any { port } => write!(f, "*:{port}"),
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

text_value!(
    ListenAddress,
    "ListenAddress",
    "address",
    "an address such as \"*:443\""
);
