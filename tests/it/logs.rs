//! Who asked, as the access log tells; what a flood writes; and the context of traces.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::support::binary::Binary;
use crate::support::{Answer, Door, Homeserver, Request, Vestibule, eventually};

// Of Synapse 1.163.2, for @alice on two devices, and for @bob.smith.
const ALICE: &str = "syt_YWxpY2U_GGRHnzBMccBqNsjLRLXk_0ILxXw";
const ALICE_TOO: &str = "syt_YWxpY2U_kXYSpwYNFlPtmcIQDPWy_2W6756";
const BOB: &str = "syt_Ym9iLnNtaXRo_kXYSpwYNFlPtmcIQDPWy_2W6756";

/// What the access log of a new process calls the users of these tokens.
async fn users(tokens: &[&str]) -> Vec<String> {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut users = Vec::new();
    for token in tokens {
        let request = Request::get("/_matrix/client/v3/rooms/!r:x/members");
        let request = request.field("Authorization", &format!("Bearer {token}"));
        vestibule.ask(Door::Plain, &request).await;
        let written = async || vestibule.access_log().len() > users.len();
        eventually("the record is written", written).await;
        let record = vestibule.access_log().pop().unwrap();
        users.push(record["user"].as_str().unwrap().to_owned());
    }
    users
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_one_hash_in_the_log_of_one_process() {
    let users_of_one = users(&[ALICE, ALICE_TOO, BOB, "mat_opaque", "mat_opaque"]).await;
    let [alice, alice_too, bob, opaque, same] = &users_of_one[..] else {
        panic!("{users_of_one:?}");
    };
    assert_eq!((alice, opaque), (alice_too, same));
    let different: BTreeSet<_> = [alice, bob, opaque].into();
    assert_eq!(different.len(), 3, "{users_of_one:?}");
    let is_hash = |user: &String| user.len() == 16 && user.bytes().all(|b| b.is_ascii_hexdigit());
    assert!(users_of_one.iter().all(is_hash), "{users_of_one:?}");
    let of_another = users(&[ALICE]).await;
    assert_ne!(of_another.first(), Some(alice));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_token_has_no_user() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let request = Request::get("/_matrix/client/versions");
    vestibule.ask(Door::Plain, &request).await;
    eventually("the record", async || vestibule.access_log().len() == 1).await;
    assert_eq!(vestibule.access_log()[0]["user"], serde_json::Value::Null);
}

fn warnings(binary: &Binary) -> u64 {
    let output = binary.output();
    let is_warning = |line: &&str| line.contains(" WARN ") || line.contains(" ERROR ");
    output.lines().filter(is_warning).count() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_bad_requests_does_not_fill_the_log() {
    const FLOOD: usize = 300;
    let homeserver = Homeserver::start().await;
    homeserver.route("POST", "/", Answer::hang_up());
    let mut binary = Binary::start(&homeserver).await;
    let (before, begun) = (warnings(&binary), Instant::now());
    for number in 0..FLOOD {
        let bytes = match number % 3 {
            0 => b"GET /a b HTTP/1.1\r\n\r\n".to_vec(),
            1 => Request::get("/nowhere").bytes(),
            // The homeserver does what it should not.
            _ => Request::post("/_matrix/client/v3/createRoom", "{}").bytes(),
        };
        let mut client = binary.raw().await;
        client.send(bytes).await;
        client.try_response().await;
    }
    binary.signal("TERM");
    binary.ended().await;
    let lines = binary
        .output()
        .lines()
        .filter(|l| l.contains("\"status\":"))
        .count();
    assert_eq!(lines, FLOOD, "the access log has them all");
    // One a second about one upstream, and a few at the end.
    let most = begun.elapsed().as_secs() + 3;
    let written = warnings(&binary) - before;
    assert!(written <= most, "{written} lines, more than {most}");
    assert!(written > 0, "what the homeserver does is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_context_of_a_trace_goes_on_as_it_came() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let state = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";
    let request = Request::get("/_matrix/client/v3/capabilities")
        .field("traceparent", parent)
        .field("tracestate", state);
    vestibule.ask(Door::Plain, &request).await;
    vestibule.ask_h2(Door::Tls, &request).await;
    for request in homeserver.requests() {
        assert_eq!(request.header("traceparent").as_deref(), Some(parent));
        assert_eq!(request.header("tracestate").as_deref(), Some(state));
    }
    assert_eq!(homeserver.requests().len(), 2);
    let plain = Request::get("/_matrix/client/v3/capabilities");
    vestibule.ask(Door::Plain, &plain).await;
    assert_eq!(homeserver.last_request().header("traceparent"), None);
}
