//! Server names that are none, or none of the best.

use super::deployment::{Deployment, Kind, V4, V6};
use super::haproxy;
use super::homeserver::Homeserver;
use super::nginx::Nginx;

#[tokio::test]
async fn no_server_name() {
    let report = Deployment::new().check_name("https://a.test").await;
    report.finds(&["name.invalid"]);
}

#[tokio::test]
async fn capital_letters() {
    if let Some(deployment) = Nginx::default().deploy().await {
        let report = deployment.check_name("A.test").await;
        report.finds(&["name.case"]);
        assert!(
            report
                .remedy("name.case")
                .starts_with("server_name: a.test ")
        );
    }
}

#[tokio::test]
async fn a_dot_at_the_end() {
    if let Some(deployment) = Nginx::default().deploy().await {
        let report = deployment.check_name("a.test.").await;
        report.finds(&["name.trailing_dot"]);
    }
}

#[tokio::test]
async fn a_port() {
    let mut deployment = Deployment::new().with_certificate();
    let stub = Homeserver::new("a.test:8448").start().await;
    let text = haproxy::text("");
    let Some(listen) = deployment.start(Kind::Haproxy, &text, stub).await else {
        return;
    };
    for address in [V4, V6] {
        deployment.route(address, 443, super::program::free_address());
        deployment.route(address, 8448, listen);
    }
    deployment
        .check_name("a.test:8448")
        .await
        .finds(&["name.port"]);
}
