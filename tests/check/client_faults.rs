//! What clients meet, and what the homeserver believes of the connection.

use super::homeserver::Homeserver;
use super::key_faults::deployed;
use super::nginx::{Nginx, location};

async fn finds(change: impl FnOnce(&mut Nginx), id: &str) {
    let mut nginx = Nginx::default();
    change(&mut nginx);
    if let Some(report) = nginx.report().await {
        report.finds(&[id]);
    }
}

/// A document for clients.
fn document(body: &str) -> String {
    format!(
        "location = /.well-known/matrix/client {{
            default_type application/json; add_header Access-Control-Allow-Origin '*';
            return 200 '{body}'; }}"
    )
}

const GOOD: &str = "\"m.homeserver\": {\"base_url\": \"https://matrix.a.test\"}";

#[tokio::test]
async fn the_document_is_forbidden() {
    let forbidden = "location = /.well-known/matrix/client { return 403; }";
    finds(
        |nginx| nginx.client_document = forbidden.into(),
        "client.wk.status",
    )
    .await;
}

#[tokio::test]
async fn the_document_has_a_name_for_a_url() {
    let name = document("{\"m.homeserver\": {\"base_url\": \"matrix.a.test\"}}");
    finds(|nginx| nginx.client_document = name, "client.wk.base_url").await;
}

#[tokio::test]
async fn the_document_is_plain_text() {
    let text = document(&format!("{{{GOOD}}}")).replace("application/json", "text/plain");
    finds(|nginx| nginx.client_document = text, "client.wk.type").await;
}

#[tokio::test]
async fn a_service_of_the_document_is_gone() {
    let identity = "\"m.identity_server\": {\"base_url\": \"https://id.a.test\"}";
    let with_service = document(&format!("{{{GOOD}, {identity}}}"));
    let nginx = Nginx {
        client_document: with_service,
        ..Nginx::default()
    };
    if let Some(report) = nginx.report().await {
        report.finds(&["client.link"]);
        assert!(report.remedy("client.link").ends_with("https://id.a.test"));
    }
}

#[tokio::test]
async fn the_proxy_answers_preflights_by_half() {
    let half = "if ($request_method = OPTIONS) {
        add_header Access-Control-Allow-Origin '*'; return 204; }";
    finds(|nginx| nginx.matrix = location(half), "client.cors.headers").await;
}

#[tokio::test]
async fn the_support_document_is_empty() {
    let mut nginx = Nginx::default();
    nginx.client_document += "location = /.well-known/matrix/support {
        default_type application/json; return 200 '{}'; }";
    if let Some(report) = nginx.report().await {
        report.informs("support.schema");
    }
}

#[tokio::test]
async fn the_public_url_is_http() {
    let mut homeserver = Homeserver::new("a.test");
    homeserver.base_url = "http://matrix.a.test".into();
    if let Some(deployment) = deployed(homeserver).await {
        let report = deployment.check().await;
        report.finds(&["fwd.proto"]);
        let remedy = report.remedy("fwd.proto");
        assert!(remedy.starts_with("public_baseurl: https://matrix.a.test "));
    }
}

#[tokio::test]
async fn the_public_url_is_of_the_inner_network() {
    let mut homeserver = Homeserver::new("a.test");
    homeserver.base_url = "https://synapse".into();
    if let Some(deployment) = deployed(homeserver).await {
        deployment.check().await.finds(&["fwd.host"]);
    }
}

#[tokio::test]
async fn the_proxy_says_http() {
    let matrix = location("").replace("$scheme", "http");
    finds(|nginx| nginx.matrix = matrix, "fwd.loop").await;
}
