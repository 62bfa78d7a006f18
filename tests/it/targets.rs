//! The request target: byte for byte to the homeserver, or refused.

use crate::support::frames::{End, get};
use crate::support::request::HOST;
use crate::support::{Answer, Door, Homeserver, Request, Table, Vestibule};

/// What X-Matrix signs and Synapse routes on; none of it may change.
const FORWARDED: &[&str] = &[
    "/_matrix",
    "/_matrix/",
    "/_matrix?",
    "/_matrix//",
    "/_synapse/client",
    "/_synapse/client/",
    "/_synapse/client/pick_idp?redirectUrl=https%3A%2F%2Fapp.example%2F",
    "/_synapse/client//oidc/callback?state=a/b",
    "/_matrix/client/versions",
    "/_matrix/client/versions/",
    "/_matrix/client/versions//",
    "/_matrix/client/versions?",
    "/_matrix/client/versions??",
    "/_matrix/client/versions?&",
    "/_matrix/client/versions?a=b&c",
    "/_matrix/client/versions?a=%2F%2f&b=+",
    "/_matrix/client/versions?a=/../../x",
    "/_matrix/client/versions?a=[b]&c={d}|e^f`g",
    "/_matrix/client/versions?/_synapse/admin",
    "/_matrix/client/v3/rooms/!room:example.com/state",
    "/_matrix/client/v3/rooms/%21room%3Aexample.com/state",
    "/_matrix/client/v3/rooms/%21room%3aexample.com/state/m.room.topic/",
    "/_matrix/client/v3/rooms/!r:x/state/com.example/a%2Fb",
    "/_matrix/client/v3/rooms/!r:x/state/com.example/a%2fb",
    "/_matrix/client/v3/rooms/!r:x/state/com.example/a%252Fb",
    "/_matrix/client/v3/rooms/!r:x/state/com.example/a%25252Fb",
    "/_matrix/client/v3/rooms/!r:x/state/com.example/%2F",
    "/_matrix/client/v3/rooms/!r:x/state/com.example//",
    "/_matrix/client/v3/rooms//state//m.room.topic",
    "/_matrix/client/v3/rooms/./state",
    "/_matrix/client/v3/rooms/../rooms",
    "/_matrix/client/v3/rooms/%2e/state",
    "/_matrix/client/v3/rooms/%2E%2E/rooms",
    "/_matrix/client/v3/rooms/..%2fx",
    "/_matrix/client/v3/rooms/.../x",
    "/_matrix/client/v3/rooms/..x/..y",
    "/_matrix/client/v3/rooms/a;b=c/state;d",
    "/_matrix/client/v3/rooms/a,b/state",
    "/_matrix/client/v3/rooms/a\\b",
    "/_matrix/client/v3/rooms/a+b%20c%2B",
    "/_matrix/client/v3/rooms/*/~'()",
    "/_matrix/client/v3/rooms/{a}|b^c[d]",
    "/_matrix/client/v3/rooms/a\"b",
    "/_matrix/client/v3/rooms/a:b@c!d$e&f=g",
    "/_matrix/client/v3/rooms/%00",
    "/_matrix/client/v3/rooms/%0d%0aX:y",
    "/_matrix/client/v3/rooms/%C3%A9%c3%a9",
    "/_matrix/client/v3/rooms/%FF%fe",
    "/_matrix/client/v3/rooms/%F0%9F%90%88",
    "/_matrix/client/v3/rooms/%23%3F%25",
    "/_matrix/client/v3/rooms/%zz",
    "/_matrix/client/v3/rooms/%",
    "/_matrix/client/v3/rooms/%2",
    "/_matrix/client/v3/rooms/http://x/y",
    "/_matrix/client/v3/directory/room/%23alias%2Fslash%3Aexample.com",
    "/_matrix/client/v3/directory/room/%23alias/slash:example.com",
    "/_matrix/client/v3/rooms/%21r%3Ax/event/%24abc%2Fdef%2Bghi",
    "/_matrix/client/v3/profile/%40u%2Fslash%3Aexample.com/displayname",
    "/_matrix/client/v3/pushrules/global/override/.m.rule.master/enabled",
    "/_matrix/client/v3/pushrules/global/override/..m/enabled",
    "/_matrix/client/unstable/org.matrix.msc4108/rendezvous",
    "/_matrix/client/r0/rooms/x/messages?from=t1-1_2&dir=b&filter=%7B%22a%22%3A1%7D",
    "/_matrix/federation/v1/version",
    "/_matrix/federation/v1/event/%24Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg",
    "/_matrix/federation/v1/event/$a/b+c",
    "/_matrix/federation/v1/make_join/%21r%3Ax/%40u%3Ay?ver=1&ver=2&ver=org.x",
    "/_matrix/federation/v1/query/directory?room_alias=%23a%2Fb%3Aexample.com",
    "/_matrix/federation/v1/publicRooms?",
    "/_matrix/federation//v1/version",
    "/_matrix/key/v2/server",
    "/_matrix/key/v2/server/",
    "/_matrix/key/v2/server/ed25519%3Aa_b",
    "/_matrix/media/v3/download/example.com/abc/file%20name%2F1.png",
    "/_matrix/media/v3/thumbnail/example.com/abc?width=1&height=2&method=crop",
    "/_matrix/client/v1/media/download/example.com/a/b%3Fc",
    "/_matrix/static/client/login/",
    "/_matrix/app/v1/ping",
    "/_matrix/unknown/x",
];

