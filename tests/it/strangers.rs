//! What only servers may send, from whoever does not say to be one; and what is asked of a notary.

use std::process::Command;

use crate::support::request::X_MATRIX;
use crate::support::{Answer, Door, Homeserver, Request, Table, Vestibule, eventually};

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

#[tokio::test(flavor = "multi_thread")]
async fn the_busiest_servers_are_listed_and_who_is_not_believed_stands_apart() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for _ in 0..3 {
        let request = Request::put(SEND, "{\"a\":1}").signed();
        assert_eq!(vestibule.ask(Door::Tls, &request).await.status, 200);
    }
    homeserver.route("GET", EVENT, Answer::json(401, "{}"));
    let forged = X_MATRIX.replace("a.test", "B.test");
    let forged = Request::get(EVENT).field("Authorization", &forged);
    assert_eq!(vestibule.ask(Door::Tls, &forged).await.status, 401);
    let listed = async || vestibule.admin("/origins").await.json();
    let total = async || {
        let listed = listed().await;
        let rows = listed.as_array().unwrap().iter();
        rows.map(|row| row["requests"].as_u64().unwrap())
            .sum::<u64>()
    };
    eventually("all are counted", async || total().await == 4).await;
    let rows = listed().await;
    let (a, b) = (&rows[0], &rows[1]);
    assert_eq!(
        (&a["origin"], &a["believed"]),
        (&"a.test".into(), &true.into())
    );
    assert_eq!((&a["requests"], &a["bytes_in"]), (&3.into(), &21.into()));
    assert_eq!(
        (&b["origin"], &b["believed"]),
        (&"b.test".into(), &false.into())
    );
    let page = vestibule.admin("/").await.text();
    assert!(page.contains("b.test<small>not proven</small>"), "{page}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vestibule.toml");
    let text = format!(
        "server_name = \"example.com\"\nhomeserver = \"{}\"\n[admin]\naddress = \"{}\"\n",
        homeserver.url(),
        vestibule.admin_address(),
    );
    std::fs::write(&file, text).unwrap();
    let asked = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        let asked = command
            .args(["origins", "--json", "--config"])
            .arg(&file)
            .output();
        (asked.unwrap(), folder)
    });
    let (output, _folder) = asked.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed[0]["origin"], "a.test");
    assert_eq!(printed[1]["refused"], 0);
}
