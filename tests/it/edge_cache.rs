//! Public documents at the door: from memory, shared, and while the homeserver is down.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;

use crate::support::{
    Answer, Door, Gate, Homeserver, Request, Response, Vestibule, eventually, within,
};

const VERSIONS: &str = "/_matrix/client/versions";
const METADATA: &str = "/_matrix/client/v1/auth_metadata";
const KEYS: &str = "/_matrix/key/v2/server";
const VERSION: &str = "/_matrix/federation/v1/version";

/// As Synapse says of `/versions` and `auth_metadata`.
const FRESH: &str = "public, max-age=600, s-maxage=3600, stale-while-revalidate=600";
/// As it says of everything else.
const NO_STORE: &str = "no-cache, no-store, must-revalidate";
/// Requests do not wait for a homeserver that is away.
const BRIEF: &str = "timeouts.hold = \"100ms\"";
const JSON: (&str, &str) = ("Content-Type", "application/json");
const CORS: (&str, &str) = ("Access-Control-Allow-Origin", "*");

fn document(cache_control: &str, body: &str) -> Answer {
    let fields = [JSON, CORS, ("Cache-Control", cache_control)];
    Answer::with(200, &fields, body.as_bytes())
}

/// Keys that are valid for so many seconds more.
fn keys(valid_for: i64) -> Answer {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = i64::try_from(since_1970.unwrap().as_millis()).unwrap();
    let body = format!("{{\"valid_until_ts\": {}}}", now + valid_for * 1000);
    document(NO_STORE, &body)
}

async fn get(vestibule: &Vestibule, target: &str) -> Response {
    vestibule.ask(Door::Plain, &Request::get(target)).await
}

/// How often a request for a document ended so.
async fn counted(vestibule: &Vestibule, result: &str) -> String {
    let result = format!("result=\"{result}\"");
    let name = "vestibule_edge_cache_requests_total";
    vestibule.metric(name, &[&result]).await.to_string()
}