/// Outside of what a homeserver may show, in all the spellings that a later
/// hop could read as something inside.
const NOT_FOUND: &[&str] = &[
    "/",
    "//",
    "/?",
    "/index.html",
    "/_matri",
    "/_matrixx",
    "/_matrix.",
    "/_matrix;a",
    "/_matrix%2fclient/versions",
    "/_matrix%2Fclient/versions",
    "/_MATRIX/client/versions",
    "/_Matrix/client/versions",
    "/%5fmatrix/client/versions",
    "/%5Fmatrix/client/versions",
    "/_matri%78/client/versions",
    "//_matrix/client/versions",
    "/./_matrix/client/versions",
    "/x/../_matrix/client/versions",
    "/\\_matrix/client/versions",
    "/_matrix/..",
    "/_matrix/../",
    "/_matrix/../_synapse/admin/v1/server_version",
    "/_matrix/%2e%2e/_synapse/admin/v1/server_version",
    "/_matrix/.%2E/_synapse/admin/v1/server_version",
    "/_matrix/..%2f_synapse/admin/v1/server_version",
    "/_matrix/..%5c_synapse/admin/v1/server_version",
    "/_matrix/..\\_synapse/admin/v1/server_version",
    "/_matrix/..;/_synapse/admin/v1/server_version",
    "/_matrix/..;a=b/_synapse/admin/v1/server_version",
    "/_matrix/%252e%252e/_synapse/admin/v1/server_version",
    "/_matrix/%252e%252e%252f_synapse/admin",
    "/_matrix/client/../../_synapse/admin/v1/server_version",
    "/_matrix/client/..%2f..%2f_synapse/admin/v1/server_version",
    "/_matrix//../../_synapse/admin/v1/server_version",
    "/_synapse",
    "/_synapse/",
    "/_synapse/clien",
    "/_synapse/clientx",
    "/_synapse/clientX/mas/query_user",
    "/_synapse/client../mas/query_user",
    "/_synapse/client%2f../mas/query_user",
    "/_synapse/client%2f/../mas/query_user",
    "/_synapse/client;/mas/query_user",
    "/_synapse/client;/../mas/query_user",
    "/_synapse/client/../mas/query_user",
    "/_synapse/client/%2e%2e/mas/query_user",
    "/_synapse/client/..%2fmas/query_user",
    "/_synapse/client/%252e%252e/mas/query_user",
    "/_synapse/client/..;/mas/query_user",
    "/_synapse/client/..\\mas/query_user",
    "/_synapse/CLIENT/pick_idp",
    "/_synapse//client/pick_idp",
    "/_synapse/./client/pick_idp",
    "/.well-known/matrix",
    "/.well-known/matrix/",
    "/.well-known/acme-challenge/x",
];

/// Not what HTTP lets a target be, or not to be forwarded unchanged.
const BAD: &[&str] = &[
    "_matrix/client/versions",
    "?x",
    "*",
    "#",
    "/_matrix/client/versions#",
    "/_matrix/client/versions#a",
    "/_matrix/client/versions?a#b",
    "/_matrix/client/<a>",
    "/_matrix/client/`a`",
    "/_matrix/client/versions?a=\"b\"",
    "/_matrix/client/versions?a=<b>",
    "/_matrix/client/é",
    "ftp://matrix.example.com/_matrix/client/versions",
    "matrix.example.com:443",
    "javascript:alert(1)",
];

