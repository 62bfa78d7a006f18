//! Limits that keep one sender from eating what others need: who waits, how long, and what for.

use serde_json::Value;

use crate::support::{Answer, Door, Gate, Homeserver, Raw, Request, Vestibule, eventually};

const STATE: &str = "/_matrix/federation/v1/state_ids/!r:x?event_id=$e";

/// Whoever connects says for whom.
const PROXY: &str = "trusted_proxies = [\"127.0.0.0/8\"]\n";

/// A request that says to come from `origin`, at an address of its own.
fn of(origin: u32, request: Request) -> Request {
    let signature = "A".repeat(86);
    let value = format!("X-Matrix origin=s{origin}.test,key=ed25519:a,sig={signature}");
    let [_, a, b, c] = origin.to_be_bytes();
    request
        .field("Authorization", &value)
        .field("X-Forwarded-For", &format!("10.{a}.{b}.{c}"))
}

/// A homeserver that answers federation requests once the gate is open.
async fn gated() -> (Homeserver, Gate) {
    let homeserver = Homeserver::start().await;
    let gate = Gate::new();
    let answer = Answer::json(200, "{}").after(&gate);
    homeserver.route("*", "/_matrix/federation", answer);
    (homeserver, gate)
}

/// One that is on its way, on a connection of its own.
async fn begin(vestibule: &Vestibule, request: &Request) -> Raw {
    let mut client = vestibule.raw(Door::Plain).await;
    client.send(request.bytes()).await;
    client
}

/// Waits until so many requests of a budget are in this state.
async fn until(vestibule: &Vestibule, budget: &str, state: &str, count: f64) {
    let what = format!("{count} of {budget} are {state}");
    eventually(&what, async || {
        let labels = [budget, state];
        let now = vestibule.metric("vestibule_budget_requests", &labels).await;
        (now - count).abs() < 0.5
    })
    .await;
}

