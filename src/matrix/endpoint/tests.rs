use super::oracle::{SAMPLE, Sample, specification, spellings, synapse};
use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

/// Says by comparing segments, without the tree, whether a row holds for a path.
fn fits(row: &Row, path: &str) -> bool {
    spellings(row).iter().any(|spelling| {
        let same = |(a, b): (&str, &str)| a == SAMPLE || a == b;
        spelling.split('/').count() == path.split('/').count()
            && spelling.split('/').zip(path.split('/')).all(same)
    })
}

fn parameters(row: &Row) -> usize {
    row.template().matches('{').count()
}

fn api_of(path: &str) -> Api {
    let start = |prefix: &str| path.starts_with(prefix);
    match () {
        () if start("/_matrix/client/") => Api::Client,
        () if start("/_matrix/federation/") || start("/_matrix/policy/") => Api::Federation,
        () if start("/_matrix/key/") => Api::Key,
        () if start("/_matrix/media/") => Api::Media,
        () if start("/_matrix/app/") => Api::Appservice,
        () if start("/_matrix/identity/") => Api::Identity,
        () if start("/_matrix/push/") => Api::Push,
        () if start("/_synapse/admin/") => Api::SynapseAdmin,
        () if start("/.well-known/matrix/") => Api::WellKnown,
        () => panic!("{path}"),
    }
}

fn check(sample: &Sample) {
    let Sample { method, path, .. } = sample;
    let found = classify(method, path.as_bytes());
    let what = format!("{method} {path} ({}): {found:?}", sample.source);
    assert_eq!(found.api, api_of(path), "{what}");
    assert_ne!(found.class, Class::Unknown, "{what}");
    assert_ne!(found.class, Class::FedUnknown, "{what}");

    if path.contains("pushrules/other/") {
        assert_eq!(found.template, "/_matrix/client/{version}/pushrules/*");
        return;
    }
    let fitting: Vec<_> = rows()
        .filter(|row| !row.template().ends_with('*') && row.allows(method) && fits(row, path))
        .collect();
    let fewest = fitting.iter().map(|row| parameters(row)).min();
    let best: Vec<_> = fitting
        .iter()
        .filter(|row| Some(parameters(row)) == fewest)
        .map(|row| row.template())
        .collect();
    assert_eq!(best, [found.template], "{what}");
}

#[test]
fn every_operation_of_the_specification_has_one_row() {
    let samples = specification();
    assert_eq!(samples.len(), 233);
    for sample in &samples {
        check(sample);
        let found = classify(&sample.method, sample.path.as_bytes()).template;
        let mut names = sample.source.split('/').zip(found.split('/'));
        assert!(
            names.all(|(theirs, ours)| theirs == ours || ours == "{version}"),
            "{} is {found}",
            sample.source
        );
    }
}

#[test]
fn every_route_of_synapse_has_one_row() {
    let samples = synapse();
    assert!(samples.len() > 600);
    samples.iter().for_each(check);
}

#[test]
fn every_row_is_found_by_its_own_paths_and_no_other_row() {
    for row in rows() {
        for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PURGE"] {
            let method: Method = method.parse().unwrap();
            if !row.allows(&method) {
                continue;
            }
            let preflight = method == Method::OPTIONS && row.class() != Class::Preflight;
            for path in spellings(row) {
                let found = classify(&method, path.as_bytes());
                assert_eq!(found.template, row.template(), "{method} {path}");
                assert!(preflight || found.class == row.class(), "{method} {path}");
            }
        }
    }
}

#[test]
fn templates_are_a_bounded_set_of_labels() {
    let templates: HashSet<_> = rows().map(Row::template).collect();
    assert!(templates.len() < 400, "{}", templates.len());
    for template in templates {
        assert!(template.starts_with('/'));
        assert!(
            template
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        );
        for segment in template.split('/').filter(|s| s.contains(['{', '}', '*'])) {
            let name = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
            let is_name = name.is_some_and(|n| n.bytes().all(|b| b.is_ascii_alphabetic()));
            assert!(is_name || segment == "*", "{template}");
        }
    }
}

