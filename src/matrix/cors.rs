//! CORS headers, as Synapse 1.163 sends them.
//!
//! Client-server API, "Web Browser Clients". Responses of the upstream carry
//! their own: a second `Access-Control-Allow-Origin` breaks browsers, so these
//! are only for what Vestibule answers itself.

const ALLOW_ORIGIN: (&str, &str) = ("access-control-allow-origin", "*");
const ALLOW_METHODS: (&str, &str) = (
    "access-control-allow-methods",
    "GET, HEAD, POST, PUT, DELETE, OPTIONS",
);
const ALLOW_HEADERS: (&str, &str) = (
    "access-control-allow-headers",
    "X-Requested-With, Content-Type, Authorization, Date",
);

/// For a preflight, answered 204 whatever the path is.
pub const PREFLIGHT: &[(&str, &str)] = &[
    ALLOW_ORIGIN,
    ALLOW_METHODS,
    ALLOW_HEADERS,
    ("access-control-expose-headers", "Synapse-Trace-Id, Server"),
];

/// For a preflight on the rendezvous sessions of MSC4108, which work with entity tags.
pub const RENDEZVOUS_PREFLIGHT: &[(&str, &str)] = &[
    ALLOW_ORIGIN,
    ALLOW_METHODS,
    (
        "access-control-allow-headers",
        "Content-Type, If-Match, If-None-Match",
    ),
    (
        "access-control-expose-headers",
        "Synapse-Trace-Id, Server, ETag",
    ),
];

/// For errors and documents of our own: the three headers that the
/// specification wants on every response, and `Retry-After` made readable.
pub const REPLY: &[(&str, &str)] = &[
    ALLOW_ORIGIN,
    ALLOW_METHODS,
    ALLOW_HEADERS,
    ("access-control-expose-headers", "Retry-After"),
];

/// The headers for a preflight on `path`, the raw path without the query.
pub fn preflight(path: &[u8]) -> &'static [(&'static str, &'static str)] {
    let is_rendezvous = path == b"/_matrix/client/unstable/org.matrix.msc4108/rendezvous"
        || path.starts_with(b"/_synapse/client/rendezvous");
    if is_rendezvous {
        RENDEZVOUS_PREFLIGHT
    } else {
        PREFLIGHT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rendezvous_paths_allow_entity_tags() {
        for (path, expected) in [
            ("/_matrix/client/v3/login", PREFLIGHT),
            (
                "/_matrix/client/unstable/org.matrix.msc4108/rendezvous",
                RENDEZVOUS_PREFLIGHT,
            ),
            (
                "/_matrix/client/unstable/org.matrix.msc4108/rendezvous/x",
                PREFLIGHT,
            ),
            ("/_synapse/client/rendezvous/abc", RENDEZVOUS_PREFLIGHT),
            (
                "/_matrix/client/unstable/io.element.msc4388/rendezvous",
                PREFLIGHT,
            ),
        ] {
            assert_eq!(preflight(path.as_bytes()), expected, "{path}");
        }
    }

    #[test]
    fn each_set_names_each_header_once_and_allows_any_origin() {
        for set in [PREFLIGHT, RENDEZVOUS_PREFLIGHT, REPLY] {
            let mut names: Vec<_> = set.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), set.len());
            assert!(set.contains(&("access-control-allow-origin", "*")));
            assert!(
                set.iter()
                    .all(|(name, _)| *name == name.to_ascii_lowercase())
            );
        }
    }
}
