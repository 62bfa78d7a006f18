//! What keeps requests that belong together on one worker, as a number.
//!
//! Every replica and every release has to make the same number of the same
//! text, or a restart would move every user: SipHash-1-3 under fixed keys, over
//! bytes, with a key of its own for each kind of thing.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use siphasher::sip::SipHasher13;

use super::ServerName;
use super::endpoint::Endpoint;
use super::path::path_of;
use super::worker::Affinity;

/// Stands for a user, a room or the like when workers are chosen.
///
/// It tells nothing of what it stands for, and two things may share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u64);

/// The first half of the hash's key. The numbers never change.
#[derive(Clone, Copy)]
#[repr(u64)]
enum Kind {
    User = 1,
    Token = 2,
    Room = 3,
    Origin = 4,
    Media = 5,
    Target = 6,
    Worker = 7,
    Turn = 8,
}

/// The second half: `vestibul` in ASCII.
const PROGRAM: u64 = 0x7665_7374_6962_756c;

impl Key {
    /// For a user of the homeserver: the localpart, without `@` and server name,
    /// so that a token that holds it and an answer of `whoami` agree.
    pub fn user(localpart: &[u8]) -> Self {
        Self::new(Kind::User, localpart)
    }

    /// For an access token whose user is unknown: one device, until it refreshes.
    pub fn token(token: &[u8]) -> Self {
        Self::new(Kind::Token, token)
    }

    /// For a room id or alias, as a segment of a path spells it.
    ///
    /// The segment is decoded once, as Synapse does, so every spelling of an id
    /// gives the same key. Ids of room version 12 have no server name; nothing
    /// here looks for one. An alias gives another key than the room it stands for.
    pub fn room(segment: &[u8]) -> Self {
        Self::new(Kind::Room, &decode(segment))
    }

    /// For a media id, as a segment of a path spells it.
    pub fn media(segment: &[u8]) -> Self {
        Self::new(Kind::Media, &decode(segment))
    }

    /// For a server that sends.
    pub fn origin(server: &ServerName) -> Self {
        Self::new(Kind::Origin, server.as_str().as_bytes())
    }

    /// For a whole target, path and query as they came.
    pub fn target(target: &[u8]) -> Self {
        Self::new(Kind::Target, target)
    }

    /// For one of many requests that have nothing in common.
    pub fn turn(number: u64) -> Self {
        Self::new(Kind::Turn, &number.to_le_bytes())
    }

    /// How well the worker of this [`hash_of_name`] suits what the key stands
    /// for: as good as random, and the same for ever.
    pub fn weight(self, worker: u64) -> u64 {
        SipHasher13::new_with_keys(self.0, worker).hash(&[])
    }

    fn new(kind: Kind, text: &[u8]) -> Self {
        Self(hash(kind, text))
    }
}

/// What a worker is known by among the others: its name is all that replicas
/// and releases agree on.
pub fn hash_of_name(name: &str) -> u64 {
    hash(Kind::Worker, name.as_bytes())
}

fn hash(kind: Kind, text: &[u8]) -> u64 {
    SipHasher13::new_with_keys(kind as u64, PROGRAM).hash(text)
}

/// The key that the target of a request gives: for affinity by room, media id
/// and target.
///
/// `None` where the affinity is another, or the id is empty. Who the user or
/// the sending server is stands in the headers ([`access_token`](fn@super::access_token),
/// [`super::credentials`](fn@super::credentials)).
pub fn key_of_target(endpoint: &Endpoint, target: &[u8]) -> Option<Key> {
    let key = match endpoint.affinity {
        Affinity::Room => Key::room,
        Affinity::Media => Key::media,
        Affinity::Target => return Some(Key::target(target)),
        Affinity::None | Affinity::User | Affinity::Origin => return None,
    };
    let at = usize::from(endpoint.key_segment?);
    let segment = path_of(target).split(|&b| b == b'/').nth(at + 1)?;
    (!segment.is_empty()).then(|| key(segment))
}

