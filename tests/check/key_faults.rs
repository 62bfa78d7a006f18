//! Signing keys, and the clock.

use serde_json::json;

use super::authority::Wanted;
use super::deployment::{Deployment, Kind};
use super::dns::address;
use super::homeserver::Homeserver;
use super::nginx::Nginx;

/// nginx in front of this homeserver.
pub(crate) async fn deployed(homeserver: Homeserver) -> Option<Deployment> {
    let stub = homeserver.start().await;
    Nginx::default().deploy_before(stub).await
}

async fn finds(change: impl FnOnce(&mut Homeserver), ids: &[&str]) {
    let mut homeserver = Homeserver::new("a.test");
    change(&mut homeserver);
    if let Some(deployment) = deployed(homeserver).await {
        deployment.check().await.finds(ids);
    }
}

#[tokio::test]
async fn stale_keys() {
    finds(|stub| stub.keys_valid_for = -86_400, &["key.expired"]).await;
}

#[tokio::test]
async fn keys_that_are_about_to_expire() {
    finds(|stub| stub.keys_valid_for = 600, &["key.expiring"]).await;
}

#[tokio::test]
async fn keys_of_another_server() {
    finds(
        |stub| stub.server_name = "matrix.a.test".into(),
        &["key.server_name"],
    )
    .await;
}

#[tokio::test]
async fn keys_that_were_rewritten() {
    finds(
        |stub| stub.spoil = |document| document["old_verify_keys"] = json!({ "x": 1 }),
        &["key.signature"],
    )
    .await;
}

#[tokio::test]
async fn no_keys() {
    finds(
        |stub| stub.alter = |document| document["verify_keys"] = json!({}),
        &["key.none"],
    )
    .await;
}

#[tokio::test]
async fn a_key_that_signs_for_anybody() {
    finds(
        |stub| {
            stub.alter = |document| {
                let zero = "A".repeat(43);
                document["verify_keys"]["ed25519:zero"] = json!({ "key": zero });
            };
        },
        &["key.point"],
    )
    .await;
}

#[tokio::test]
async fn keys_for_a_month() {
    let mut stub = Homeserver::new("a.test");
    stub.keys_valid_for = 30 * 86_400;
    if let Some(deployment) = deployed(stub).await {
        deployment.check().await.informs("key.long");
    }
}

#[tokio::test]
async fn a_published_key() {
    finds(
        |stub| {
            stub.alter = |document| {
                document["verify_keys"]["ed25519:ess"] =
                    json!({ "key": "l/O9hxMVKB6Lg+3Hqf0FQQZhVESQcMzbPN1Cz2nM3og" });
            };
        },
        &["key.banned"],
    )
    .await;
}

#[tokio::test]
async fn a_clock_that_is_ahead() {
    // nginx has a clock of its own.
    let mut stub = Homeserver::new("a.test");
    stub.skew = 7200;
    if let Some(deployment) = super::haproxy::deployed(&super::haproxy::text(""), stub).await {
        deployment.check().await.finds(&["key.skew"]);
    }
}

#[tokio::test]
async fn another_key_than_the_one_given() {
    let homeserver = Homeserver::new("a.test");
    let Some(mut deployment) = deployed(homeserver).await else {
        return;
    };
    let other = "ed25519 zoo AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
    let key = deployment.write("other.key", other);
    deployment
        .arguments
        .extend(["--signing-key".into(), key.display().to_string()]);
    deployment.check().await.finds(&["sig.key"]);
}

/// `a.test` behind nginx, and `n.test` at port 8448, which has these keys of it.
async fn checked_with_notary(known: Vec<serde_json::Value>) -> Option<super::report::Report> {
    const AT: &str = "198.51.100.7";
    let mut deployment = deployed(Homeserver::new("a.test")).await?;
    let made = deployment.authority.make(&Wanted::new(&["n.test"]));
    deployment.write_certificate("notary", &made);
    let mut notary = Homeserver::new("n.test");
    notary.known = known;
    let text = super::haproxy::text("");
    let listen = deployment
        .start(Kind::Haproxy, &text, notary.start().await)
        .await?;
    deployment.zone.push(address("n.test", AT));
    deployment.route(AT, 443, super::program::free_address());
    deployment.route(AT, 8448, listen);
    deployment
        .arguments
        .extend(["--notary".into(), "n.test".into()]);
    Some(deployment.check().await)
}

#[tokio::test]
async fn a_notary_knows_the_keys() {
    let keys = Homeserver::new("a.test").keys();
    if let Some(report) = checked_with_notary(vec![keys]).await {
        report.finds(&[]);
        assert_eq!(
            report.json["notary"]["keys"],
            report.json["connections"][0]["keys"]
        );
    }
}

#[tokio::test]
async fn a_notary_has_other_keys() {
    let mut old = Homeserver::new("a.test").keys();
    old["verify_keys"] = json!({ "ed25519:zoo": { "key": "A".repeat(43) } });
    if let Some(report) = checked_with_notary(vec![old]).await {
        report.finds(&["key.notary"]);
        let remedy = report.remedy("key.notary");
        assert!(remedy.starts_with("curl https://n.test/_matrix/key/v2/query/a.test "));
    }
}

#[tokio::test]
async fn a_notary_cannot_fetch_the_keys() {
    if let Some(report) = checked_with_notary(Vec::new()).await {
        report.finds(&["key.notary"]);
    }
}
