use super::*;
use proptest::prelude::*;

/// Path, below `/_matrix` in every reading.
const MATRIX: &[(&str, bool)] = &[
    // Ordinary paths, encoded and raw
    ("/_matrix", true),
    ("/_matrix/", true),
    ("/_matrix/client/versions", true),
    ("/_matrix/client/v3/rooms/!a:b/send/m.room.message/1", true),
    ("/_matrix/client/v3/rooms/%21a%3Ab/state/m.x/a%2Fb", true),
    ("/_matrix/client/v3/rooms/%21a%3ab/state/m.x/a%2fb", true),
    ("/_matrix/federation/v1/event/$a+b%2Fc=", true),
    ("/_matrix/federation/v1/event/%24a%2Fb", true),
    ("/_matrix/client/v3/directory/room/%23a%2Fb:h", true),
    ("/_matrix/client/v3/directory/room/%23a%252Fb:h", true),
    ("/_matrix/client/v3/rooms/!r/state/m.x/%FF%00", true),
    ("/_matrix/client/v3/rooms/!r/state/m.x/100%", true),
    ("/_matrix/client/v3/rooms/!r/state/m.x/%zz%2", true),
    ("/_matrix/client/v3/room_keys/keys/!r/a%2Fb%2Fc", true),
    ("/_matrix/client/v3/rooms/!r/state/m.x/a;b=c", true),
    ("/_matrix/client/v3/rooms/!r/state/m.x/a\\b", true),
    ("/_matrix/client/v3/rooms/!r/state/m.x/v1..2", true),
    ("/_matrix/client/v3/rooms/!r/state/m.x/...", true),
    ("/_matrix/client/v3/rooms/!r/state/m.x/..a", true),
    // Dots and double slashes that stay inside are not ours to judge
    ("/_matrix/client/v3/echo/a/../b", true),
    ("/_matrix/client/v3/echo/a/./b", true),
    ("/_matrix/client/v3/echo/%2e%2e/b", true),
    ("/_matrix/client/v3/echo/%2E%2E/b", true),
    ("/_matrix/client/v3/echo/.%2e/b", true),
    ("/_matrix/client/v3/echo/%252e%252e/b", true),
    ("/_matrix/client/v3/echo//a", true),
    ("/_matrix//client", true),
    ("/_matrix/./client", true),
    ("/_matrix/client/v3/a/..%2f..%2fb", true),
    ("/_matrix/client/v3/a/..;/b", true),
    ("/_matrix/client/..", true),
    ("/_matrix/a/b/../..", true),
    // Out by plain dots
    ("/_matrix/..", false),
    ("/_matrix/../", false),
    ("/_matrix/../_synapse/admin/v1/server_version", false),
    ("/_matrix/./../_synapse/admin", false),
    ("/_matrix/client/../../_synapse/admin", false),
    ("/_matrix/a/b/../../../_synapse/admin", false),
    ("/_matrix/../../../../etc/passwd", false),
    ("/_matrix/../../_matrix/client", false),
    // Out by encoded dots or slashes
    ("/_matrix/%2e%2e/_synapse/admin", false),
    ("/_matrix/%2E%2E/_synapse/admin", false),
    ("/_matrix/.%2e/_synapse/admin", false),
    ("/_matrix/%2e./_synapse/admin", false),
    ("/_matrix/..%2F_synapse%2Fadmin", false),
    ("/_matrix/..%2fx", false),
    ("/_matrix/%2e%2e%2f_synapse%2fadmin", false),
    ("/_matrix/client%2f..%2f..%2f_synapse/admin", false),
    ("/_matrix/client/..%2f..%2f..%2fx", false),
    // Out by encoding twice
    ("/_matrix/%252e%252e/_synapse/admin", false),
    ("/_matrix/%25%32%65%252e/_synapse/admin", false),
    ("/_matrix/..%252f_synapse/admin", false),
    ("/_matrix/%252e%252e%252f_synapse/admin", false),
    ("/_matrix/%2%65%2%65/_synapse", false),
    // Out by parameters
    ("/_matrix/..;/_synapse/admin", false),
    ("/_matrix/..;x=y/_synapse/admin", false),
    ("/_matrix/..%3b/_synapse/admin", false),
    ("/_matrix/%2e%2e;/_synapse/admin", false),
    ("/_matrix/..%253bx/_synapse/admin", false),
    // Out by backslashes
    ("/_matrix/..\\_synapse\\admin", false),
    ("/_matrix\\..\\_synapse", false),
    ("/_matrix/%5c..%5c..%5c_synapse", false),
    ("/_matrix/..%5c_synapse/admin", false),
    ("/_matrix/..%255c_synapse/admin", false),
    ("/_matrix/a\\..\\..\\x", false),
    // Out only where empty segments are dropped, or only where they are not
    ("/_matrix/a//../../x", false),
    ("/_matrix//../_synapse", false),
    ("/_matrix//../../_synapse", false),
    // Out only where a decoded slash does not separate
    ("/_matrix/a%2Fb/%2e%2e/%2e%2e/x", false),
    ("/_matrix/a%252Fb/../../x", false),
    // Out only where a parameter hides an encoded slash
    ("/_matrix/;%2fa/../x", false),
    ("/_matrix/.;/../x", false),
    // Out and in again
    ("/_matrix/../_matrix/client", false),
    // No prefix on raw bytes
    ("/_matrixfoo", false),
    ("/_matrix;x/client", false),
    ("/_matrix%2fclient", false),
    ("/_matri%78/client", false),
    ("/%5fmatrix/client", false),
    ("/_MATRIX/client", false),
    ("//_matrix/client", false),
    ("/./_matrix/client", false),
    ("/x/../_matrix/client", false),
    ("_matrix/client", false),
    ("/", false),
    ("", false),
];