fn decode(segment: &[u8]) -> Cow<'_, [u8]> {
    percent_decode(segment).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::endpoint::classify;
    use http::Method;
    use std::collections::HashSet;

    fn key(method: &Method, target: &str) -> Option<Key> {
        let endpoint = classify(method, path_of(target.as_bytes()));
        key_of_target(&endpoint, target.as_bytes())
    }

    /// Another release or machine that finds other numbers here moves every user.
    /// They come from a SipHash-1-3 that was written for this purpose alone.
    #[test]
    fn keys_never_change() {
        let server: ServerName = "Example.org:8448".parse().unwrap();
        for (key, expected) in [
            (Key::user(b"alice"), 0x55fc_e4e2_8f8b_6546),
            (Key::token(b"alice"), 0x66bb_524e_bf8c_04ee),
            (Key::room(b"!r:example.org"), 0x3dac_26d7_417a_76e9),
            (Key::media(b"AbCd"), 0xcb2e_3999_813f_1524),
            (Key::origin(&server), 0x8ab8_2a37_e092_a451),
            (Key::target(b"/a?b"), 0xe450_9e87_6091_5d70),
            (Key::turn(1), 0x607e_9c64_cf5f_21aa),
        ] {
            assert_eq!(key.0, expected, "{key:x?}");
        }
        let worker = hash_of_name("sync-1");
        assert_eq!(worker, 0xfa0a_3c9c_cc53_cf93);
        assert_eq!(Key::user(b"alice").weight(worker), 0x29e4_7da9_7728_d5c9);
    }

    #[test]
    fn the_same_text_gives_another_key_for_each_kind() {
        let server: ServerName = "a".parse().unwrap();
        let keys = [
            Key::user(b"a"),
            Key::token(b"a"),
            Key::room(b"a"),
            Key::media(b"a"),
            Key::origin(&server),
            Key::target(b"a"),
            Key(hash_of_name("a")),
            Key::turn(u64::from(b'a')),
        ];
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
    }

    #[test]
    fn every_spelling_of_a_room_is_the_same_room() {
        let paths = [
            "/_matrix/client/v3/rooms/!r:h.example/messages?dir=b",
            "/_matrix/client/v3/rooms/!r%3Ah.example/messages?dir=f",
            "/_matrix/client/v3/rooms/!r%3ah.example/members",
            "/_matrix/client/v3/rooms/%21r%3Ah.example/members",
            "/_matrix/client/r0/rooms/%21%72:h.example/state",
            "/_matrix/client/api/v1/rooms/!r:h.example/state",
            "/_matrix/client/v1/rooms/!r:h.example/hierarchy",
            "/_matrix/client/v1/room_summary/!r:h.example",
            "/_matrix/federation/v1/make_join/!r:h.example/@u:x",
            "/_matrix/federation/v1/state/%21r:h.example/?event_id=x",
        ];
        let expected = Some(Key::room(b"!r:h.example"));
        for path in paths {
            assert_eq!(key(&Method::GET, path), expected, "{path}");
        }
        let join = "/_matrix/client/v3/join/%21r:h.example?server_name=x";
        assert_eq!(key(&Method::POST, join), expected);
    }

    #[test]
    fn rooms_differ_by_any_byte_of_the_decoded_segment() {
        let segments = [
            "!r:h",
            "!R:h",
            "!r:h:8448",
            "!r%253Ah",
            "!r%2Fh",
            "!r",
            "!OGEhHVWSdvArJzumhm",
            "#r:h",
            "%00",
            "%FF",
            "%",
        ];
        let keys: HashSet<_> = segments
            .iter()
            .map(|s| key(&Method::POST, &format!("/_matrix/client/v3/join/{s}")).unwrap())
            .collect();
        assert_eq!(keys.len(), segments.len());
    }

    #[test]
    fn media_is_known_by_its_id_whoever_asks_for_it() {
        let expected = Some(Key::media(b"AbC"));
        for path in [
            "/_matrix/client/v1/media/download/h.example/AbC",
            "/_matrix/client/v1/media/download/h.example/AbC/cat.png",
            "/_matrix/client/v1/media/thumbnail/h.example/A%62C?width=1",
            "/_matrix/media/r0/download/h.example/AbC",
            "/_matrix/federation/v1/media/download/AbC",
            "/_matrix/federation/v1/media/thumbnail/AbC?width=1",
        ] {
            assert_eq!(key(&Method::GET, path), expected, "{path}");
        }
        let upload = "/_matrix/media/v3/upload/h.example/AbC";
        assert_eq!(key(&Method::PUT, upload), expected);
    }

    #[test]
    fn a_target_counts_as_a_whole() {
        let one = "/_matrix/federation/v1/state_ids/!r:h?event_id=%241";
        let two = "/_matrix/federation/v1/state_ids/!r:h?event_id=%242";
        assert_eq!(key(&Method::GET, one), Some(Key::target(one.as_bytes())));
        assert_ne!(key(&Method::GET, one), key(&Method::GET, two));
    }

    #[test]
    fn nothing_in_the_target_tells_the_user_or_the_server() {
        for (method, target) in [
            (Method::GET, "/_matrix/client/v3/sync?since=s1"),
            (Method::PUT, "/_matrix/federation/v1/send/1"),
            (Method::GET, "/_matrix/client/versions"),
            (Method::POST, "/_matrix/client/v3/join/"),
            (Method::GET, "/_matrix/client/v3/rooms//messages"),
            (Method::GET, ""),
        ] {
            assert_eq!(key(&method, target), None, "{target}");
        }
    }
}
