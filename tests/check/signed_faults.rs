//! What only signed requests show: rules about requests that nobody without the key can send.

use super::haproxy::{deployed, text};
use super::homeserver::Homeserver;

async fn finds(rules: &str, id: &str) {
    if let Some(deployment) = deployed(&text(rules), Homeserver::new("a.test")).await {
        deployment.check_signed().await.finds(&[id]);
    }
}

#[tokio::test]
async fn user_ids_in_queries_look_like_an_attack() {
    finds("http-request deny if { query -m sub %40 }", "sig.refused").await;
}

#[tokio::test]
async fn put_is_no_method_for_federation() {
    finds(
        "http-request deny if { method PUT } { path_beg /_matrix/federation }",
        "sig.put",
    )
    .await;
}

#[tokio::test]
async fn bodies_must_be_ascii() {
    let rules = "option http-buffer-request
    http-request deny if { req.body -m sub Gr\u{fc}\u{df}e }";
    finds(rules, "sig.unicode").await;
}

#[tokio::test]
async fn large_bodies_look_like_an_attack() {
    finds(
        "http-request deny if { req.hdr(content-length) -m int gt 1048576 }",
        "sig.large",
    )
    .await;
}

#[tokio::test]
async fn bodies_need_a_length() {
    finds(
        "http-request deny if { req.hdr(transfer-encoding) -m found }",
        "sig.chunked",
    )
    .await;
}

#[tokio::test]
async fn bodies_need_a_type() {
    finds(
        "http-request deny if { method PUT } !{ req.hdr(content-type) -m found }",
        "sig.type",
    )
    .await;
}