/// A homeserver that can be killed and started again.
fn restarted(socket: &Path) -> Homeserver {
    let _ = std::fs::remove_file(socket);
    Homeserver::start_unix(socket)
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_answered_from_memory_as_long_as_synapse_allows() {
    let homeserver = Homeserver::start().await;
    for target in [VERSIONS, METADATA] {
        homeserver.route("GET", target, document(FRESH, r#"{"a":1}"#));
    }
    let vestibule = Vestibule::start(&homeserver, "").await;
    for (asked, target) in [(1, VERSIONS), (2, METADATA)] {
        let first = get(&vestibule, target).await;
        assert_eq!((first.status, first.header("age")), (200, None));
        let request = Request::get(target)
            .field("Origin", "https://app.example")
            .field("Accept-Encoding", "gzip");
        for door in [Door::Plain, Door::Tls] {
            let h1 = vestibule.ask(door, &request).await;
            let h2 = vestibule.ask_h2(door, &request).await;
            for answer in [h1, h2] {
                assert_eq!(answer.json()["a"], 1);
                assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
                assert_eq!(answer.header("cache-control"), Some(FRESH));
                assert!(answer.header("age").is_some());
            }
        }
        let head = vestibule
            .ask(Door::Plain, &Request::new("HEAD", target))
            .await;
        assert_eq!(
            (head.status, head.header("content-length")),
            (200, Some("7"))
        );
        assert_eq!(head.body, b"");
        assert_eq!(homeserver.requests().len(), asked);
    }
    assert_eq!(homeserver.last_request().all("accept-encoding"), [""; 0]);
    assert_eq!(counted(&vestibule, "miss").await, "2");
    assert_eq!(counted(&vestibule, "hit").await, "10");
    let documents = vestibule
        .metric("vestibule_edge_cache_documents", &[])
        .await;
    assert_eq!(documents.to_string(), "2");
    let written = async || vestibule.access_log().len() == 12;
    eventually("all are in the access log", written).await;
    let log = vestibule.access_log();
    let went_up = log.iter().filter(|record| record["upstream"].is_string());
    assert_eq!(went_up.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_answered_from_what_get_would_bring() {
    let homeserver = Homeserver::start().await;
    homeserver.route("GET", VERSIONS, document(FRESH, r#"{"a":1}"#));
    let vestibule = Vestibule::start(&homeserver, "").await;
    let request = Request::new("HEAD", VERSIONS);
    let head = vestibule.ask(Door::Plain, &request).await;
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("7"))
    );
    let head = vestibule.ask_h2(Door::Plain, &request).await;
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("7"))
    );
    assert_eq!(get(&vestibule, VERSIONS).await.json()["a"], 1);
    assert_eq!(homeserver.only_request().method(), "GET");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_requests_at_once_are_one() {
    let homeserver = Homeserver::start().await;
    let gate = Gate::new();
    homeserver.route("GET", KEYS, keys(60).after(&gate));
    let vestibule = Arc::new(Vestibule::start(&homeserver, "").await);
    let mut asking = JoinSet::new();
    for _ in 0..100 {
        let vestibule = vestibule.clone();
        asking.spawn(async move { get(&vestibule, KEYS).await });
    }
    let in_flight = async || vestibule.metric("vestibule_requests_in_flight", &[]).await;
    eventually("all are under way", async || in_flight().await >= 100.0).await;
    gate.open();
    let answers = within("all are answered", asking.join_all()).await;
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (200, &answers[0].body));
    }
    homeserver.only_request();
    assert_eq!(counted(&vestibule, "shared").await, "99");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_takes_over_from_a_client_that_leaves() {
    let homeserver = Homeserver::start().await;
    let gate = Gate::new();
    homeserver.route("GET", KEYS, keys(60).after(&gate));
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut first = vestibule.raw(Door::Plain).await;
    first.send(Request::get(KEYS).bytes()).await;
    homeserver.begun(0).await;
    let second = get(&vestibule, KEYS);
    let leave = async {
        drop(first);
        homeserver.abandoned(0).await;
        gate.open();
    };
    let (answer, ()) = tokio::join!(second, leave);
    assert_eq!(answer.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_stored_is_asked_for_each_time() {
    let homeserver = Homeserver::start().await;
    homeserver.route("GET", KEYS, keys(60));
    homeserver.route("GET", VERSION, document(NO_STORE, "{}"));
    let vestibule = Vestibule::start(&homeserver, "").await;
    for target in [KEYS, VERSION, "/_matrix/key/v2/server/ed25519:a"] {
        for _ in 0..3 {
            assert_eq!(get(&vestibule, target).await.status, 200);
        }
        let asked = homeserver.targets();
        assert_eq!(asked.iter().filter(|t| *t == target).count(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_somebodys_own_go_up() {
    let homeserver = Homeserver::start().await;
    homeserver.route("*", "/_matrix", document(FRESH, "{}"));
    let vestibule = Vestibule::start(&homeserver, "").await;
    assert_eq!(get(&vestibule, VERSIONS).await.status, 200);
    let with_token = format!("{VERSIONS}?access_token=secret");
    for request in [
        Request::get(VERSIONS).field("Authorization", "Bearer secret"),
        Request::get(&with_token),
        Request::get(VERSIONS).field("Cookie", "a=1"),
        Request::get(VERSIONS).field("Range", "bytes=0-1"),
        Request::get(VERSIONS).field("If-None-Match", "\"1\""),
        Request::get(VERSIONS).field("Cache-Control", "no-cache"),
        Request::get(VERSIONS).body("{}"),
        Request::post(VERSIONS, "{}"),
        Request::get("/_matrix/client/v3/capabilities"),
    ] {
        let before = homeserver.requests().len();
        for _ in 0..2 {
            assert_eq!(vestibule.ask(Door::Plain, &request).await.status, 200);
        }
        assert_eq!(homeserver.requests().len(), before + 2, "{request:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_host_has_documents_of_its_own() {
    let homeserver = Homeserver::start().await;
    homeserver.route("GET", VERSION, document(FRESH, "{}"));
    let vestibule = Vestibule::start(&homeserver, "").await;
    for (host, asked) in [
        ("matrix.example.com", 1),
        ("example.com", 2),
        ("EXAMPLE.com:443", 2),
        ("matrix.example.com.", 2),
        // Nobody's, and yet for the one site there is: never kept.
        ("other.example", 3),
        ("other.example", 4),
    ] {
        let request = Request::get(VERSION).host(host);
        let answer = vestibule.ask(Door::Plain, &request).await;
        assert_eq!(answer.status, 200);
        assert_eq!(homeserver.requests().len(), asked, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_vary_are_for_whom_they_are_for() {
    let homeserver = Homeserver::start().await;
    let fields = [
        JSON,
        ("Cache-Control", FRESH),
        ("Vary", "Origin, Authorization"),
    ];
    homeserver.route("GET", VERSIONS, Answer::with(200, &fields, b"{}"));
    let vestibule = Vestibule::start(&homeserver, "").await;
    for (origin, asked) in [
        ("https://a.example", 1),
        ("https://a.example", 1),
        ("https://b.example", 2),
        ("https://b.example", 3),
        ("https://a.example", 3),
    ] {
        let request = Request::get(VERSIONS).field("Origin", origin);
        assert_eq!(vestibule.ask(Door::Plain, &request).await.status, 200);
        assert_eq!(homeserver.requests().len(), asked, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_kept_passes_as_it_is() {
    let homeserver = Homeserver::start().await;
    let large = "x".repeat(70_000);
    let fresh = ("Cache-Control", FRESH);
    for (answer, status, body) in [
        (document(FRESH, &large), 200, &*large),
        (
            Answer::with(404, &[JSON, fresh], b"{\"a\":1}"),
            404,
            "{\"a\":1}",
        ),
        (
            Answer::with(200, &[fresh, ("Set-Cookie", "a=1")], b"b"),
            200,
            "b",
        ),
        (Answer::with(503, &[fresh], b"down"), 503, "down"),
    ] {
        homeserver.route("GET", VERSIONS, answer);
        let vestibule = Vestibule::start(&homeserver, "").await;
        for _ in 0..2 {
            let before = homeserver.requests().len();
            let answer = get(&vestibule, VERSIONS).await;
            assert_eq!((answer.status, &*answer.text()), (status, body));
            assert_ne!(homeserver.requests().len(), before);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_document_is_given_out_while_a_new_one_is_fetched() {
    let homeserver = Homeserver::start().await;
    let stale = "max-age=0, stale-while-revalidate=600";
    homeserver.route("GET", VERSIONS, document(stale, r#"{"a":1}"#));
    let vestibule = Vestibule::start(&homeserver, "").await;
    assert_eq!(get(&vestibule, VERSIONS).await.json()["a"], 1);
    let gate = Gate::new();
    homeserver.route("GET", VERSIONS, document(FRESH, r#"{"a":2}"#).after(&gate));
    for _ in 0..3 {
        assert_eq!(get(&vestibule, VERSIONS).await.json()["a"], 1);
    }
    homeserver.begun(1).await;
    gate.open();
    let is_new = async || get(&vestibule, VERSIONS).await.json()["a"] == 2;
    eventually("the new document is there", is_new).await;
    assert_eq!(homeserver.requests().len(), 2);
    assert_ne!(counted(&vestibule, "revalidated").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_documents_are_given_out_while_the_homeserver_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("main.sock");
    let homeserver = restarted(&socket);
    homeserver.route("GET", KEYS, keys(600));
    homeserver.route("GET", VERSION, document(NO_STORE, r#"{"a":1}"#));
    homeserver.route("GET", VERSIONS, document("max-age=0", r#"{"a":1}"#));
    let vestibule = Vestibule::start(&homeserver, BRIEF).await;
    let all = [KEYS, VERSION, VERSIONS];
    for target in all {
        assert_eq!(get(&vestibule, target).await.status, 200);
    }
    drop(homeserver);
    for target in all.into_iter().chain(all) {
        let answer = get(&vestibule, target).await;
        assert_eq!(answer.status, 200, "{target}");
        assert!(answer.header("age").is_some());
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    // What was never asked for is not there.
    get(&vestibule, METADATA)
        .await
        .assert_error(503, "M_UNKNOWN");
    assert_eq!(counted(&vestibule, "stale").await, "6");
    let errors = vestibule
        .metric("vestibule_upstream_errors_total", &[])
        .await;
    assert_ne!(errors.to_string(), "0");

    let homeserver = restarted(&socket);
    homeserver.route("GET", VERSION, document(NO_STORE, r#"{"a":2}"#));
    let is_new = async || get(&vestibule, VERSION).await.json()["a"] == 2;
    eventually("the new document is there", is_new).await;
    drop(homeserver);
    assert_eq!(get(&vestibule, VERSION).await.json()["a"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_given_out_no_longer_than_they_are_valid() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("main.sock");
    let homeserver = restarted(&socket);
    homeserver.route("GET", KEYS, keys(-1));
    let vestibule = Vestibule::start(&homeserver, BRIEF).await;
    assert_eq!(get(&vestibule, KEYS).await.status, 200);
    drop(homeserver);
    get(&vestibule, KEYS).await.assert_error(503, "M_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstreams_own_error_passes_though_a_document_is_kept() {
    let homeserver = Homeserver::start().await;
    homeserver.route("GET", VERSION, document(NO_STORE, r#"{"a":1}"#));
    let vestibule = Vestibule::start(&homeserver, "").await;
    assert_eq!(get(&vestibule, VERSION).await.status, 200);
    homeserver.route("GET", VERSION, Answer::json(500, r#"{"errcode":"M_X"}"#));
    assert_eq!(get(&vestibule, VERSION).await.errcode(), "M_X");
    homeserver.route("GET", VERSION, Answer::hang_up());
    assert_eq!(get(&vestibule, VERSION).await.json()["a"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_homeserver_is_not_waited_for_by_all() {
    let homeserver = Homeserver::start().await;
    homeserver.route("GET", VERSION, document(NO_STORE, r#"{"a":1}"#));
    let vestibule = Vestibule::start(&homeserver, "").await;
    assert_eq!(get(&vestibule, VERSION).await.status, 200);
    homeserver.route("GET", VERSION, Answer::hang_up());
    assert_eq!(get(&vestibule, VERSION).await.json()["a"], 1);
    homeserver.route("GET", VERSION, Answer::silence());
    // Somebody asks again once the pause is over, and everybody else has the old one at once.
    let asked = homeserver.requests().len();
    let (answer, ()) = tokio::join!(
        async {
            let mut answer = get(&vestibule, VERSION).await;
            while homeserver.requests().len() == asked {
                answer = get(&vestibule, VERSION).await;
            }
            answer
        },
        async {
            homeserver.begun(asked).await;
            let begun = std::time::Instant::now();
            for _ in 0..5 {
                assert_eq!(get(&vestibule, VERSION).await.json()["a"], 1);
            }
            assert!(begun.elapsed() < Duration::from_secs(4));
            homeserver.route("GET", VERSION, document(NO_STORE, r#"{"a":2}"#));
        },
    );
    assert_eq!(answer.json()["a"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_turns_it_off() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("main.sock");
    let homeserver = restarted(&socket);
    homeserver.route("GET", VERSIONS, document(FRESH, "{}"));
    let vestibule = Vestibule::start(&homeserver, &format!("edge_cache = false\n{BRIEF}")).await;
    for asked in 1..=3 {
        assert_eq!(get(&vestibule, VERSIONS).await.header("age"), None);
        assert_eq!(homeserver.requests().len(), asked);
    }
    drop(homeserver);
    get(&vestibule, VERSIONS)
        .await
        .assert_error(503, "M_UNKNOWN");
}
