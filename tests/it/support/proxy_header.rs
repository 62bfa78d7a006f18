//! PROXY protocol headers, version 1 and 2.

use std::net::{SocketAddr, SocketAddrV4};

/// Version 1, for a connection from `source` to `destination`.
pub(crate) fn v1(source: &str, destination: &str) -> Vec<u8> {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    let (source, destination) = (address(source), address(destination));
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    let (from_port, to_port) = (source.port(), destination.port());
    format!("PROXY {family} {from} {to} {from_port} {to_port}\r\n").into_bytes()
}

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2, for an IPv4 connection.
pub(crate) fn v2(source: &str, destination: &str) -> Vec<u8> {
    let (source, destination) = (parse(source), parse(destination));
    let mut bytes = [SIGNATURE, &[0x21, 0x11, 0, 12]].concat();
    for address in [source, destination] {
        bytes.extend(address.ip().octets());
    }
    for address in [source, destination] {
        bytes.extend(address.port().to_be_bytes());
    }
    bytes
}

/// Version 2 `LOCAL`: the balancer itself, a health check.
pub(crate) fn v2_local() -> Vec<u8> {
    [SIGNATURE, &[0x20, 0x00, 0, 0]].concat()
}

fn parse(address: &str) -> SocketAddrV4 {
    address.parse().unwrap()
}
