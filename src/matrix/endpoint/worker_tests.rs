//! Which workers answer: the table against Synapse's code and against its documentation.

use super::oracle::{SAMPLE, Sample, specification, spellings, synapse, synapse_workers};
use super::*;
use std::collections::BTreeSet;

/// Patterns and the group that answers what they match.
///
/// `**` stands for any number of segments, `*` for one, `(a|b)` for each of them, `A` and `R` for
/// the versions with and without `api/v1`. `GET ` before a pattern: for this method only, `!GET `:
/// for all others. The first pattern that matches counts.
type Patterns = &'static [(Group, &'static [&'static str])];

/// Where the table says something else than the documentation, and why.
#[rustfmt::skip]
const OTHERWISE: Patterns = &[
    // It makes events, as the rest of this group does; the documentation has it among the reads.
    (Group::EventCreator, &["/_matrix/client/A/createRoom/**"]),
    // They write the stream too (`_insert_quarantine_changes_txn` asserts it), and only one path is documented.
    (Group::QuarantinedMediaChanges, &["/_synapse/admin/v1/(room|user)/*/media/quarantine",
        "!GET /_synapse/admin/v1/media/(quarantine|unquarantine)/*/*"]),
];

/// The operations of Synapse's `docs/workers.md` and, for stream writers, of its
/// `docker/configure_workers_and_start.py`.
#[rustfmt::skip]
const DOCUMENTED: Patterns = &[
    (Group::Typing, &["/_matrix/client/A/rooms/*/typing/**"]),
    (Group::ToDevice, &["/_matrix/client/R/sendToDevice/**"]),
    (Group::Receipts, &["/_matrix/client/R/rooms/*/receipt/**", "/_matrix/client/R/rooms/*/read_markers"]),
    (Group::AccountData, &["!GET /_matrix/client/R/user/*/rooms/*/tags/**", "!GET /_matrix/client/R/user/*/account_data/**",
        "!GET /_matrix/client/R/user/*/rooms/*/account_data/**"]),
    (Group::ClientReader, &["GET /_matrix/client/R/user/*/rooms/*/tags", "GET /_matrix/client/R/user/*/account_data/**",
        "GET /_matrix/client/R/user/*/rooms/*/account_data/**", "GET /_matrix/client/A/presence/**", "GET /_matrix/client/A/pushrules/**"]),
    (Group::Presence, &["!GET /_matrix/client/A/presence/**"]),
    (Group::PushRules, &["!GET /_matrix/client/A/pushrules/**"]),
    (Group::DeviceLists, &["/_matrix/client/R/delete_devices", "!GET /_matrix/client/R/devices/**", "/_matrix/client/R/keys/upload/**",
        "/_matrix/client/R/keys/device_signing/upload", "/_matrix/client/R/keys/signatures/upload"]),
    (Group::ThreadSubscriptions, &["!GET /_matrix/client/unstable/io.element.msc4306/**"]),
    (Group::QuarantinedMediaChanges, &["/_synapse/admin/v1/quarantine_media/**"]),
    (Group::MediaRepository, &["/_matrix/media/**", "/_matrix/client/v1/media/**", "/_matrix/federation/v1/media/**",
        "/_synapse/admin/v1/purge_media_cache", "/_synapse/admin/v1/room/*/media", "/_synapse/admin/v1/media/**",
        "/_synapse/admin/v1/users/*/media"]),
    (Group::SsoLogin, &["/_matrix/client/A/login/sso/redirect/**", "/_matrix/client/A/login/cas/ticket", "/_synapse/client/pick_idp",
        "/_synapse/client/pick_username/**", "/_synapse/client/new_user_consent", "/_synapse/client/sso_register",
        "/_synapse/client/oidc/callback", "/_synapse/client/saml2/authn_response"]),
    (Group::InitialSynchrotron, &["/_matrix/client/A/initialSync", "/_matrix/client/A/rooms/*/initialSync"]),
    (Group::Synchrotron, &["/_matrix/client/R/sync", "/_matrix/client/A/events"]),
    (Group::SlidingSync, &["/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"]),
    (Group::FederationInbound, &["/_matrix/federation/v1/send/**"]),
    (Group::FederationReader, &["/_matrix/federation/v1/(version|event|state|state_ids|backfill|get_missing_events|publicRooms|query)/**",
        "/_matrix/federation/v1/(make_join|make_leave|make_knock|send_knock|event_auth|timestamp_to_event|hierarchy)/**",
        "/_matrix/federation/(v1|v2)/(send_join|send_leave|invite)/**", "/_matrix/federation/v1/exchange_third_party_invite/**",
        "/_matrix/federation/v1/user/devices/**", "/_matrix/key/v2/query/**"]),
    (Group::Login, &["/_matrix/client/A/login", "/_matrix/client/R/register", "/_matrix/client/R/register/available",
        "/_matrix/client/(v1|unstable)/register/m.login.registration_token/validity", "/_matrix/client/R/password_policy"]),
    (Group::EventCreator, &["/_matrix/client/A/rooms/*/(redact|send)/**", "!GET /_matrix/client/A/rooms/*/state/**",
        "/_matrix/client/A/rooms/*/(join|invite|leave|ban|unban|kick)/**", "/_matrix/client/A/(join|knock|profile)/**"]),
    (Group::UserDir, &["/_matrix/client/R/user_directory/search"]),
    (Group::ClientReader, &["/_matrix/client/A/publicRooms",
        "/_matrix/client/A/rooms/*/(joined_members|context|members|state|event|messages|aliases)/**",
        "/_matrix/client/v1/rooms/*/(hierarchy|threads|timestamp_to_event)", "/_matrix/client/(v1|unstable)/rooms/*/relations/**",
        "/_matrix/client/unstable/im.nheko.summary/summary/*", "/_matrix/client/v1/room_summary/*",
        "/_matrix/client/R/account/(3pid|whoami|deactivate)", "/_matrix/client/R/devices/**", "/_matrix/client/versions",
        "/_matrix/client/A/voip/turnServer", "/_matrix/client/A/joined_rooms", "/_matrix/client/A/search",
        "/_matrix/client/R/user/*/filter/**", "/_matrix/client/A/directory/room/*", "/_matrix/client/R/capabilities",
        "/_matrix/client/R/notifications", "/_matrix/client/R/keys/(query|changes|claim)", "/_matrix/client/R/room_keys/**",
        "GET /_matrix/client/unstable/org.matrix.msc4140/delayed_events", "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/*/restart",
        "/_synapse/admin/v1/rooms/*", "GET /_synapse/admin/v2/users/*"]),
];

/// What the code of Synapse has on workers and its documentation does not tell.
#[rustfmt::skip]
const UNDOCUMENTED: Patterns = &[
    (Group::ClientReader, &["/_matrix/client/A/events/*", "/_matrix/client/(v1|unstable)/auth_metadata",
        "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata", "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports",
        "/_matrix/client/unstable/org.matrix.msc1763/retention/configuration", "/_matrix/client/unstable/org.matrix.msc3720/account_status",
        "/_matrix/client/unstable/org.matrix.msc2432/rooms/*/aliases", "/_matrix/client/unstable/im.nheko.summary/rooms/*/summary",
        "/_matrix/client/unstable/org.matrix.msc3983/keys/claim",
        "GET /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device", "GET /_matrix/client/unstable/org.matrix.msc4140/delayed_events/*",
        "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/*/events",
        "GET /_matrix/client/unstable/io.element.msc4306/**", "/_matrix/client/unstable/io.element.msc4308/thread_subscriptions",
        "/.well-known/matrix/(server|client)", "/_synapse/client/(unsubscribe|media_upload_limit_exceeded)",
        "/_synapse/client/v1/config/federation_whitelist"]),
    (Group::DeviceLists, &["!GET /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device"]),
    (Group::AccountData, &["/_matrix/client/unstable/org.matrix.msc3391/**"]),
    (Group::EventCreator, &["/_matrix/client/unstable/uk.tcpip.msc4133/profile/**"]),
    (Group::GenericWorker, &["/_matrix/client/(v1|unstable)/appservice/*/ping", "/_matrix/client/unstable/io.element.msc4512/**",
        "/_matrix/client/unstable/io.element.msc4502/**", "/_matrix/client/(v1|v3)/rtc/livekit/**", "/_matrix/client/unstable/*/rtc/livekit/**",
        "/_synapse/mas/**"]),
    (Group::FederationReader, &["/_matrix/federation/v1/user/keys/(query|claim)", "/_matrix/federation/unstable/user/keys/claim",
        "/_matrix/federation/v1/openid/userinfo", "/_matrix/federation/v1/3pid/onbind", "/_matrix/federation/unstable/rooms/*/complexity",
        "/_matrix/federation/unstable/org.matrix.msc3720/query/account_status", "/_matrix/federation/unstable/org.matrix.msc4370/extremities/*",
        "/_matrix/federation/v1/rtc/livekit/**", "/_matrix/federation/unstable/*/rtc/livekit/**", "/_matrix/key/v2/server/**"]),
    (Group::SsoLogin, &["/_matrix/client/A/login/cas/redirect", "/_synapse/client/oidc/backchannel_logout",
        "/_synapse/client/saml2/metadata.xml", "/_matrix/saml2/**"]),
];

/// The group that the patterns say, and the pattern that says so; none for the main process.
fn expected(method: &Method, path: &str) -> Option<(Group, &'static str)> {
    let tables = [OTHERWISE, DOCUMENTED, UNDOCUMENTED].into_iter().flatten();
    let mut patterns = tables.flat_map(|(group, patterns)| patterns.iter().map(|p| (*group, *p)));
    patterns.find(|(_, pattern)| {
        let (pattern, has_method) = match pattern.split_once(' ') {
            Some(("GET", pattern)) => (pattern, *method == Method::GET),
            Some(("!GET", pattern)) => (pattern, *method != Method::GET),
            _ => (*pattern, true),
        };
        has_method && fits(pattern, path)
    })
}

fn fits(pattern: &str, path: &str) -> bool {
    let versions: &[&str] = match pattern {
        _ if pattern.contains("/A/") => &["api/v1", "r0", "v3", "unstable"],
        _ if pattern.contains("/R/") => &["r0", "v3", "unstable"],
        _ => &[""],
    };
    let path: Vec<_> = path.split('/').collect();
    versions.iter().any(|version| {
        let pattern = pattern.replace("/A/", &format!("/{version}/"));
        let pattern = pattern.replace("/R/", &format!("/{version}/"));
        segments_fit(&pattern.split('/').collect::<Vec<_>>(), &path)
    })
}

fn segments_fit(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        (["**"], _) | ([], []) => true,
        ([first, pattern @ ..], [segment, path @ ..]) => {
            let words = first.strip_prefix('(').and_then(|f| f.strip_suffix(')'));
            let fits = match words {
                Some(words) => words.split('|').any(|word| word == *segment),
                None => *first == "*" || first == segment,
            };
            fits && segments_fit(pattern, path)
        }
        _ => false,
    }
}

