//! Made-up servers and keys: what their requests cost the homeserver.

use std::time::Instant;

use crate::support::{Answer, Door, Gate, Homeserver, Request, Sender, Vestibule, eventually};

const STATE: &str = "/_matrix/federation/v1/state_ids/%21r:example.com?event_id=%24a";
const QUERY: &str = "/_matrix/key/v2/query";
const MODES: [&str; 2] = ["verify", "enforce"];

/// A request that says to be of `origin`, signed with a key of which nobody has heard.
fn made_up(origin: &str, key_id: &str) -> Request {
    let signature = "A".repeat(86);
    let header = format!("X-Matrix origin=\"{origin}\",key=\"{key_id}\",sig=\"{signature}\"");
    Request::get(STATE).field("Authorization", &header)
}

/// How often the homeserver was made to look for keys, which may take it onto the network.
fn lookups(homeserver: &Homeserver) -> usize {
    let requests = homeserver.requests();
    let queries = requests.iter().filter(|r| r.target() == QUERY);
    let bodies = queries.map(|r| String::from_utf8_lossy(&r.body).into_owned());
    bodies
        .filter(|body| body.contains("minimum_valid_until_ts"))
        .count()
}

/// A homeserver that knows the keys of one server, and a door that knows them already.
async fn start(mode: &str, keys: &str) -> (Homeserver, Sender, Vestibule) {
    let homeserver = Homeserver::start().await;
    let remote = Sender::new("remote.test");
    remote.publish(&homeserver);
    let config = format!(
        "federation.signatures = \"{mode}\"\n\
         federation.keys = {{ {keys} }}\n\
         trusted_proxies = [\"127.0.0.1\"]"
    );
    let vestibule = Vestibule::start(&homeserver, &config).await;
    eventually("the key is known", async || {
        verifies(&vestibule, &remote).await;
        vestibule.metric("vestibule_server_keys", &[]).await >= 1.0
    })
    .await;
    (homeserver, remote, vestibule)
}

/// Sends a request of the known server, which is served.
async fn verifies(vestibule: &Vestibule, remote: &Sender) {
    assert_eq!(
        vestibule.ask(Door::Plain, &remote.get(STATE)).await.status,
        200
    );
}

async fn verified(vestibule: &Vestibule) -> f64 {
    vestibule
        .metric("vestibule_signatures_total", &["\"verified\""])
        .await
}

/// Waits until so many requests have been verified; they are counted after their answers.
async fn are_verified(vestibule: &Vestibule, count: f64) {
    eventually("requests are verified", async || {
        verified(vestibule).await >= count
    })
    .await;
}

/// What becomes of a request whose key nobody has.
fn expected(mode: &str) -> u16 {
    if mode == "enforce" { 401 } else { 200 }
}

/// Waits until no lookup is under way.
async fn landed(vestibule: &Vestibule) {
    eventually("the lookups end", async || {
        vestibule
            .metric("vestibule_key_lookups_under_way", &[])
            .await
            < 1.0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_servers_of_one_address_are_as_many_lookups_as_its_budget() {
    for mode in MODES {
        let budget = "lookups_per_address = 1, burst_per_address = 10";
        let (homeserver, remote, vestibule) = start(mode, budget).await;
        let started = Instant::now();
        let before = verified(&vestibule).await;
        for number in 0..150 {
            let request = made_up(&format!("made-up-{number}.test"), "ed25519:a");
            let answer = vestibule.ask(Door::Plain, &request).await;
            assert_eq!(answer.status, expected(mode), "{mode} {number}");
            if number % 10 == 0 {
                verifies(&vestibule, &remote).await;
            }
        }
        landed(&vestibule).await;
        let most = 10 + 1 + usize::try_from(started.elapsed().as_secs() / 60).unwrap();
        let made = lookups(&homeserver);
        assert!((2..=most).contains(&made), "{mode}: {made}");
        are_verified(&vestibule, before + 15.0).await;
        let refused = "vestibule_key_lookups_refused_total";
        assert!(
            vestibule.metric(refused, &["\"address\""]).await >= 100.0,
            "{mode}"
        );
        assert_eq!(
            vestibule.count("vestibule_server_keys", &[]).await,
            "1",
            "{mode}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_servers_of_many_addresses_leave_room_for_known_ones() {
    let (homeserver, remote, vestibule) = start("verify", "lookups = 16").await;
    let before = verified(&vestibule).await;
    let gate = Gate::new();
    let nothing = Answer::json(200, r#"{"server_keys":[]}"#);
    homeserver.route("POST", QUERY, nothing.after(&gate));
    for number in 0..100 {
        let request = made_up(&format!("made-up-{number}.test"), "ed25519:a");
        let request = request.field("X-Forwarded-For", &format!("198.51.100.{number}"));
        assert_eq!(vestibule.ask(Door::Plain, &request).await.status, 200);
    }
    let under_way = "vestibule_key_lookups_under_way";
    assert_eq!(vestibule.count(under_way, &[]).await, "12");
    // Of the places that are left, one address has an eighth, and no server more than one.
    for number in 0..20 {
        let request = made_up("remote.test", &format!("ed25519:{number}"));
        assert_eq!(vestibule.ask(Door::Plain, &request).await.status, 200);
    }
    assert_eq!(vestibule.count(under_way, &[]).await, "13");
    for _ in 0..10 {
        verifies(&vestibule, &remote).await;
    }
    are_verified(&vestibule, before + 10.0).await;
    gate.open();
    landed(&vestibule).await;
    assert_eq!(lookups(&homeserver), 1 + 13);
    let let_be = vestibule.count("vestibule_servers_without_keys", &[]).await;
    assert_eq!(let_be, "13");
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_keys_of_a_known_server_are_one_lookup() {
    for mode in MODES {
        let (homeserver, remote, vestibule) = start(mode, "burst_per_address = 1000").await;
        let started = Instant::now();
        let before = verified(&vestibule).await;
        for number in 0..100 {
            let request = made_up("remote.test", &format!("ed25519:{number}"));
            let request = request.field("X-Forwarded-For", &format!("198.51.100.{number}"));
            let answer = vestibule.ask(Door::Plain, &request).await;
            assert_eq!(answer.status, expected(mode), "{mode} {number}");
            if number % 10 == 0 {
                verifies(&vestibule, &remote).await;
            }
        }
        landed(&vestibule).await;
        // The first pause is of 15 seconds, and they grow.
        let most = 1 + 1 + usize::try_from(started.elapsed().as_secs() / 15).unwrap();
        let made = lookups(&homeserver);
        assert!((2..=most).contains(&made), "{mode}: {made}");
        are_verified(&vestibule, before + 10.0).await;
    }
}
