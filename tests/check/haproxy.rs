//! HAProxy in front.

use super::deployment::{Deployment, Kind, stub};
use super::homeserver::Homeserver;
use super::nginx::Nginx;

/// A whole HAProxy that passes everything of Matrix on, with more rules in its frontend.
pub(crate) fn text(rules: &str) -> String {
    format!(
        "global
    expose-experimental-directives
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend web
    bind $listen ssl crt $folder/haproxy.pem alpn h2,http/1.1
    {rules}
    http-request set-header X-Forwarded-Proto https
    http-request set-header X-Forwarded-For %[src]
    acl matrix path_beg /_matrix /_synapse/client
    http-request return status 404 unless matrix
    default_backend synapse
backend synapse
    server one $stub
"
    )
}

/// nginx has the documents, HAProxy has port 8443 of `matrix.a.test`.
pub(crate) async fn deployed(text: &str, mut homeserver: Homeserver) -> Option<Deployment> {
    let with_port = |text: String| text.replace("matrix.a.test", "matrix.a.test:8443");
    let nginx = Nginx::default();
    let documents = Nginx {
        server_document: nginx.server_document.replace(":443", ":8443"),
        client_document: with_port(nginx.client_document),
        ..Nginx::default()
    };
    homeserver.base_url = "https://matrix.a.test:8443".into();
    let stub = homeserver.start().await;
    let mut deployment = Deployment::new().with_certificate();
    let web = deployment
        .start(Kind::Nginx, &documents.text(), stub)
        .await?;
    let matrix = deployment.start(Kind::Haproxy, text, stub).await?;
    deployment.route_all(web);
    for address in [super::deployment::V4, super::deployment::V6] {
        deployment.route(address, 8443, matrix);
    }
    Some(deployment)
}

async fn finds(rules: &str, ids: &[&str]) {
    if let Some(deployment) = deployed(&text(rules), Homeserver::new("a.test")).await {
        deployment.check_signed().await.finds(ids);
    }
}

#[tokio::test]
async fn a_healthy_one_is_clean() {
    finds("", &[]).await;
}

#[tokio::test]
async fn the_host_is_known_without_its_port_only() {
    finds(
        "http-request deny deny_status 404 unless { hdr(host) -i matrix.a.test }",
        &["http.host.port"],
    )
    .await;
}

#[tokio::test]
async fn slashes_are_merged() {
    finds(
        "http-request normalize-uri path-merge-slashes",
        &["path.merged"],
    )
    .await;
}

#[tokio::test]
async fn slashes_are_encoded_twice() {
    finds(
        "http-request set-path %[path,regsub(%2F,%252F,g)]",
        &["path.encoded"],
    )
    .await;
}

#[tokio::test]
async fn escapes_change_their_case() {
    finds(
        "http-request normalize-uri percent-to-uppercase",
        &["path.case"],
    )
    .await;
}

#[tokio::test]
async fn queries_are_sorted() {
    finds(
        "http-request set-query %[query,regsub(\\+,%20,g)] if { query -m found }",
        &["path.query"],
    )
    .await;
}

#[tokio::test]
async fn parameters_of_paths_are_cut_off() {
    finds(
        "http-request set-path %[path,regsub(;.*,)]",
        &["path.parameters"],
    )
    .await;
}

#[tokio::test]
async fn slashes_are_merged_by_a_redirect() {
    finds(
        "http-request redirect code 301 location %[path,regsub(//,/,g)] if { path -m sub // }",
        &["path.redirected"],
    )
    .await;
}

#[tokio::test]
async fn a_password_is_wanted() {
    finds(
        "http-request auth unless { path_beg /_matrix/key /_matrix/client }",
        &["auth.challenge"],
    )
    .await;
}

#[tokio::test]
async fn authorization_is_stripped() {
    finds("http-request del-header Authorization", &["auth.stripped"]).await;
}

#[tokio::test]
async fn no_server_is_up() {
    let text = text("").replace("server one $stub", "");
    if let Some(deployment) = deployed(&text, Homeserver::new("a.test")).await {
        deployment.check().await.finds(&["http.upstream"]);
    }
}

#[tokio::test]
async fn no_tls_is_spoken() {
    let text = text("").replace("ssl crt $folder/haproxy.pem alpn h2,http/1.1", "");
    if let Some(deployment) = deployed(&text, Homeserver::new("a.test")).await {
        deployment.check().await.finds(&["tls.plain"]);
    }
}

#[tokio::test]
async fn it_is_silent() {
    // Takes connections, and nothing from them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = text("").replace("$stub", &silent.local_addr().unwrap().to_string());
    if let Some(mut deployment) = deployed(&text, Homeserver::new("a.test")).await {
        deployment.arguments = vec!["--timeout".into(), "1".into()];
        deployment.check().await.finds(&["http.silent"]);
    }
}

#[tokio::test]
async fn the_addresses_have_other_keys() {
    let Some(mut deployment) = deployed(&text(""), Homeserver::new("a.test")).await else {
        return;
    };
    let mut other = Homeserver::new("a.test");
    other.seed = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let listen = deployment
        .start(Kind::Haproxy, &text(""), other.start().await)
        .await
        .unwrap();
    deployment
        .routes
        .retain(|(published, _)| published != "[2001:db8::1]:8443");
    deployment.route(super::deployment::V6, 8443, listen);
    deployment.check().await.finds(&["key.consistent"]);
}

#[tokio::test]
async fn a_stub_alone_is_not_reached() {
    // The stub speaks no TLS, and is no proxy: what a homeserver without one looks like.
    let mut deployment = Deployment::new();
    let stub = stub().await;
    for address in [super::deployment::V4, super::deployment::V6] {
        deployment.route(address, 443, super::program::free_address());
        deployment.route(address, 8448, stub);
    }
    deployment.check().await.finds(&["tls.plain"]);
}
