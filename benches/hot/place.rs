//! Which worker a request goes to: its key, and the choice among workers.

use std::hint::black_box;

use http::Method;
use vestibule::matrix::affinity::{Key, hash_of_name, key_of_target};
use vestibule::matrix::endpoint::classify;
use vestibule::matrix::{credentials, native_localpart, path};
use vestibule::policy::balance::{Candidate, choose};

use super::Hot;

const ROOM: &str = "/_matrix/client/v3/rooms/%21abcdefghijklmnopqr%3Aexample.com/messages?dir=b";
const TOKEN: &[u8] = b"syt_YWxpY2U_abcdefghijklmnopqrst_0AbCdE";
const X_MATRIX: &[u8] = b"X-Matrix origin=\"remote.example.org\",destination=\"example.com\",\
    key=\"ed25519:a_AbCd\",sig=\"AbcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklMNOPQRSTUVWXYZ01234567\"";

pub(super) fn all() -> Vec<Hot> {
    let endpoint = classify(&Method::GET, path::path_of(ROOM.as_bytes()));
    let workers: Vec<Candidate> = (0..8)
        .map(|number| Candidate {
            name: hash_of_name(&format!("generic{number}")),
            load: 10 + number,
        })
        .collect();
    let others = workers.clone();
    vec![
        Hot::new("place/key_of_room", move || {
            black_box(key_of_target(
                black_box(&endpoint),
                black_box(ROOM.as_bytes()),
            ));
        }),
        Hot::new("place/key_of_user", || {
            black_box(native_localpart(black_box(TOKEN)).map(|name| Key::user(&name)));
        }),
        Hot::new("place/credentials", || {
            black_box(credentials(black_box([X_MATRIX])));
        }),
        Hot::new("place/choose_by_key", move || {
            black_box(choose(Some(Key::room(b"!r:x")), black_box(&workers)));
        }),
        Hot::new("place/choose_least", move || {
            black_box(choose(None, black_box(&others)));
        }),
    ]
}
