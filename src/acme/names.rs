//! Which names a public authority can sign for at all.

use std::net::IpAddr;

use crate::listen::certificates::CertificateName;

/// Ends of names that belong to nobody (RFC 6761, RFC 6762, RFC 7686, RFC 8375, and ICANN for
/// `internal`).
const RESERVED: [&str; 9] = [
    "localhost",
    "local",
    "internal",
    "test",
    "example",
    "invalid",
    "onion",
    "alt",
    "home.arpa",
];

/// Whether the name can belong to somebody on the public internet. To ask for others would only
/// use up what an authority allows.
pub(super) fn is_public(name: &CertificateName) -> bool {
    match name {
        CertificateName::Dns(name) => {
            let is_below = |end: &str| {
                name.strip_suffix(end)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            };
            name.contains('.') && !RESERVED.iter().any(|end| is_below(end))
        }
        // No challenge that we answer proves one.
        CertificateName::Wildcard(_) => false,
        CertificateName::Ip(IpAddr::V4(v4)) => {
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast())
        }
        // Global unicast is 2000::/3 so far (RFC 4291, 2.4).
        CertificateName::Ip(IpAddr::V6(v6)) => {
            let [first, second, ..] = v6.segments();
            first & 0xe000 == 0x2000 && (first, second) != (0x2001, 0x0db8)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_internet_knows_is_public() {
        for (name, expected) in [
            ("example.com", true),
            ("matrix.example.co.uk", true),
            ("contest", false),
            ("fastest.org", true),
            ("matrix.test", false),
            ("a.b.home.arpa", false),
            ("localhost", false),
            ("synapse", false),
            ("*.example.com", false),
            ("8.8.8.8", true),
            ("10.0.0.1", false),
            ("127.0.0.1", false),
            ("2a00:1450::1", true),
            ("2001:db8::1", false),
            ("::1", false),
            ("fd00::1", false),
        ] {
            assert_eq!(is_public(&name.parse().unwrap()), expected, "{name}");
        }
    }
}
