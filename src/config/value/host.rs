//! A host without a port.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{InvalidValue, text_value};
use crate::matrix::ServerName;

/// A DNS name or IP address as it stands in a URL, in lower case and without a
/// port; an IPv6 address has its brackets.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(ServerName);

impl Host {
    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.host()
    }

    /// As an IP address, where it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.0.ip()
    }
}

impl FromStr for Host {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let help = "write a host name or IP address alone: no scheme, no port, no path";
        match text.parse::<ServerName>() {
            Ok(name) if name.port().is_none() => Ok(Self(name)),
            Ok(_) => {
                let message = format!("{text:?} carries a port; it holds for all ports");
                Err(InvalidValue::new(message, help))
            }
            Err(_) if text.contains("://") => {
                let message = format!("{text:?} is not a host name: it is a URL");
                Err(InvalidValue::new(message, help))
            }
            Err(_) if text.starts_with("*.") => {
                let message = format!("{text:?} is a wildcard, which stands for no host");
                Err(InvalidValue::new(message, "name each host"))
            }
            Err(reason) => {
                let message = format!("{text:?} is not a host name: {reason}");
                Err(InvalidValue::new(message, help))
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

text_value!(
    Host,
    "Host",
    "host",
    "a host name such as \"matrix.example.com\""
);
