//! The endpoint lookup.

use std::hint::black_box;

use http::Method;
use vestibule::matrix::endpoint::classify;

use super::Hot;

/// What a homeserver is asked for most.
const USUAL: [(Method, &str); 6] = [
    (Method::GET, "/_matrix/client/v3/sync"),
    (Method::PUT, "/_matrix/federation/v1/send/1795000000042"),
    (
        Method::PUT,
        "/_matrix/client/v3/rooms/!abcdefghijklmnopqr:example.com/send/m.room.message/m1795.1",
    ),
    (
        Method::GET,
        "/_matrix/client/v1/media/thumbnail/example.com/AbCdEfGhIjKlMnOpQrStUvWx",
    ),
    (Method::POST, "/_matrix/client/v3/keys/query"),
    (Method::GET, "/_matrix/client/versions"),
];

/// As deep as the table goes, with a step back on the way.
const DEEP: &str = "/_matrix/client/v1/rooms/!abcdefghijklmnopqr:example.com/relations/\
    $abcdefghijklmnopqrstuvwxyzabcdefghijklmnopq/m.annotation/m.reaction/further";

const UNKNOWN: &str = "/wp-admin/setup-config.php";

pub(super) fn all() -> Vec<Hot> {
    vec![
        Hot::new("endpoint/usual_six", || {
            for (method, path) in &USUAL {
                black_box(classify(black_box(method), black_box(path.as_bytes())));
            }
        }),
        one("endpoint/deepest", DEEP),
        one("endpoint/unknown", UNKNOWN),
    ]
}

fn one(name: &'static str, path: &'static str) -> Hot {
    Hot::new(name, move || {
        black_box(classify(
            black_box(&Method::GET),
            black_box(path.as_bytes()),
        ));
    })
}
