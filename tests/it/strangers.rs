//! What only servers may send, from whoever does not say to be one; and what is asked of a notary.

use crate::support::{Door, Homeserver, Request, Table, Vestibule, eventually};

const EVENT: &str = "/_matrix/federation/v1/event/$a";
const SEND: &str = "/_matrix/federation/v1/send/1";
const NOTARY: &str = "/_matrix/key/v2/query";

fn with(federation: &str) -> String {
    format!("[federation]\n{federation}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_servers_alone_may_send_is_refused_as_synapse_would() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for request in [
        Request::get(EVENT),
        Request::put(SEND, "{\"pdus\":[]}"),
        Request::get(EVENT).field("Authorization", "Bearer syt_t"),
        Request::post("/_matrix/federation/v1/publicRooms", "{}"),
    ] {
        for answer in [
            vestibule.ask(Door::Tls, &request).await,
            vestibule.ask_h2(Door::Federation, &request).await,
        ] {
            assert_eq!(answer.status, 401);
            let expected =
                r#"{"errcode":"M_UNAUTHORIZED","error":"Missing Authorization headers"}"#;
            assert_eq!(answer.text(), expected);
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }
    homeserver.assert_untouched();
    let refused = async || {
        let labels = ["reason=\"no_credentials\""];
        vestibule.metric("vestibule_refusals_total", &labels).await
    };
    eventually("all are counted", async || refused().await >= 8.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_anything_of_a_server_is_for_the_homeserver_to_judge() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut table = Table::default();
    for credentials in [
        "X-Matrix",
        "x-matrix origin=a.test",
        "X-Matrix origin=a.test,origin=b",
    ] {
        let request = Request::get(EVENT).field("Authorization", credentials);
        let answer = vestibule.ask(Door::Tls, &request).await;
        table.row(credentials, &answer.status, &200);
    }
    for open in [
        "/_matrix/federation/v1/version",
        "/_matrix/federation/v1/openid/userinfo",
    ] {
        let answer = vestibule.ask(Door::Tls, &Request::get(open)).await;
        table.row(open, &answer.status, &200);
    }
    table.assert_right(5);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_passes_where_signatures_are_off_or_only_tried() {
    for (federation, is_tried) in [("signatures = \"off\"", false), ("dry_run = true", true)] {
        let homeserver = Homeserver::start().await;
        let vestibule = Vestibule::start(&homeserver, &with(federation)).await;
        let answer = vestibule.ask(Door::Tls, &Request::get(EVENT)).await;
        assert_eq!(answer.status, 200, "{federation}");
        if is_tried {
            let labels = ["reason=\"no_credentials\""];
            let counted = async || {
                vestibule
                    .metric("vestibule_dry_run_refusals_total", &labels)
                    .await
            };
            eventually("it is counted", async || counted().await >= 1.0).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notary_is_asked_about_a_hundred_servers_at_most() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let query = |servers: u32| {
        let servers = (0..servers).map(|n| format!("\"s{n}.test\":{{\"ed25519:a\":{{}}}}"));
        let servers: Vec<String> = servers.collect();
        Request::post(
            NOTARY,
            format!("{{\"server_keys\":{{{}}}}}", servers.join(",")),
        )
    };
    assert_eq!(vestibule.ask(Door::Tls, &query(100)).await.status, 200);
    assert_eq!(homeserver.requests().len(), 1);
    for answer in [
        vestibule.ask(Door::Tls, &query(101)).await,
        vestibule.ask_h2(Door::Tls, &query(101)).await,
    ] {
        answer.assert_error(413, "M_TOO_LARGE");
    }
    // Where the homeserver has heard of them, it has not heard all, and does nothing.
    let whole = homeserver.requests().iter().filter(|r| r.whole).count();
    assert_eq!(whole, 1);
}