#[tokio::test(flavor = "multi_thread")]
async fn http1_targets_arrive_byte_for_byte() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut table = Table::default();
    for door in [Door::Plain, Door::Tls] {
        let mut client = vestibule.raw(door).await;
        for target in FORWARDED {
            let status = client.ask(&Request::get(target).signed()).await.status;
            table.row((door, target), &status, &200);
        }
        let arrived = homeserver
            .targets()
            .split_off(homeserver.requests().len() - FORWARDED.len());
        for (target, arrived) in FORWARDED.iter().zip(arrived) {
            table.row((door, target), &arrived.as_str(), target);
        }
    }
    table.assert_right(60);
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_targets_arrive_byte_for_byte() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "[federation]\nsignatures = \"off\"").await;
    let mut table = Table::default();
    for target in FORWARDED {
        let before = homeserver.requests().len();
        let mut client = vestibule.frames(Door::Plain).await;
        client.send(get(1, HOST, target)).await;
        let outcome = client.outcome(1).await;
        table.row(
            target,
            &(outcome.status, outcome.end),
            &(Some(200), End::Whole),
        );
        let arrived = homeserver.targets().split_off(before);
        table.row(target, &arrived, &vec![(*target).to_owned()]);
    }
    table.assert_right(60);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_targets_arrive_whole_up_to_the_limit() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let target = format!("/_matrix/client/v3/sync?filter={}", "%7B".repeat(6000));
    let target = &target[..16 * 1024];
    for door in [Door::Plain, Door::Tls] {
        assert_eq!(vestibule.ask(door, &Request::get(target)).await.status, 200);
        assert_eq!(
            vestibule.ask_h2(door, &Request::get(target)).await.status,
            200
        );
    }
    assert!(homeserver.targets().iter().all(|arrived| arrived == target));
    let longer = Request::get(&format!("{target}x"));
    vestibule
        .ask(Door::Plain, &longer)
        .await
        .assert_error(414, "M_UNKNOWN");
    vestibule
        .ask_h2(Door::Plain, &longer)
        .await
        .assert_error(414, "M_UNKNOWN");
    assert_eq!(homeserver.requests().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_outside_are_not_found_and_the_connection_lives() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut table = Table::default();
    let mut client = vestibule.raw(Door::Plain).await;
    for target in NOT_FOUND {
        let answer = client.ask(&Request::get(target)).await;
        let errcode = answer.errcode();
        table.row(target, &answer.status, &404);
        table.row_of(target, &errcode, &["M_UNRECOGNIZED", "M_NOT_FOUND"]);
    }
    table.assert_right(50);
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_outside_are_not_found_over_http2() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut table = Table::default();
    for target in NOT_FOUND {
        let mut client = vestibule.frames(Door::Plain).await;
        client.send(get(1, HOST, target)).await;
        let outcome = client.outcome(1).await;
        table.row(
            target,
            &(outcome.status, outcome.end),
            &(Some(404), End::Whole),
        );
    }
    table.assert_right(50);
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_targets_are_refused_and_the_connection_closes() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut table = Table::default();
    for target in BAD {
        let mut client = vestibule.raw(Door::Plain).await;
        client.send(Request::get(target).bytes()).await;
        table.row(target, &client.refusal().await.as_str(), &"400");
    }
    table.assert_right(15);
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_targets_reach_nobody_over_http2() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut table = Table::default();
    let bad = BAD.iter().chain(&["", "/a b", "/a\0b", "/a\tb"]);
    // The engine below cuts a fragment before anybody sees it.
    for target in bad.filter(|target| !target.contains('#')) {
        let mut client = vestibule.frames(Door::Plain).await;
        client.send(get(1, HOST, target)).await;
        let outcome = client.outcome(1).await;
        let refused = outcome.status == Some(400) || outcome.status.is_none();
        table.row((target, outcome), &refused, &true);
    }
    table.assert_right(14);
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_method_does_not_matter_for_where_a_path_may_go() {
    let homeserver = Homeserver::start().await;
    homeserver.route(
        "HEAD",
        "/",
        Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
    );
    let vestibule = Vestibule::start(&homeserver, "").await;
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"] {
        let inside = Request::new(method, "/_matrix/client/v3/a%2Fb").body("");
        assert_eq!(
            vestibule.ask(Door::Plain, &inside).await.status,
            200,
            "{method}"
        );
        assert_eq!(homeserver.last_request().method(), method);
        let outside = Request::new(method, "/_synapse/admin/v1/users").body("");
        assert_eq!(
            vestibule.ask(Door::Plain, &outside).await.status,
            404,
            "{method}"
        );
    }
    assert_eq!(homeserver.requests().len(), 6);
}
