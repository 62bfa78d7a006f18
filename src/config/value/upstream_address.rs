//! Where requests go.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{Host, InvalidValue, text_value};
use crate::matrix::ServerName;

const HELP: &str = "write \"http://127.0.0.1:8008\", \"https://synapse.internal:8448\" \
                    or \"unix:/run/synapse/main.sock\"";

/// The address of a homeserver or of another program behind us.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamAddress {
    /// `http://host:port`: plain HTTP over TCP.
    Http {
        /// A name (resolved when connecting) or an IP address.
        host: Host,
        /// The port; `http://` without one means 80.
        port: u16,
    },
    /// `https://host[:port]`: TLS over TCP.
    Https {
        /// A name (resolved when connecting) or an IP address.
        host: Host,
        /// The port; `https://` without one means 443.
        port: u16,
    },
    /// `unix:/path`: plain HTTP over a unix socket.
    Unix(PathBuf),
}

impl FromStr for UpstreamAddress {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refuse = |reason: &dyn fmt::Display| {
            InvalidValue::new(format!("{text:?} is not an upstream address{reason}"), HELP)
        };
        if let Some(path) = text.strip_prefix("unix:") {
            return match Path::new(path) {
                path if path.is_absolute() => Ok(Self::Unix(path.to_owned())),
                _ => Err(refuse(&": the path must begin with \"/\"")),
            };
        }
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| refuse(&": the scheme is missing"))?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(refuse(&": it carries a path; requests keep their own"));
        }
        if authority.contains('@') {
            return Err(refuse(&": it carries a password, which is never sent"));
        }
        let name: ServerName = authority
            .parse()
            .map_err(|reason| refuse(&format_args!(": {reason}")))?;
        let host: Host = name.host().parse()?;
        let port = name.port();
        match scheme.to_ascii_lowercase().as_str() {
            "http" => Ok(Self::Http {
                host,
                port: port.unwrap_or(80),
            }),
            "https" => Ok(Self::Https {
                host,
                port: port.unwrap_or(443),
            }),
            _ => Err(refuse(&": the scheme is none of http, https, unix")),
        }
    }
}

impl fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { host, port } => write!(f, "http://{host}:{port}"),
            Self::Https { host, port } => write!(f, "https://{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

text_value!(
    UpstreamAddress,
    "UpstreamAddress",
    "upstream address",
    "an address such as \"http://127.0.0.1:8008\""
);