/// Method, path, template, class.
#[rustfmt::skip]
const CASES: &[(&str, &str, &str, Class)] = &[
    // What the regular expressions of Synapse's workers document take for something else
    ("PUT", "/_matrix/client/v3/rooms/!r/send/typing/1", "/_matrix/client/{version}/rooms/{roomId}/send/{eventType}/{txnId}", Class::Send),
    ("PUT", "/_matrix/client/v3/rooms/!r/typing/@u:h", "/_matrix/client/{version}/rooms/{roomId}/typing/{userId}", Class::Ephemeral),
    ("PUT", "/_matrix/client/v3/rooms/!r/state/x/tags", "/_matrix/client/{version}/rooms/{roomId}/state/{eventType}/{stateKey}", Class::Send),
    ("GET", "/_matrix/client/v3/rooms/!r/state/x/tags", "/_matrix/client/{version}/rooms/{roomId}/state/{eventType}/{stateKey}", Class::EventRead),
    ("GET", "/_matrix/client/v3/profile/@a:b/tags", "/_matrix/client/{version}/profile/{userId}/{keyName}", Class::Profile),
    ("POST", "/_matrix/client/v3/rooms/!r/send/m.reaction", "/_matrix/client/{version}/rooms/{roomId}/send/{eventType}", Class::Send),
    ("PUT", "/_matrix/client/v3/rooms/!r/send/m.reaction/members", "/_matrix/client/{version}/rooms/{roomId}/send/{eventType}/{txnId}", Class::Send),
    ("PUT", "/_matrix/client/v3/rooms/!r/state/m.foo/login", "/_matrix/client/{version}/rooms/{roomId}/state/{eventType}/{stateKey}", Class::Send),
    ("PUT", "/_matrix/client/v3/user/@u:h/account_data/login_settings", "/_matrix/client/{version}/user/{userId}/account_data/{type}", Class::AccountData),
    ("POST", "/_matrix/client/v1/login/get_token", "/_matrix/client/v1/login/get_token", Class::Login),
    ("PUT", "/_matrix/client/v3/sendToDevice/keys/query", "/_matrix/client/{version}/sendToDevice/{eventType}/{txnId}", Class::ToDevice),
    ("GET", "/_matrix/client/v3/rooms/sync/messages", "/_matrix/client/{version}/rooms/{roomId}/messages", Class::EventRead),
    // Encoded and raw ids, empty segments, optional slashes
    ("PUT", "/_matrix/client/r0/rooms/%21r%3Ah/state/m.x/a%2Fb", "/_matrix/client/{version}/rooms/{roomId}/state/{eventType}/{stateKey}", Class::Send),
    ("PUT", "/_matrix/client/v3/rooms/!r:h/state/m.room.name/", "/_matrix/client/{version}/rooms/{roomId}/state/{eventType}/{stateKey}", Class::Send),
    ("PUT", "/_matrix/client/v3/rooms/!r:h/state/m.room.name", "/_matrix/client/{version}/rooms/{roomId}/state/{eventType}", Class::Send),
    ("PUT", "/_matrix/client/api/v1/rooms//send/t/1", "/_matrix/client/{version}/rooms/{roomId}/send/{eventType}/{txnId}", Class::Send),
    ("PUT", "/_matrix/federation/v1/send/123/", "/_matrix/federation/v1/send/{txnId}", Class::FedTransaction),
    ("GET", "/_matrix/federation/v1/state_ids/!r/", "/_matrix/federation/v1/state_ids/{roomId}", Class::FedState),
    ("PUT", "/_matrix/federation/v1/send/", "/_matrix/federation/v1/send/{txnId}", Class::FedTransaction),
    ("GET", "/_matrix/federation/v1/event/$a%2Fb", "/_matrix/federation/v1/event/{eventId}", Class::FedHistory),
    ("GET", "/_matrix/client/v3/login/sso/redirect/", "/_matrix/client/{version}/login/sso/redirect/{idpId}", Class::Login),
    ("GET", "/_matrix/client/v3/pushrules/", "/_matrix/client/{version}/pushrules/", Class::Push),
    ("GET", "/_matrix/client/v3/pushrules", "/_matrix/client/{version}/pushrules/*", Class::Push),
    ("GET", "/_matrix/client/r0/pushrules/device/x/", "/_matrix/client/{version}/pushrules/*", Class::Push),
    // A literal and a parameter at the same place
    ("GET", "/_matrix/federation/v1/query/profile", "/_matrix/federation/v1/query/profile", Class::FedQuery),
    ("GET", "/_matrix/federation/v1/query/client_keys", "/_matrix/federation/v1/query/{queryType}", Class::FedQuery),
    ("POST", "/_synapse/admin/v1/media/protect/x", "/_synapse/admin/v1/media/protect/{mediaId}", Class::Admin),
    ("DELETE", "/_synapse/admin/v1/media/protect/x", "/_synapse/admin/v1/media/{serverName}/{mediaId}", Class::Admin),
    // Methods
    ("HEAD", "/_matrix/client/versions", "/_matrix/client/versions", Class::ClientMeta),
    ("DELETE", "/_matrix/client/v3/sync", "/_matrix/client/*", Class::Unknown),
    ("BREW", "/_matrix/client/v3/sync", "/_matrix/client/*", Class::Unknown),
    ("OPTIONS", "/_matrix/client/v3/sync", "/_matrix/client/*", Class::Preflight),
    ("GET", "/_matrix/federation/v1/send/1", "/_matrix/federation/*", Class::FedUnknown),
    // Versions that an endpoint does not have, spellings that Synapse does not take
    ("GET", "/_matrix/client/v4/sync", "/_matrix/client/*", Class::Unknown),
    ("GET", "/_matrix/client/api/v3/login", "/_matrix/client/*", Class::Unknown),
    ("GET", "/_matrix/client/v3/%73ync", "/_matrix/client/*", Class::Unknown),
    ("GET", "/_matrix/client/v3/sync/", "/_matrix/client/*", Class::Unknown),
    ("GET", "/_matrix/client//v3/sync", "/_matrix/client/*", Class::Unknown),
    ("GET", "/_MATRIX/client/v3/sync", "/*", Class::Unknown),
    // Catch-alls
    ("GET", "/_matrix", "/_matrix/*", Class::Unknown),
    ("GET", "/_matrix/", "/_matrix/*", Class::Unknown),
    ("GET", "/_matrixfoo", "/*", Class::Unknown),
    ("GET", "/_matrix/media/v1/identicon/x", "/_matrix/media/*", Class::Unknown),
    ("GET", "/_synapse/clientX/mas/query_user", "/_synapse/*", Class::Internal),
    ("GET", "/_synapse/%6das/query_user", "/_synapse/*", Class::Internal),
    ("GET", "/_synapse/mas/query_user", "/_synapse/mas/*", Class::Internal),
    ("GET", "/_synapse/admin", "/_synapse/admin/*", Class::Admin),
    ("GET", "/", "/*", Class::Unknown),
    ("GET", "//", "/*", Class::Unknown),
    ("OPTIONS", "*", "*", Class::Unknown),
    ("GET", "", "*", Class::Unknown),
];

