//! Who the client is, in three steps of trust.
//!
//! 1. The TCP peer is a fact.
//! 2. A PROXY header from a listed network replaces it (`listen` checks the
//!    list before it reads the header).
//! 3. `X-Forwarded-For` replaces it only where the address so far belongs to a
//!    trusted proxy: read from the right, the first address that is not a
//!    trusted proxy's is the client.
//!
//! Synapse believes the first address of the first `X-Forwarded-For`, so what
//! goes upstream is always one address made here, never the client's own list.

use std::net::{IpAddr, Ipv4Addr};

use super::Networks;
use crate::message::Fields;

/// Whose forwarding headers are believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    /// Peers in these networks.
    pub networks: Networks,
    /// Peers on a unix socket.
    pub unix: bool,
}

/// The client as rules, limits and logs see it. Only [`ClientAddress::new`]
/// makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress {
    ip: IpAddr,
    is_https: bool,
}

impl ClientAddress {
    /// `peer` is the address after steps 1 and 2, `None` for a unix socket;
    /// `is_tls` says whether the connection itself is TLS.
    pub fn new(
        peer: Option<IpAddr>,
        is_tls: bool,
        fields: &Fields,
        trusted: &TrustedProxies,
    ) -> Self {
        let ip = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ip| ip.to_canonical());
        let is_trusted = match peer {
            Some(ip) => trusted.networks.contains(ip),
            None => trusted.unix,
        };
        if !is_trusted {
            return Self {
                ip,
                is_https: is_tls,
            };
        }
        Self {
            ip: forwarded_for(fields, trusted).unwrap_or(ip),
            is_https: forwarded_proto(fields).unwrap_or(is_tls),
        }
    }

    /// The address, IPv4-mapped IPv6 as IPv4.
    pub fn ip(self) -> IpAddr {
        self.ip
    }

    /// Whether the client itself spoke TLS, as far as trust reaches.
    pub fn is_https(self) -> bool {
        self.is_https
    }
}

/// The rightmost address that no trusted proxy has; if all are trusted, the
/// leftmost. An unreadable element ends the walk: what stands left of it is
/// nobody's word. Empty elements are none (RFC 9110, 5.6.1).
fn forwarded_for(fields: &Fields, trusted: &TrustedProxies) -> Option<IpAddr> {
    let mut best = None;
    let lines = fields.all("x-forwarded-for").rev();
    let elements = lines
        .flat_map(|line| line.rsplit(|&b| b == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty());
    for element in elements {
        // What a client wrote into the line may be of any bytes, and must not
        // hide what a proxy wrote behind it.
        let Some(ip) = parse_element(element) else {
            return best;
        };
        best = Some(ip);
        if !trusted.networks.contains(ip) {
            break;
        }
    }
    best
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn parse_element(element: &[u8]) -> Option<IpAddr> {
    let element = str::from_utf8(element).ok()?.trim();
    if let Ok(ip) = element.parse::<IpAddr>() {
        return Some(ip.to_canonical());
    }
    if let Ok(address) = element.parse::<std::net::SocketAddr>() {
        return Some(address.ip().to_canonical());
    }
    let inner = element.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn forwarded_proto(fields: &Fields) -> Option<bool> {
    let value = fields.all("x-forwarded-proto").next_back()?;
    let last = value.rsplit(|byte| *byte == b',').next()?;
    Some(last.trim_ascii().eq_ignore_ascii_case(b"https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: Option<&str>, forwarded: &[&str]) -> String {
        let mut fields = Fields::default();
        for line in forwarded {
            fields.push("x-forwarded-for", line);
        }
        let trusted = TrustedProxies {
            networks: ["10.0.0.0/8".parse().unwrap()].into_iter().collect(),
            unix: true,
        };
        let peer = peer.map(|p| p.parse().unwrap());
        ClientAddress::new(peer, true, &fields, &trusted)
            .ip()
            .to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(seen(Some("192.0.2.1"), &["6.6.6.6"]), "192.0.2.1");
        assert_eq!(seen(Some("::ffff:192.0.2.1"), &["6.6.6.6"]), "192.0.2.1");
    }

    #[test]
    fn a_trusted_proxy_is_believed_up_to_the_first_stranger() {
        for (lines, client) in [
            (&["198.51.100.7"][..], "198.51.100.7"),
            (&["6.6.6.6, 198.51.100.7"][..], "198.51.100.7"),
            (&["6.6.6.6", "198.51.100.7, 10.0.0.2"][..], "198.51.100.7"),
            (&["198.51.100.7:4711"][..], "198.51.100.7"),
            (&["[2001:db8::1]:443"][..], "2001:db8::1"),
            (&["[2001:db8::1]"][..], "2001:db8::1"),
            (&["10.0.0.9, 10.0.0.2"][..], "10.0.0.9"),
            (&["6.6.6.6, unknown, 10.0.0.2"][..], "10.0.0.2"),
            (&["nonsense"][..], "10.0.0.1"),
            (&["\u{fc}, 198.51.100.7"][..], "198.51.100.7"),
            (&["6.6.6.6", "\u{fc}, 198.51.100.7"][..], "198.51.100.7"),
            (&["6.6.6.6", "\u{fc}"][..], "10.0.0.1"),
            (&["198.51.100.7, "][..], "198.51.100.7"),
            (&["198.51.100.7", ""][..], "198.51.100.7"),
            (&[][..], "10.0.0.1"),
        ] {
            assert_eq!(seen(Some("10.0.0.1"), lines), client, "{lines:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_end_the_walk() {
        let trusted = TrustedProxies {
            networks: ["10.0.0.0/8".parse().unwrap()].into_iter().collect(),
            unix: false,
        };
        let peer = Some("10.0.0.1".parse().unwrap());
        for (last, client) in [
            (&b"\xff, 198.51.100.7"[..], "198.51.100.7"),
            (&b"\xff, 10.0.0.2"[..], "10.0.0.2"),
            (&b"\xff"[..], "10.0.0.1"),
        ] {
            let mut fields = Fields::default();
            fields.push("x-forwarded-for", "6.6.6.6");
            fields.push("x-forwarded-for", last);
            let seen = ClientAddress::new(peer, true, &fields, &trusted);
            assert_eq!(seen.ip().to_string(), client);
        }
    }

    #[test]
    fn a_unix_peer_is_loopback_until_it_says_more() {
        assert_eq!(seen(None, &[]), "127.0.0.1");
        assert_eq!(seen(None, &["198.51.100.7"]), "198.51.100.7");
    }

    #[test]
    fn the_scheme_is_believed_from_trusted_proxies_only() {
        let mut fields = Fields::default();
        fields.push("x-forwarded-proto", "https");
        let trusted = TrustedProxies {
            networks: ["10.0.0.0/8".parse().unwrap()].into_iter().collect(),
            unix: false,
        };
        let https = |peer: &str| {
            let peer = Some(peer.parse().unwrap());
            ClientAddress::new(peer, false, &fields, &trusted).is_https()
        };
        assert!(https("10.0.0.1"));
        assert!(!https("192.0.2.1"));
    }
}
