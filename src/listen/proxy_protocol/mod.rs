//! The PROXY protocol, versions 1 and 2: which client a load balancer speaks for.
//!
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>. The crate
//! `ppp` reads the addresses; where a header ends is found here, because only
//! a whole header may be given to it: it takes some truncated ones for wrong.

use std::net::{IpAddr, SocketAddr};

use ppp::{v1, v2};

/// A header of version 1 with its line end is never longer (section 2.1).
pub const V1_LENGTH_MAX: usize = 107;

/// The longest header of version 2 that is read: room for certificates and
/// host names as attributes, yet no memory for whoever declares 64 KiB.
pub const V2_LENGTH_MAX: usize = 2048;

/// What every header of version 1 begins with.
const V1_PREFIX: &[u8] = b"PROXY ";

/// Signature, version and command, family and protocol, length.
const V2_FIXED_LENGTH: usize = 16;

/// What the first bytes of a connection turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a header: read more, then parse again from the start.
    Incomplete,
    /// A header.
    Header {
        /// How many bytes it takes; what follows belongs to the connection.
        length: usize,
        /// The client; `None` where the sender speaks for itself (`LOCAL`,
        /// `UNKNOWN`) or the client has no IP address, and the peer address
        /// of the connection holds.
        source: Option<SocketAddr>,
    },
    /// No header, and more bytes will not make it one.
    Invalid(&'static str),
}

/// Reads a header at the start of `input`.
///
/// Answers [`Parsed::Incomplete`] only for fewer than [`V2_LENGTH_MAX`] bytes,
/// so a buffer of that size always comes to a verdict.
pub fn parse(input: &[u8]) -> Parsed {
    if begins_alike(input, v2::PROTOCOL_PREFIX) {
        parse_v2(input)
    } else if begins_alike(input, V1_PREFIX) {
        parse_v1(input)
    } else {
        Parsed::Invalid("no PROXY header")
    }
}

/// Whether one is the beginning of the other.
fn begins_alike(input: &[u8], prefix: &[u8]) -> bool {
    input.iter().zip(prefix).all(|(a, b)| a == b)
}

fn parse_v1(input: &[u8]) -> Parsed {
    let bounded = input.get(..V1_LENGTH_MAX).unwrap_or(input);
    let Some(end) = bounded.iter().position(|b| matches!(b, b'\r' | b'\n')) else {
        return match bounded.len() {
            V1_LENGTH_MAX => Parsed::Invalid("line longer than 107 bytes"),
            _ => Parsed::Incomplete,
        };
    };
    let length = end + 2;
    match bounded.get(end..length) {
        Some(b"\r\n") => {}
        None if bounded.get(end) == Some(&b'\r') && length <= V1_LENGTH_MAX => {
            return Parsed::Incomplete;
        }
        _ => return Parsed::Invalid("line does not end in CR LF"),
    }
    let (line, body) = (bounded.get(..length), bounded.get(V1_PREFIX.len()..end));
    let (Some(line), Some(body)) = (line, body) else {
        return Parsed::Invalid("line without a protocol");
    };
    // After UNKNOWN anything may stand up to the line end (section 2.1).
    if body == b"UNKNOWN" || body.starts_with(b"UNKNOWN ") {
        return Parsed::Header {
            length,
            source: None,
        };
    }
    let is_address_byte = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b' ' | b'.' | b':');
    match body.strip_prefix(b"TCP") {
        Some(rest) if rest.iter().all(is_address_byte) => {}
        Some(_) => return Parsed::Invalid("malformed address"),
        None => return Parsed::Invalid("unknown protocol"),
    }
    let (address, port): (IpAddr, _) = match v1::Header::try_from(line).map(|h| h.addresses) {
        Ok(v1::Addresses::Tcp4(a)) => (a.source_address.into(), a.source_port),
        Ok(v1::Addresses::Tcp6(a)) => (a.source_address.into(), a.source_port),
        Ok(v1::Addresses::Unknown) | Err(_) => return Parsed::Invalid("malformed address"),
    };
    let source = Some(client(address, port));
    Parsed::Header { length, source }
}

fn parse_v2(input: &[u8]) -> Parsed {
    let Some(&[version_command, _, high, low]) = input
        .get(v2::PROTOCOL_PREFIX.len()..V2_FIXED_LENGTH)
        .and_then(|fixed| fixed.first_chunk())
    else {
        return Parsed::Incomplete;
    };
    let length = V2_FIXED_LENGTH + usize::from(u16::from_be_bytes([high, low]));
    if length > V2_LENGTH_MAX {
        return Parsed::Invalid("header longer than 2048 bytes");
    }
    let is_local = match version_command {
        0x20 => true,
        0x21 => false,
        _ => return Parsed::Invalid("unknown version or command"),
    };
    let Some(header) = input.get(..length) else {
        return Parsed::Incomplete;
    };
    // Of LOCAL, family and addresses must be ignored, whatever they say (section 2.2).
    if is_local {
        return Parsed::Header {
            length,
            source: None,
        };
    }
    let Ok(header) = v2::Header::try_from(header) else {
        return Parsed::Invalid("malformed address");
    };
    let source = match (header.protocol, header.addresses) {
        (v2::Protocol::Stream, v2::Addresses::IPv4(a)) => {
            Some(client(a.source_address.into(), a.source_port))
        }
        (v2::Protocol::Stream, v2::Addresses::IPv6(a)) => {
            Some(client(a.source_address.into(), a.source_port))
        }
        // A datagram's sender is no client of a TCP connection.
        (v2::Protocol::Datagram | v2::Protocol::Unspecified, _)
        | (_, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => None,
    };
    Parsed::Header { length, source }
}

/// An IPv6-mapped IPv4 address becomes IPv4, so that one client has one address.
fn client(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.to_canonical(), port)
}

#[cfg(test)]
mod tests;
