//! Signatures of other servers' requests.

use std::time::Duration;

use crate::support::{Answer, Door, Gate, Homeserver, Request, Sender, Vestibule, eventually};

const SEND: &str = "/_matrix/federation/v1/send/1";
const STATE: &str = "/_matrix/federation/v1/state_ids/%21r:example.com?event_id=%24a%2Fb";
const BODY: &str = r#"{"edus":[],"origin":"remote.test","pdus":[]}"#;

async fn start(homeserver: &Homeserver, mode: &str) -> Vestibule {
    Vestibule::start(homeserver, &format!("federation.signatures = \"{mode}\"")).await
}

/// What reached the homeserver of requests that are none for keys.
fn reached(homeserver: &Homeserver) -> Vec<String> {
    let targets = homeserver.targets().into_iter();
    targets.filter(|t| !t.contains("/key/")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_signed_gets_in_and_nobody_else() {
    let homeserver = Homeserver::start().await;
    let remote = Sender::new("remote.test");
    remote.publish(&homeserver);
    let vestibule = start(&homeserver, "enforce").await;
    for request in [
        remote.get(STATE),
        remote.put(SEND, BODY),
        // Not canonical: what is signed is made anew.
        Request::put(
            SEND,
            r#"{ "pdus": [], "edus": [], "origin": "remote.test" }"#,
        )
        .field(
            "Authorization",
            &remote.authorization("PUT", SEND, Some(BODY)),
        ),
    ] {
        assert_eq!(vestibule.ask(Door::Tls, &request).await.status, 200);
        assert_eq!(vestibule.ask_h2(Door::Tls, &request).await.status, 200);
    }
    assert_eq!(reached(&homeserver).len(), 6);
    let forged = Sender::new("other.test");
    let of_another = |text: &str| text.replace("other.test", "remote.test");
    for request in [
        // Signed by another, for another target, with another body, by nobody.
        Request::get(STATE).field(
            "Authorization",
            &of_another(&forged.authorization("GET", STATE, None)),
        ),
        Request::get(STATE).field(
            "Authorization",
            &remote.authorization(
                "GET",
                "/_matrix/federation/v1/state_ids/!r:example.com",
                None,
            ),
        ),
        Request::put(SEND, BODY).field(
            "Authorization",
            &remote.authorization("PUT", SEND, Some("{}")),
        ),
        Request::get(STATE).field("Authorization", "X-Matrix origin=remote.test"),
    ] {
        for answer in [
            vestibule.ask(Door::Tls, &request).await,
            vestibule.ask_h2(Door::Tls, &request).await,
        ] {
            answer.assert_error(401, "M_UNAUTHORIZED");
        }
    }
    homeserver.all_idle().await;
    let whole = homeserver.requests();
    let whole = whole
        .iter()
        .filter(|r| r.whole && !r.target().contains("/key/"));
    assert_eq!(whole.count(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_piece_waits_for_the_verdict() {
    let homeserver = Homeserver::start().await;
    let remote = Sender::new("remote.test");
    remote.publish(&homeserver);
    let vestibule = start(&homeserver, "enforce").await;
    vestibule.ask(Door::Plain, &remote.get(STATE)).await;
    let body = format!(
        r#"{{"edus":[{}],"pdus":[]}}"#,
        vec!["\"x\""; 100_000].join(",")
    );
    for (sent, is_right) in [(body.clone(), true), (body.replacen('x', "y", 1), false)] {
        let signed = remote.put(SEND, &body);
        let mut client = vestibule.raw(Door::Plain).await;
        let wire = String::from_utf8(signed.bytes()).unwrap();
        let (head, _) = wire.split_once("\r\n\r\n").unwrap();
        let (first, last) = sent.split_at(sent.len() - 3);
        let before = homeserver.requests().len();
        client.send(format!("{head}\r\n\r\n{first}")).await;
        homeserver.body_reaches(before, 100_000).await;
        client.send(last).await;
        let answer = client.response().await;
        if is_right {
            assert_eq!(answer.status, 200);
            assert_eq!(homeserver.received(before).await.body, body.as_bytes());
        } else {
            answer.assert_error(401, "M_UNAUTHORIZED");
            let seen = homeserver.abandoned(before).await;
            assert!(seen.body.len() < body.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_waits_for_no_key_and_refuses_what_is_wrong() {
    let homeserver = Homeserver::start().await;
    let remote = Sender::new("remote.test");
    let gate = Gate::new();
    let keys = remote.keys(Duration::from_hours(1));
    let answer = Answer::json(200, &format!("{{\"server_keys\":[{keys}]}}"));
    homeserver.route("POST", "/_matrix/key/v2/query", answer.after(&gate));
    let vestibule = start(&homeserver, "verify").await;
    let wrong = Request::put(SEND, BODY).field(
        "Authorization",
        &remote.authorization("PUT", SEND, Some("{}")),
    );
    // The key is on its way.
    assert_eq!(vestibule.ask(Door::Tls, &wrong).await.status, 200);
    gate.open();
    eventually("the key is there, and the request refused", async || {
        vestibule.ask(Door::Tls, &wrong).await.status == 401
    })
    .await;
    assert_eq!(
        vestibule
            .ask(Door::Tls, &remote.put(SEND, BODY))
            .await
            .status,
        200
    );
    let verified = vestibule
        .metric("vestibule_signatures_total", &["verified"])
        .await;
    assert!(verified >= 1.0);
    // Whose key nobody has passes.
    let stranger = Sender::new("stranger.test");
    assert_eq!(
        vestibule.ask(Door::Tls, &stranger.get(STATE)).await.status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_refuses_nothing_and_tells() {
    let homeserver = Homeserver::start().await;
    let config = "federation.signatures = \"enforce\"\nfederation.dry_run = true";
    let vestibule = Vestibule::start(&homeserver, config).await;
    let stranger = Sender::new("stranger.test");
    assert_eq!(
        vestibule.ask(Door::Tls, &stranger.get(STATE)).await.status,
        200
    );
    eventually("it is counted", async || {
        vestibule
            .metric("vestibule_dry_run_refusals_total", &["unproven"])
            .await
            >= 1.0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_carries_no_signature_is_open_to_all() {
    let homeserver = Homeserver::start().await;
    let vestibule = start(&homeserver, "enforce").await;
    for target in ["/_matrix/key/v2/server", "/_matrix/federation/v1/version"] {
        let answer = vestibule.ask(Door::Tls, &Request::get(target)).await;
        assert_eq!(answer.status, 200, "{target}");
    }
}