const SYNAPSE_CLIENT: &[(&str, bool)] = &[
    ("/_synapse/client", true),
    ("/_synapse/client/pick_idp", true),
    ("/_synapse/client/oidc/callback", true),
    ("/_synapse/clientX/mas/query_user", false),
    ("/_synapse/client../mas/query_user", false),
    ("/_synapse/client%2f../mas/query_user", false),
    ("/_synapse/client;/mas/query_user", false),
    ("/_synapse/client/../mas/query_user", false),
    ("/_synapse/client/..%2fmas/query_user", false),
    ("/_synapse/client/%2e%2e/admin", false),
    ("/_synapse/client/x/../../../_synapse/client", false),
    ("/_synapse/admin/v1/users/..%2f..%2f..%2fclient/x", false),
    ("/_synapse/%6das/query_user", false),
    ("//_synapse/mas/query_user", false),
];

#[test]
fn a_path_is_below_a_prefix_only_if_no_reading_climbs_out() {
    for (prefix, cases) in [("/_matrix", MATRIX), ("/_synapse/client", SYNAPSE_CLIENT)] {
        for (path, expected) in cases {
            assert_eq!(is_below(path.as_bytes(), prefix), *expected, "{path}");
        }
    }
}

#[test]
fn the_empty_prefix_is_left_only_above_the_root() {
    assert!(is_below(b"/a/../b", ""));
    assert!(is_below(b"/", ""));
    assert!(!is_below(b"/../b", ""));
    assert!(!is_below(b"/a/..%2f../b", ""));
}

#[test]
fn the_path_ends_at_the_first_question_mark() {
    for (target, path) in [
        ("/a", "/a"),
        ("/a?", "/a"),
        ("/a?b?c", "/a"),
        ("/a%3Fb?c", "/a%3Fb"),
        ("?", ""),
        ("", ""),
    ] {
        assert_eq!(path_of(target.as_bytes()), path.as_bytes(), "{target}");
    }
}

proptest! {
    /// Whatever a chain of hops makes of a path that we let through is below the prefix.
    #[test]
    fn a_path_that_is_let_through_stays_below_in_every_reading(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "/", "/", "/", "..", "..", ".", "%2e", "%2E", "%2f", "%252e", "%252f", "%5c", "\\",
                ";", "%3b", "%253b", "a", "a", "%", "25", "2", "e", "%32", "%65",
            ]),
            0..12,
        ),
    ) {
        let path = format!("/_matrix/{}", pieces.concat());
        if is_below(path.as_bytes(), "/_matrix") {
            for resolved in readings(path.as_bytes()) {
                prop_assert!(resolved.is_some_and(|r| r.starts_with(&[b"_matrix".to_vec()])), "{path}");
            }
        }
    }

    #[test]
    fn any_bytes_are_judged(path in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = is_below(&path, "");
        let _ = is_below(&[b"/_matrix/", &path[..]].concat(), "/_matrix");
    }
}

/// The resolved segments of a path in every mixture of the readings, `None`
/// where one climbs above the root: slow and plain, to judge [`is_below`].
fn readings(path: &[u8]) -> Vec<Option<Vec<Vec<u8>>>> {
    let mut all = Vec::new();
    for (of_path, of_segment) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)] {
        for bits in 0..16u8 {
            let decoded = decoded(path, of_path);
            all.push(resolve(&decoded, of_segment, bits));
        }
    }
    all
}

fn decoded(bytes: &[u8], times: usize) -> Vec<u8> {
    (0..times).fold(bytes.to_vec(), |bytes, _| decode(&bytes).into_owned())
}

fn resolve(path: &[u8], decodings: usize, bits: u8) -> Option<Vec<Vec<u8>>> {
    let [drops_before, drops_after, backslash, drops_empty] = [1, 2, 4, 8].map(|b| bits & b != 0);
    let mut resolved = Vec::new();
    for segment in path
        .split(|&b| b == b'/' || (backslash && b == b'\\'))
        .skip(1)
    {
        let segment = if drops_before {
            without_parameters(segment)
        } else {
            segment
        };
        let decoded = decoded(segment, decodings);
        let segment = if drops_after {
            without_parameters(&decoded)
        } else {
            &decoded
        };
        match segment {
            b"." => {}
            b"" if drops_empty => {}
            b".." => drop(resolved.pop()?),
            _ => resolved.push(segment.to_vec()),
        }
    }
    Some(resolved)
}