fn limits(budget: &str, keys: &str) -> String {
    format!("[[traffic.budgets]]\nname = \"{budget}\"\n{keys}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_of_one_server_do_not_delay_another_one_s() {
    let (homeserver, gate) = gated().await;
    let few = limits("fed_state", "per_sender = 2\nin_all = 2\nmax_queued = 8000");
    let config = format!(
        "{PROXY}[limits]\nh2_streams = 2000\nrequests_per_address = 3000\n\
         [traffic]\nlocal_first = false\n{few}"
    );
    let vestibule = Vestibule::start(&homeserver, &config).await;
    let mut flood = vestibule.h2(Door::Tls).await;
    let mut pending = Vec::new();
    for _ in 0..1_000 {
        let (head, _) = of(1, Request::get(STATE)).to_http2();
        pending.push(flood.begin(head, true).await.unwrap());
    }
    until(&vestibule, "fed_state", "waiting", 998.0).await;
    let other = of(2, Request::get("/_matrix/federation/v1/state_ids/!other:x"));
    let mut other = begin(&vestibule, &other).await;
    until(&vestibule, "fed_state", "waiting", 999.0).await;
    gate.open();
    assert_eq!(other.response().await.status, 200);
    for one in pending {
        assert_eq!(one.response().await.unwrap().status, 200);
    }
    // Two were under way, and one of each sender goes in turn.
    let targets = homeserver.targets();
    let place = targets.iter().position(|target| target.contains("other"));
    assert!(place.unwrap() <= 5, "{place:?}");
    until(&vestibule, "fed_state", "active", 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_transaction_of_a_server_is_under_way_and_its_repetition_joins() {
    let (homeserver, gate) = gated().await;
    let vestibule = Vestibule::start(&homeserver, PROXY).await;
    let send = |origin, id: &str| {
        let target = format!("/_matrix/federation/v1/send/{id}");
        of(origin, Request::put(&target, "{}"))
    };
    let mut clients = vec![begin(&vestibule, &send(1, "a")).await];
    homeserver.begun(0).await;
    // The same again, as a server does that has heard nothing.
    clients.push(begin(&vestibule, &send(1, "a")).await);
    homeserver.begun(1).await;
    clients.push(begin(&vestibule, &send(1, "b")).await);
    until(&vestibule, "fed_txn", "waiting", 1.0).await;
    // Another server does not wait for it.
    clients.push(begin(&vestibule, &send(2, "a")).await);
    homeserver.begun(2).await;
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().await.status, 200);
    }
    let targets = homeserver.targets();
    assert!(targets[3].ends_with("/b"), "{targets:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_waited_for_long_enough_is_refused_put_off_or_passed_on() {
    let (homeserver, gate) = gated().await;
    let keys = "per_sender = 1\nmax_wait = \"50ms\"";
    let config: String = ["fed_query", "fed_state", "fed_keys"]
        .map(|budget| limits(budget, keys))
        .concat();
    let vestibule = Vestibule::start(&homeserver, &format!("{PROXY}{config}")).await;
    for (target, status) in [
        ("/_matrix/federation/v1/query/profile?user_id=@a:x", 429),
        (STATE, 503),
    ] {
        let request = of(1, Request::get(target));
        let _active = begin(&vestibule, &request).await;
        let active = if status == 429 {
            "fed_query"
        } else {
            "fed_state"
        };
        until(&vestibule, active, "active", 1.0).await;
        let answer = vestibule.ask(Door::Plain, &request).await;
        assert_eq!(answer.status, status, "{target}");
        assert_eq!(answer.header("retry-after"), Some("5"));
        let body: Value = serde_json::from_str(&answer.text()).unwrap();
        if status == 429 {
            assert_eq!(body["errcode"], "M_LIMIT_EXCEEDED");
            assert_eq!(body["retry_after_ms"], 5_000);
        }
    }
    let devices = of(1, Request::get("/_matrix/federation/v1/user/devices/@a:x"));
    let mut first = begin(&vestibule, &devices).await;
    until(&vestibule, "fed_keys", "active", 1.0).await;
    let mut second = begin(&vestibule, &devices).await;
    until(&vestibule, "fed_keys", "active", 2.0).await;
    gate.open();
    assert_eq!(first.response().await.status, 200);
    assert_eq!(second.response().await.status, 200);
    let log = vestibule.state().join("access.log");
    eventually("the wait is in the log", async || {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        log.contains("over_budget") && log.contains("shaped_ms")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_servers_take_bounded_room_and_are_forgotten() {
    let (homeserver, _gate) = gated().await;
    let few = limits("fed_state", "in_all = 4\nmax_queued = 80");
    let config = format!("[traffic]\nlocal_first = false\n{few}");
    let vestibule = Vestibule::start(&homeserver, &config).await;
    // All at one address.
    let mut clients = Vec::new();
    for origin in 0..200 {
        clients.push(begin(&vestibule, &of(origin, Request::get(STATE))).await);
    }
    // Four are active and a quarter of the places is theirs; all others have their answer.
    until(&vestibule, "fed_state", "active", 4.0).await;
    until(&vestibule, "fed_state", "waiting", 20.0).await;
    let refused = ["fed_state", "upstream_busy"];
    eventually("the others are put off", async || {
        let name = "vestibule_shaped_requests_total";
        vestibule.metric(name, &refused).await >= 176.0
    })
    .await;
    let status: Value = serde_json::from_str(&vestibule.admin("/status").await.text()).unwrap();
    let budgets = &status["sites"][0]["traffic"]["budgets"];
    let mut budgets = budgets.as_array().unwrap().iter();
    let state = budgets.find(|row| row["budget"] == "fed_state").unwrap();
    assert_eq!(state["senders"], 24, "{state}");
    // Who leaves gives up its place at once.
    drop(clients);
    until(&vestibule, "fed_state", "waiting", 0.0).await;
    until(&vestibule, "fed_state", "active", 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notary_is_asked_two_things_at_a_time_by_one_address_and_eight_by_all() {
    let homeserver = Homeserver::start().await;
    let gate = Gate::new();
    let answer = Answer::json(200, "{\"server_keys\":[]}").after(&gate);
    homeserver.route("POST", "/_matrix/key/v2/query", answer);
    // Where our own users are not served any slower than usual, and all the room is given.
    let config = format!("{PROXY}traffic.local_first = false");
    let vestibule = Vestibule::start(&homeserver, &config).await;
    let question = |address: &str| {
        Request::post("/_matrix/key/v2/query", "{\"server_keys\":{\"a.test\":{}}}")
            .field("X-Forwarded-For", address)
    };
    let mut clients = Vec::new();
    for _ in 0..30 {
        clients.push(begin(&vestibule, &question("192.0.2.1")).await);
    }
    until(&vestibule, "key_notary", "waiting", 28.0).await;
    until(&vestibule, "key_notary", "active", 2.0).await;
    for number in 0..30 {
        let question = question(&format!("198.51.100.{number}"));
        clients.push(begin(&vestibule, &question).await);
    }
    until(&vestibule, "key_notary", "waiting", 52.0).await;
    until(&vestibule, "key_notary", "active", 8.0).await;
    homeserver.begun(7).await;
    assert_eq!(homeserver.requests().len(), 8);
    gate.open();
    for client in &mut clients {
        let status = client.response().await.status;
        assert!([200, 429].contains(&status), "{status}");
    }
    until(&vestibule, "key_notary", "active", 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_slowly_or_leaves_keeps_nobody_waiting() {
    let homeserver = Homeserver::start().await;
    let large = vec![b'x'; 8 << 20];
    let answer = Answer::with(200, &[("Content-Type", "image/png")], &large);
    homeserver.route("GET", "/_matrix/federation/v1/media/download", answer);
    let one = limits("fed_media", "per_sender = 1\nin_all = 1");
    let vestibule = Vestibule::start(&homeserver, &format!("{PROXY}{one}")).await;
    let target = "/_matrix/federation/v1/media/download/abc";
    let download = of(1, Request::get(target));
    // They have an answer and take nothing of it.
    let mut slow = Vec::new();
    for count in 0..3 {
        slow.push(begin(&vestibule, &download).await);
        homeserver.begun(count).await;
    }
    // Those that wait when it is answered no more: one leaves, the next has its turn.
    let gate = Gate::new();
    let answer = Answer::json(200, "{}").after(&gate);
    homeserver.route("GET", target, answer);
    let _active = begin(&vestibule, &download).await;
    homeserver.begun(3).await;
    let leaves = begin(&vestibule, &download).await;
    until(&vestibule, "fed_media", "waiting", 1.0).await;
    let mut stays = begin(&vestibule, &download).await;
    until(&vestibule, "fed_media", "waiting", 2.0).await;
    drop(leaves);
    until(&vestibule, "fed_media", "waiting", 1.0).await;
    gate.open();
    assert_eq!(stays.response().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_too_fast_is_spread_and_networks_can_be_exempt() {
    let homeserver = Homeserver::start().await;
    let slow = limits("fed_query", "requests_per_second = 2\nmax_wait = \"20s\"");
    let exempt = "[traffic.exempt]\nnetworks = [\"10.0.0.9\"]\n";
    let vestibule = Vestibule::start(&homeserver, &format!("{PROXY}{slow}{exempt}")).await;
    let query = "/_matrix/federation/v1/query/profile?user_id=@a:x";
    // Ten at once, then one in half a second.
    for origin in [1, 9] {
        let mut client = vestibule.raw(Door::Plain).await;
        for _ in 0..13 {
            let answer = client.ask(&of(origin, Request::get(query))).await;
            assert_eq!(answer.status, 200);
        }
        let name = "vestibule_shaped_requests_total";
        let shaped = vestibule.metric(name, &["fed_query"]).await;
        assert!((1.0..=3.0).contains(&shaped), "{origin}: {shaped}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_limited_by_what_they_are_for() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let large = "x".repeat(300 << 10);
    let missing = "/_matrix/federation/v1/get_missing_events/!r:x";
    let answer = vestibule
        .ask(Door::Plain, &of(1, Request::post(missing, large.clone())))
        .await;
    assert_eq!(answer.status, 413);
    homeserver.assert_untouched();
    // Never where the sender would not come back.
    let send = "/_matrix/federation/v1/send/1";
    let answer = vestibule
        .ask(Door::Plain, &of(1, Request::put(send, large)))
        .await;
    assert_eq!(answer.status, 200);
}