/// Every row by each of its methods and paths, and every line of the three fixtures.
fn samples() -> Vec<Sample> {
    let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE];
    let of_rows = rows()
        .filter(|row| row.class() != Class::Preflight)
        .flat_map(|row| {
            let allowed = methods.iter().filter(|method| row.allows(method));
            allowed.flat_map(|method| {
                spellings(row).into_iter().map(|path| Sample {
                    method: method.clone(),
                    path,
                    source: row.template().to_owned(),
                })
            })
        });
    let of_workers = synapse_workers().into_iter().map(|(sample, _)| sample);
    let fixtures = [specification(), synapse()].into_iter().flatten();
    of_rows.chain(fixtures).chain(of_workers).collect()
}

#[test]
fn each_operation_goes_to_the_group_that_synapse_gives_it() {
    let mut wrong = BTreeSet::new();
    let mut used = BTreeSet::new();
    for Sample { method, path, .. } in samples() {
        let found = classify(&method, path.as_bytes());
        let said = expected(&method, &path);
        used.extend(said.map(|(_, pattern)| pattern));
        let group = said.map_or(Group::Main, |(group, _)| group);
        if found.group != group {
            wrong.insert(format!(
                "{method} {}: {}, not {group}",
                found.template, found.group
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");

    let all = [OTHERWISE, DOCUMENTED, UNDOCUMENTED].into_iter().flatten();
    let all: BTreeSet<_> = all
        .flat_map(|(_, patterns)| patterns.iter().copied())
        .collect();
    let unused: Vec<_> = all.difference(&used).collect();
    assert!(unused.is_empty(), "match nothing: {unused:#?}");
}

/// What only the writer answers, and Synapse's list of routes has for the main process.
fn is_denied_to_other_workers(endpoint: &Endpoint) -> bool {
    endpoint.group == Group::PushRules
}

#[test]
fn a_worker_gets_what_synapse_registers_on_workers_and_nothing_else() {
    let samples = synapse_workers();
    assert!(samples.len() > 600, "{}", samples.len());
    let wrong: BTreeSet<_> = samples
        .into_iter()
        .filter_map(|(Sample { method, path, .. }, on_workers)| {
            let found = classify(&method, path.as_bytes());
            let is_right = on_workers == (found.group != Group::Main);
            (!is_right && !is_denied_to_other_workers(&found))
                .then(|| format!("{method} {}: {}", found.template, found.group))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Method, path, group, affinity, key segment.
#[rustfmt::skip]
const CASES: &[(&str, &str, Group, Affinity, Option<u8>)] = &[
    // What the regular expressions of the documentation take for something else
    ("PUT", "/_matrix/client/v3/rooms/!r/send/typing/1", Group::EventCreator, Affinity::Room, Some(4)),
    ("PUT", "/_matrix/client/v3/rooms/!r/state/x/tags", Group::EventCreator, Affinity::Room, Some(4)),
    ("GET", "/_matrix/client/v3/rooms/!r/state/x/tags", Group::ClientReader, Affinity::Room, Some(4)),
    ("GET", "/_matrix/client/v3/profile/@a:b/tags", Group::EventCreator, Affinity::None, None),
    ("PUT", "/_matrix/client/v3/profile/@a:b/tags", Group::EventCreator, Affinity::User, None),
    ("PUT", "/_matrix/client/v3/rooms/!r/send/m.reaction/members", Group::EventCreator, Affinity::Room, Some(4)),
    ("PUT", "/_matrix/client/v3/sendToDevice/rooms/typing", Group::ToDevice, Affinity::User, None),
    ("GET", "/_matrix/client/v3/rooms/pushrules/messages", Group::ClientReader, Affinity::Room, Some(4)),
    // By method
    ("GET", "/_matrix/client/v3/pushrules/", Group::ClientReader, Affinity::None, None),
    ("HEAD", "/_matrix/client/v3/pushrules/", Group::ClientReader, Affinity::None, None),
    ("PUT", "/_matrix/client/v3/pushrules/global/room/!r", Group::PushRules, Affinity::User, None),
    ("GET", "/_matrix/client/v3/presence/@u:h/status", Group::ClientReader, Affinity::None, None),
    ("PUT", "/_matrix/client/v3/presence/@u:h/status", Group::Presence, Affinity::User, None),
    ("GET", "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/x", Group::ClientReader, Affinity::None, None),
    ("POST", "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/x", Group::Main, Affinity::None, None),
    ("GET", "/_synapse/admin/v2/users/@u:h", Group::ClientReader, Affinity::None, None),
    ("PUT", "/_synapse/admin/v2/users/@u:h", Group::Main, Affinity::None, None),
    ("PATCH", "/_matrix/client/v3/sync", Group::Main, Affinity::None, None),
    // Where the key stands
    ("PUT", "/_matrix/client/api/v1/rooms/!r/typing/@u:h", Group::Typing, Affinity::Room, Some(5)),
    ("POST", "/_matrix/client/r0/join/!r:h", Group::EventCreator, Affinity::Room, Some(4)),
    ("GET", "/_matrix/federation/v1/make_join/!r/@u:h", Group::FederationReader, Affinity::Room, Some(4)),
    ("GET", "/_matrix/federation/v1/state/!r/", Group::FederationReader, Affinity::Room, Some(4)),
    ("GET", "/_matrix/federation/v1/state_ids/!r", Group::FederationReader, Affinity::Target, None),
    ("GET", "/_matrix/federation/v1/event/$e", Group::FederationReader, Affinity::Target, None),
    ("PUT", "/_matrix/federation/v1/send/1/", Group::FederationInbound, Affinity::Origin, None),
    ("GET", "/_matrix/client/v1/media/download/h/m/cat.png", Group::MediaRepository, Affinity::Media, Some(6)),
    ("GET", "/_matrix/federation/v1/media/download/m", Group::MediaRepository, Affinity::Media, Some(5)),
    ("PUT", "/_matrix/client/v3/user/@u:h/rooms/!r/tags/t", Group::AccountData, Affinity::User, None),
    // What nobody knows
    ("GET", "/_matrix/client/unstable/org.example/new", Group::Main, Affinity::None, None),
    ("GET", "/_matrix/federation/v9/new", Group::Main, Affinity::None, None),
    ("GET", "/_matrix/media/v9/new", Group::MediaRepository, Affinity::None, None),
    ("GET", "/elsewhere", Group::Main, Affinity::None, None),
    ("GET", "", Group::Main, Affinity::None, None),
];

#[test]
fn requests_go_to_the_group_and_by_the_affinity_of_what_they_are() {
    for (method, path, group, affinity, key_segment) in CASES {
        let found = classify(&method.parse().unwrap(), path.as_bytes());
        assert_eq!(
            (found.group, found.affinity, found.key_segment),
            (*group, *affinity, *key_segment),
            "{method} {path}"
        );
    }
}

#[test]
fn a_key_segment_is_there_where_the_affinity_needs_one() {
    for Sample { method, path, .. } in samples() {
        let found = classify(&method, path.as_bytes());
        let needs_one = matches!(found.affinity, Affinity::Room | Affinity::Media);
        assert_eq!(found.key_segment.is_some(), needs_one, "{method} {path}");
        // A single process has nothing to choose from.
        assert!(
            found.group != Group::Main || found.affinity == Affinity::None,
            "{path}"
        );
    }
}

#[test]
fn mas_takes_its_seven_paths_and_no_other() {
    let taken: BTreeSet<_> = samples()
        .into_iter()
        .filter(|Sample { method, path, .. }| classify(method, path.as_bytes()).is_mas_compat)
        .map(|sample| sample.path)
        .collect();
    let mut expected = BTreeSet::new();
    for version in ["api/v1", "r0", "v3", "unstable"] {
        let path = |rest: &str| format!("/_matrix/client/{version}/{rest}");
        let id = SAMPLE;
        expected.extend([path("login"), path("logout"), path("logout/all")]);
        expected.extend([
            path("login/sso/redirect"),
            path(&format!("login/sso/redirect/{id}")),
        ]);
        if version != "api/v1" {
            expected.insert(path("refresh"));
        }
    }
    assert_eq!(taken, expected);

    for (method, path, expected) in [
        ("GET", "/_matrix/client/v3/login/sso/redirect/", true),
        ("POST", "/_matrix/client/v3/login/", false),
        ("POST", "/_matrix/client/v1/login/get_token", false),
        ("POST", "/_matrix/client/v3/tokenrefresh", false),
        (
            "PUT",
            "/_matrix/client/v3/rooms/!r/state/m.foo/login",
            false,
        ),
        (
            "PUT",
            "/_matrix/client/v3/user/@u:h/account_data/login",
            false,
        ),
    ] {
        let found = classify(&method.parse().unwrap(), path.as_bytes());
        assert_eq!(found.is_mas_compat, expected, "{method} {path}");
    }
}

#[test]
fn nobody_waits_longer_for_a_restart_than_the_sender_waits() {
    for (method, path, seconds) in [
        ("PUT", "/_matrix/federation/v1/send/1", 50),
        ("PUT", "/_matrix/federation/v2/send_join/!r/$e", 50),
        ("GET", "/_matrix/federation/v1/state_ids/!r", 50),
        ("GET", "/_matrix/federation/v1/new", 50),
        ("GET", "/_matrix/federation/v1/make_join/!r/@u:h", 18),
        ("GET", "/_matrix/federation/v1/make_knock/!r/@u:h", 18),
        ("GET", "/_matrix/federation/v1/make_leave/!r/@u:h", 50),
        ("GET", "/_matrix/federation/v1/user/devices/@u:h", 28),
        ("POST", "/_matrix/federation/v1/user/keys/query", 8),
        ("POST", "/_matrix/federation/v1/user/keys/claim", 8),
        ("GET", "/_matrix/key/v2/server", 8),
        ("GET", "/_matrix/federation/v1/version", 8),
        ("GET", "/_matrix/client/v3/sync", 30),
        ("PUT", "/_matrix/client/v3/rooms/!r/send/m.x/1", 30),
        ("GET", "/_matrix/client/v1/media/download/h/m", 30),
        ("POST", "/_matrix/client/v3/login", 20),
        ("GET", "/_synapse/metrics", 0),
    ] {
        let found = classify(&method.parse().unwrap(), path.as_bytes());
        assert_eq!(found.hold.as_secs(), seconds, "{method} {path}");
        assert!(found.hold < found.class.response_timeout(), "{path}");
    }
}

#[test]
fn an_endpoint_is_small() {
    assert!(size_of::<Endpoint>() <= 56, "{}", size_of::<Endpoint>());
}