#[test]
fn ambiguous_and_odd_requests_are_what_synapse_takes_them_for() {
    for (method, path, template, class) in CASES {
        let found = classify(&method.parse().unwrap(), path.as_bytes());
        assert_eq!(
            (found.template, found.class),
            (*template, *class),
            "{method} {path}"
        );
    }
}

#[test]
fn repeating_is_safe_by_method_except_where_a_token_is_used_up() {
    for (method, path, expected) in [
        ("GET", "/_matrix/client/v3/sync", true),
        ("HEAD", "/_matrix/client/v3/sync", true),
        ("PUT", "/_matrix/federation/v1/send/1", true),
        ("DELETE", "/_matrix/client/v3/devices/D", true),
        ("POST", "/_matrix/client/v3/rooms/!r/send/m.x", false),
        ("POST", "/_matrix/client/v3/keys/claim", false),
        ("GET", "/_synapse/client/oidc/callback", false),
        ("GET", "/_matrix/client/v3/login/cas/ticket", false),
        (
            "GET",
            "/_matrix/client/unstable/add_threepid/email/submit_token",
            false,
        ),
        ("GET", "/elsewhere", true),
        ("PATCH", "/elsewhere", false),
        ("TRACE", "/elsewhere", false),
    ] {
        let found = classify(&method.parse().unwrap(), path.as_bytes());
        assert_eq!(found.is_idempotent, expected, "{method} {path}");
    }
}

