//! Names, SRV records and addresses.

use std::net::SocketAddr;

use super::deployment::{Deployment, Kind, V4, V6, stub};
use super::dns::{Record, Zone, address};
use super::haproxy;
use super::nginx::Nginx;
use super::program::free_address;

/// `a.test` without a web server, reached on `port` of the target of SRV records.
async fn by_srv(zone: Zone, port: u16) -> Option<Deployment> {
    let mut deployment = Deployment::new().with_certificate();
    deployment.zone = zone;
    let listen = deployment
        .start(Kind::Haproxy, &haproxy::text(""), stub().await)
        .await?;
    deployment.route(V4, port, listen);
    deployment.route(V4, 443, free_address());
    Some(deployment)
}

fn service(name: &'static str, target: &'static str) -> (&'static str, Record) {
    (name, Record::Service(10, 5, 449, target))
}

const FED: &str = "_matrix-fed._tcp.a.test";
const OLD: &str = "_matrix._tcp.a.test";

async fn finds(zone: Zone, ids: &[&str]) {
    if let Some(deployment) = by_srv(zone, 449).await {
        deployment.check().await.finds(ids);
    }
}

#[tokio::test]
async fn both_records_are_fine() {
    let zone = vec![
        address("a.test", V4),
        address("fed.a.test", V4),
        service(FED, "fed.a.test"),
        service(OLD, "fed.a.test"),
    ];
    finds(zone, &[]).await;
}

#[tokio::test]
async fn there_is_no_ipv6() {
    let zone = vec![address("a.test", V4)];
    if let Some(deployment) = by_srv(zone, 8448).await {
        deployment.check().await.informs("addr.no_ipv6");
    }
}

#[tokio::test]
async fn only_the_deprecated_record() {
    let zone = vec![
        address("a.test", V4),
        address("fed.a.test", V4),
        service(OLD, "fed.a.test"),
    ];
    finds(zone, &["srv.deprecated"]).await;
}

#[tokio::test]
async fn the_records_differ() {
    let zone = vec![
        address("a.test", V4),
        address("fed.a.test", V4),
        service(FED, "fed.a.test"),
        service(OLD, "old.a.test"),
    ];
    finds(zone, &["srv.differ"]).await;
}

#[tokio::test]
async fn the_target_is_an_alias() {
    let alias = ("fed.a.test", Record::Alias("real.a.test"));
    let zone = vec![
        address("a.test", V4),
        address("real.a.test", V4),
        alias,
        service(FED, "fed.a.test"),
    ];
    finds(zone, &["srv.cname"]).await;
}

#[tokio::test]
async fn the_service_is_declined() {
    let declined = (FED, Record::Service(0, 0, 0, "."));
    finds(vec![address("a.test", V4), declined], &["srv.dot"]).await;
}

#[tokio::test]
async fn the_target_has_no_address() {
    finds(
        vec![address("a.test", V4), service(FED, "gone.a.test")],
        &["dns.none"],
    )
    .await;
}

#[tokio::test]
async fn the_look_up_of_the_record_fails() {
    let zone = vec![address("a.test", V4), (FED, Record::Failure)];
    if let Some(deployment) = by_srv(zone, 8448).await {
        deployment.check().await.finds(&["srv.failed"]);
    }
}

#[tokio::test]
async fn the_name_does_not_exist() {
    Deployment::new()
        .check_name("gone.test")
        .await
        .finds(&["dns.none"]);
}

#[tokio::test]
async fn the_name_server_fails() {
    let mut deployment = Deployment::new();
    deployment.zone = vec![("a.test", Record::Failure)];
    deployment.check().await.finds(&["dns.failed"]);
}

#[tokio::test]
async fn all_look_ups_fail() {
    let mut deployment = Deployment::new();
    let failing = [FED, OLD, "a.test"].map(|name| (name, Record::Failure));
    deployment.zone = failing.to_vec();
    deployment.check().await.finds(&["dns.failed"]);
}

#[tokio::test]
async fn nothing_listens() {
    let mut deployment = Deployment::new();
    for (address, port) in [(V4, 443), (V6, 443), (V4, 8448), (V6, 8448)] {
        deployment.route(address, port, free_address());
    }
    deployment.check().await.finds(&["addr.dead"]);
}

#[tokio::test]
async fn ipv6_is_dead() {
    let Some(mut deployment) = Nginx::default().deploy().await else {
        return;
    };
    let closed: SocketAddr = free_address();
    deployment
        .routes
        .retain(|(published, _)| !published.starts_with('['));
    deployment.route(V6, 443, closed);
    deployment.check().await.finds(&["addr.ipv6"]);
}

#[tokio::test]
async fn a_private_address_is_not_connected_to() {
    let mut deployment = Deployment::new();
    deployment.zone = vec![address("a.test", "10.1.2.3")];
    let network = deployment.network().await;
    let mut arguments: Vec<_> = network
        .into_iter()
        .filter(|one| one != "--allow-private")
        .collect();
    arguments.extend(["--json".to_owned(), "a.test".to_owned()]);
    super::deployment::run(arguments)
        .await
        .finds(&["dns.private"]);
}

#[tokio::test]
async fn a_private_address_is_delegated_to() {
    let nginx = Nginx {
        server_document: super::nginx::document("{\"m.server\": \"10.1.2.3:8448\"}"),
        ..Nginx::default()
    };
    if let Some(deployment) = nginx.deploy().await {
        let network = deployment.network().await;
        let mut arguments: Vec<_> = network
            .into_iter()
            .filter(|one| one != "--allow-private")
            .collect();
        arguments.extend(["--json".to_owned(), "a.test".to_owned()]);
        super::deployment::run(arguments)
            .await
            .finds(&["wk.body.private"]);
    }
}
