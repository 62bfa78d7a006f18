//! Matrix server names: `hostname[:port]` (appendices, "Server Name").

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A valid Matrix server name, lower-cased: a DNS name, an IPv4 address or an
/// IPv6 address in brackets, with an optional port.
///
/// Host names compare without regard to case, so the lower-case form is kept.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerName {
    text: Box<str>,
    host_length: usize,
    port: Option<u16>,
}

/// Why a text is not a server name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidServerName {
    /// There is no host name in it.
    #[error("a server name may not be empty")]
    Empty,
    /// More than 255 bytes, which the specification forbids.
    #[error("a server name has at most 255 characters")]
    TooLong,
    /// A character outside letters, digits, `-` and `.`.
    #[error("{0:?} is not allowed in a server name")]
    Character(char),
    /// Brackets without an IPv6 address in them.
    #[error("the brackets do not hold an IPv6 address")]
    Ipv6,
    /// Four numbers that are no IPv4 address.
    #[error("this is not an IPv4 address")]
    Ipv4,
    /// A label that is empty, too long, or begins or ends with `-`.
    #[error("a label of the host name is empty, longer than 63, or begins or ends with '-'")]
    Label,
    /// The port is not a number from 1 to 65535.
    #[error("the port is not a number from 1 to 65535")]
    Port,
}

impl ServerName {
    /// The whole name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host without the port; an IPv6 address keeps its brackets.
    pub fn host(&self) -> &str {
        self.text.get(..self.host_length).unwrap_or(&self.text)
    }

    /// The port, where the name carries one.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The host as an IP address, where it is one.
    pub fn ip(&self) -> Option<std::net::IpAddr> {
        let host = self.host();
        match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            Some(v6) => v6.parse::<Ipv6Addr>().ok().map(Into::into),
            None => host.parse::<Ipv4Addr>().ok().map(Into::into),
        }
    }
}

impl FromStr for ServerName {
    type Err = InvalidServerName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > 255 {
            return Err(InvalidServerName::TooLong);
        }
        let (host, port) = split_port(text)?;
        check_host(host)?;
        let port = port.map(parse_port).transpose()?;
        Ok(Self {
            text: text.to_ascii_lowercase().into(),
            host_length: host.len(),
            port,
        })
    }
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), InvalidServerName> {
    if text.starts_with('[') {
        let end = text.find(']').ok_or(InvalidServerName::Ipv6)? + 1;
        let (host, rest) = text.split_at(end);
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(InvalidServerName::Ipv6),
        };
    }
    Ok(match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    })
}

fn parse_port(port: &str) -> Result<u16, InvalidServerName> {
    if port.is_empty() || port.len() > 5 || !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidServerName::Port);
    }
    match port.parse() {
        Ok(0) | Err(_) => Err(InvalidServerName::Port),
        Ok(number) => Ok(number),
    }
}

fn check_host(host: &str) -> Result<(), InvalidServerName> {
    if host.is_empty() {
        return Err(InvalidServerName::Empty);
    }
    if let Some(inner) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return match inner.parse::<Ipv6Addr>() {
            Ok(_) => Ok(()),
            Err(_) => Err(InvalidServerName::Ipv6),
        };
    }
    if let Some(bad) = host
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.')))
    {
        return Err(InvalidServerName::Character(bad));
    }
    let is_label =
        |l: &str| !l.is_empty() && l.len() <= 63 && !l.starts_with('-') && !l.ends_with('-');
    if !host.split('.').all(is_label) {
        return Err(InvalidServerName::Label);
    }
    let numeric = host
        .split('.')
        .all(|l| l.bytes().all(|b| b.is_ascii_digit()));
    if numeric && host.parse::<Ipv4Addr>().is_err() {
        return Err(InvalidServerName::Ipv4);
    }
    Ok(())
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_host_and_port() {
        for (text, host, port) in [
            ("Example.com", "example.com", None),
            ("matrix.example.com:8448", "matrix.example.com", Some(8448)),
            ("1.2.3.4:1", "1.2.3.4", Some(1)),
            ("[2001:db8::1]", "[2001:db8::1]", None),
            ("[::1]:65535", "[::1]", Some(65535)),
            ("localhost", "localhost", None),
        ] {
            let name: ServerName = text.parse().unwrap();
            assert_eq!((name.host(), name.port()), (host, port), "{text}");
        }
    }

    #[test]
    fn refuses_what_the_grammar_forbids() {
        for text in [
            "",
            ":80",
            "a_b.c",
            "a..b",
            "a:",
            "a:0",
            "a:65536",
            "a:123456",
            "[::1",
            "[::1]x",
            "1.2.3.400",
            "a b",
            "a/b",
            "ä.de",
            "-a.b",
            "[1.2.3.4]",
        ] {
            assert!(text.parse::<ServerName>().is_err(), "{text}");
        }
        assert!("a".repeat(256).parse::<ServerName>().is_err());
    }
}