#[test]
fn federation_requests_are_signed_but_for_the_open_ones() {
    let open: HashSet<_> = rows()
        .filter(|row| row.api() == Api::Federation && !row.template().ends_with('*'))
        .filter(|row| {
            let path = &spellings(row)[0];
            let methods = [Method::GET, Method::POST, Method::PUT];
            let allowed = methods.iter().find(|m| row.allows(m)).unwrap();
            !classify(allowed, path.as_bytes()).carries_x_matrix
        })
        .map(Row::template)
        .collect();
    let expected = HashSet::from([
        "/_matrix/federation/v1/3pid/onbind",
        "/_matrix/federation/v1/openid/userinfo",
        "/_matrix/federation/v1/version",
    ]);
    assert_eq!(open, expected);
    let others = rows().filter(|row| row.api() != Api::Federation);
    for row in others {
        let path = &spellings(row)[0];
        assert!(
            !classify(&Method::GET, path.as_bytes()).carries_x_matrix,
            "{path}"
        );
    }
}

#[test]
fn only_uploads_may_be_large() {
    for row in rows() {
        let is_upload = row.template().contains("/upload") && row.api() == Api::Media;
        let expected = if is_upload {
            BodyLimit::Upload
        } else {
            BodyLimit::Standard
        };
        assert_eq!(row.class().body_limit(), expected, "{}", row.template());
    }
    assert_eq!(STANDARD_BODY_LIMIT, 13_107_200);
}

#[test]
fn no_upstream_is_given_up_before_the_sender_would_give_up() {
    for (method, path, seconds) in [
        ("GET", "/_matrix/client/v3/sync", 660),
        ("GET", "/_matrix/client/r0/events", 660),
        ("GET", "/_matrix/client/v3/initialSync", 660),
        ("GET", "/_matrix/client/v3/rooms/!r/initialSync", 660),
        (
            "POST",
            "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync",
            660,
        ),
        ("GET", "/_matrix/federation/v1/state/!r", 660),
        ("PUT", "/_matrix/federation/v2/send_join/!r/$e", 300),
        ("PUT", "/_matrix/federation/v1/send/1", 90),
        ("POST", "/_matrix/federation/v1/get_missing_events/!r", 75),
        ("POST", "/_matrix/federation/v1/user/keys/query", 75),
        ("GET", "/_matrix/federation/v1/media/download/m", 300),
        ("GET", "/_matrix/client/v1/media/download/h/m", 300),
        ("POST", "/_matrix/client/v3/login", 300),
        (
            "GET",
            "/_matrix/client/unstable/org.example.msc0000/poll",
            660,
        ),
    ] {
        let found = classify(&method.parse().unwrap(), path.as_bytes());
        assert_eq!(found.class.response_timeout().as_secs(), seconds, "{path}");
    }
    for class in Class::ALL {
        assert!(class.response_timeout().as_secs() > 60, "{class}");
    }
}

#[test]
fn names_of_classes_are_distinct() {
    let names: HashSet<_> = Class::ALL.iter().map(|class| class.as_str()).collect();
    assert_eq!(names.len(), Class::ALL.len());
}

/// Paths made of the table's own segments, so that the walk goes deep.
fn plausible_path() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<String> = rows()
        .flat_map(spellings)
        .flat_map(|path| path.split('/').map(str::to_owned).collect::<Vec<_>>())
        .collect::<HashSet<_>>()
        .into_iter()
        .collect();
    let segment = prop_oneof![
        4 => prop::sample::select(words).prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(segment, 0..12).prop_map(|segments| {
        let start = [b"/_matrix".as_slice(), b"/client", b"/v3"].concat();
        segments
            .iter()
            .fold(start, |path, s| [&path[..], s].join(&b'/'))
    })
}

proptest! {
    #[test]
    fn any_bytes_get_a_label_of_the_table(
        method in prop::sample::select(vec![Method::GET, Method::PUT, Method::OPTIONS, Method::PATCH]),
        path in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), plausible_path()],
    ) {
        let found = classify(&method, &path);
        prop_assert!(found.template == "*" || rows().any(|row| row.template() == found.template));
    }
}
