//! Which syncs begin from nothing.
//!
//! They take Synapse seconds to minutes, so they have workers of their own
//! ([`Group::InitialSynchrotron`]) where those who continue do not wait behind
//! them. Whether one continues is in the query, which is read here exactly as
//! Twisted and Synapse read it: a name that Synapse does not recognise does not
//! make a request cheap.
//!
//! `/events` without `from` is not one of them, though Synapse's documentation
//! sends it along: it begins at the present and computes nothing
//! (`Notifier.get_events_for`).
//!
//! Source: `parse_qs` of `twisted/web/http.py` 26.10, `parse_string_from_args`
//! and `parse_boolean_from_args` of `synapse/http/servlet.py`, and
//! `synapse/rest/client/sync.py` 1.163.

use super::endpoint::Endpoint;
use super::query::values;
use super::worker::Group;

/// What in the query of a sync tells that it continues an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// `/sync`: `since`, unless `full_state=true` asks for everything again.
    Since,
    /// Simplified sliding sync: `pos`.
    Pos,
}

/// Whether the request computes everything from nothing.
///
/// `query` is what follows the `?` of the target, undecoded; empty where there
/// is none. A parameter that is there but empty is not a beginning: Synapse
/// refuses it, which is cheap.
pub fn is_initial(endpoint: &Endpoint, query: &[u8]) -> bool {
    match endpoint.split {
        Some(Split::Since) => {
            values(query, "since").next().is_none()
                || values(query, "full_state").next().as_deref() == Some(b"true")
        }
        Some(Split::Pos) => values(query, "pos").next().is_none(),
        None => endpoint.group == Group::InitialSynchrotron,
    }
}

/// The group that answers the request.
pub fn group_of(endpoint: &Endpoint, query: &[u8]) -> Group {
    if is_initial(endpoint, query) {
        Group::InitialSynchrotron
    } else {
        endpoint.group
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::endpoint::classify;
    use http::Method;

    const SLIDING: &str = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";

    #[test]
    fn a_sync_is_initial_where_synapse_finds_nothing_to_continue() {
        for (query, expected) in [
            ("", true),
            ("timeout=30000", true),
            ("since=s1_2", false),
            ("timeout=0&since=s1_2", false),
            ("timeout=0;since=s1_2", false),
            ("%73ince=s1", false),
            ("si%6Ece=s1", false),
            ("since=s1&full_state=true", true),
            ("since=s1&full_state=%74rue", true),
            ("since=s1&full_state=false", false),
            ("since=s1&full_state=True", false),
            ("since=s1&full_state=false&full_state=true", false),
            ("since=s1&full_state=true&full_state=false", true),
            ("full_state=false&since=s1&since=", false),
            // Refused, or not the parameter
            ("since=", false),
            ("since", true),
            ("Since=s1", true),
            ("since+=s1", true),
            ("+since=s1", true),
            ("xsince=s1", true),
            ("since%=s1", true),
            ("a=since=s1", true),
            ("?since=s1", true),
            ("%26since=s1", true),
            ("from=s1", true),
            ("pos=1", true),
        ] {
            let sync = classify(&Method::GET, b"/_matrix/client/v3/sync");
            assert_eq!(is_initial(&sync, query.as_bytes()), expected, "{query}");
            let group = if expected {
                Group::InitialSynchrotron
            } else {
                Group::Synchrotron
            };
            assert_eq!(group_of(&sync, query.as_bytes()), group, "{query}");
        }
    }

    #[test]
    fn sliding_sync_continues_by_its_position() {
        let sync = classify(&Method::POST, SLIDING.as_bytes());
        for (query, expected) in [
            ("", true),
            ("timeout=1&since=s1", true),
            ("pos=5/s1", false),
            ("pos=", false),
            ("p%6fs=5", false),
        ] {
            assert_eq!(is_initial(&sync, query.as_bytes()), expected, "{query}");
        }
        assert_eq!(group_of(&sync, b"pos=5"), Group::SlidingSync);
    }

    #[test]
    fn other_requests_are_what_the_table_says_whatever_the_query() {
        for (path, group) in [
            ("/_matrix/client/r0/events", Group::Synchrotron),
            ("/_matrix/client/v3/initialSync", Group::InitialSynchrotron),
            (
                "/_matrix/client/v3/rooms/!r/initialSync",
                Group::InitialSynchrotron,
            ),
            ("/_matrix/client/versions", Group::ClientReader),
        ] {
            let found = classify(&Method::GET, path.as_bytes());
            for query in ["", "from=s1&since=s1&pos=1&full_state=true"] {
                assert_eq!(group_of(&found, query.as_bytes()), group, "{path}?{query}");
            }
        }
    }
}
