//! The names that stand in certificates.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use rcgen::SanType;

use crate::matrix::ServerName;

/// A subject alternative name that a TLS server can be reached by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CertificateName {
    /// A host name in lower case, without a closing dot.
    Dns(Box<str>),
    /// `*.parent`: every name that is one label longer than `parent`, which is held here.
    Wildcard(Box<str>),
    /// An address.
    Ip(IpAddr),
}

/// A text that cannot stand in a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is neither a host name nor an IP address")]
pub struct InvalidCertificateName(pub String);

impl CertificateName {
    /// Whether it is an address.
    pub fn is_address(&self) -> bool {
        matches!(self, Self::Ip(_))
    }

    /// Whether a certificate with this name is good for `name` (RFC 6125 section 6.4).
    pub fn covers(&self, name: &Self) -> bool {
        match (self, name) {
            (Self::Wildcard(parent), Self::Dns(name)) => name
                .split_once('.')
                .is_some_and(|(label, rest)| !label.is_empty() && rest == &**parent),
            (Self::Dns(_) | Self::Wildcard(_) | Self::Ip(_), _) => self == name,
        }
    }

    /// As it stands in a certificate that is to be made.
    pub fn alternative_name(&self) -> Result<SanType, rcgen::Error> {
        Ok(match self {
            Self::Ip(address) => SanType::IpAddress(*address),
            Self::Dns(_) | Self::Wildcard(_) => SanType::DnsName(self.to_string().try_into()?),
        })
    }
}

impl FromStr for CertificateName {
    type Err = InvalidCertificateName;

    /// Reads a host name, a wildcard, or an address with or without brackets.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidCertificateName(text.to_owned());
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(text).parse() {
            return Ok(Self::Ip(address));
        }
        let lower = text.to_ascii_lowercase();
        let lower = lower.strip_suffix('.').unwrap_or(&lower);
        let (host, kind): (_, fn(Box<str>) -> Self) = match lower.strip_prefix("*.") {
            Some(parent) => (parent, Self::Wildcard),
            None => (lower, Self::Dns),
        };
        // Underscores are no host name, but certificates carry them.
        let is_label = |label: &str| {
            let is_letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            matches!(label.len(), 1..=63) && label.bytes().all(is_letter)
        };
        if host.len() > 253 || !host.split('.').all(is_label) {
            return Err(invalid());
        }
        Ok(kind(host.into()))
    }
}

impl From<&ServerName> for CertificateName {
    /// The host of a server name; the port is no part of a certificate.
    fn from(name: &ServerName) -> Self {
        match name.ip() {
            Some(address) => Self::Ip(address),
            None => Self::Dns(name.host().into()),
        }
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Wildcard(parent) => write!(f, "*.{parent}"),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_certificates_and_configurations_hold() {
        for (text, shown) in [
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("*.Example.com", "*.example.com"),
            ("_x.example.com", "_x.example.com"),
            ("localhost", "localhost"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:DB8::1]", "2001:db8::1"),
            ("::1", "::1"),
        ] {
            let name: CertificateName = text.parse().unwrap();
            assert_eq!(name.to_string(), shown);
        }
        for text in ["", ".", "a..b", "f*.example.com", "*.*.com", "a b", "ä.de"] {
            assert!(text.parse::<CertificateName>().is_err(), "{text}");
        }
        let server: ServerName = "[::1]:8448".parse().unwrap();
        assert_eq!(CertificateName::from(&server).to_string(), "::1");
    }

    #[test]
    fn wildcard_covers_exactly_one_label() {
        let wildcard: CertificateName = "*.example.com".parse().unwrap();
        for (name, is_covered) in [
            ("a.example.com", true),
            ("a.b.example.com", false),
            ("example.com", false),
            ("a.example.org", false),
            ("*.example.com", true),
        ] {
            assert_eq!(
                wildcard.covers(&name.parse().unwrap()),
                is_covered,
                "{name}"
            );
        }
    }
}
