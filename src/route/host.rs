//! From `Host` and SNI to the site that is meant.

use std::borrow::Cow;

/// The host of a `Host` field or an SNI name, as sites are looked up: lower
/// case, without port, without the dot of the root.
pub fn normalized(host: &str) -> Cow<'_, str> {
    let host = without_port(host);
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return match host.find(']') {
            Some(end) => host.get(..=end).unwrap_or(host),
            None => host,
        };
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_case_and_the_root_dot_do_not_matter() {
        for (host, name) in [
            ("example.com", "example.com"),
            ("Example.COM:8448", "example.com"),
            ("example.com.:443", "example.com"),
            ("[2001:DB8::1]:8448", "[2001:db8::1]"),
            ("[::1]", "[::1]"),
            ("192.0.2.1:1", "192.0.2.1"),
        ] {
            assert_eq!(normalized(host), name);
        }
    }
}
