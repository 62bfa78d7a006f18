//! What may stand in a `Host` field: a name or an address, and perhaps a port.

use std::net::Ipv6Addr;

/// Longest host name that DNS can carry, in characters.
const LONGEST_NAME: usize = 255;

/// Whether `value` is `uri-host [":" port]` as a front door needs it: letters, digits, `-`, `.`,
/// `_` and `~`, or an IPv6 address in brackets. Percent-encoding, sub-delimiters, user names and
/// empty ports are refused: no client sends them, and servers disagree on what they mean.
pub(super) fn is_valid(value: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(value) else {
        return false;
    };
    let (host, port) = if text.starts_with('[') {
        let Some((host, port)) = text.split_once(']') else {
            return false;
        };
        let address = host.get(1..).unwrap_or_default();
        if address.parse::<Ipv6Addr>().is_err() {
            return false;
        }
        match port.strip_prefix(':') {
            Some(port) => (None, Some(port)),
            None if port.is_empty() => (None, None),
            None => return false,
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        }
    };
    host.is_none_or(is_name) && port.is_none_or(is_port)
}

fn is_name(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_allowed)
}

fn is_port(port: &str) -> bool {
    port.len() <= 5
        && port.bytes().all(|b| b.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|p| p != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_names_and_addresses_with_ports() {
        for host in [
            "a",
            "a.b.",
            "A-1.example:8448",
            "1.2.3.4",
            "1.2.3.4:1",
            "[::1]",
            "[2001:db8::1]:65535",
            "my_container:8008",
        ] {
            assert!(is_valid(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for host in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:123456",
            "a:-1",
            "a:+1",
            "a:8 0",
            "a b",
            "a,b",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "a@b",
            "a%41",
            "a!b",
            "a:1:2",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:",
            "[1.2.3.4]",
            "[v1.a]",
            "[]",
            "a\u{e9}",
        ] {
            assert!(!is_valid(host.as_bytes()), "{host}");
        }
        assert!(!is_valid("a".repeat(256).as_bytes()));
        assert!(!is_valid(b"a\xff"));
    }
}
