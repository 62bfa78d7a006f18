//! The documents below `/.well-known/matrix`.

use serde_json::{Value, json};

use crate::support::{Answer, Door, Homeserver, Request, Response, Table, Vestibule};

const SERVER: &str = "/.well-known/matrix/server";
const CLIENT: &str = "/.well-known/matrix/client";
const SUPPORT: &str = "/.well-known/matrix/support";
const POLICY_SERVER: &str = "/.well-known/matrix/policy_server";

const CONFIGURED: &str = r#"
delegate = "matrix.example.com:443"
[well_known]
max_age = "2h"
client = { identity_server = "https://vector.im", "io.element.e2ee" = { default = true } }
server = { "org.example.extra" = 1 }
support = { support_page = "https://example.com/help", contacts = [{ role = "m.role.admin", matrix_id = "@a:example.com" }] }
policy_server = { ed25519 = "6yhHGKhCiXTSEN2ksjV7kX/N6rBQZ3Xb+M7LlC6NS+s" }
"#;

fn documents() -> [(&'static str, Value); 4] {
    let contact = json!({ "role": "m.role.admin", "matrix_id": "@a:example.com" });
    [
        (
            SERVER,
            json!({ "m.server": "matrix.example.com:443", "org.example.extra": 1 }),
        ),
        (
            CLIENT,
            json!({
                "m.homeserver": { "base_url": "https://matrix.example.com" },
                "m.identity_server": { "base_url": "https://vector.im" },
                "io.element.e2ee": { "default": true },
            }),
        ),
        (
            SUPPORT,
            json!({ "contacts": [contact], "support_page": "https://example.com/help" }),
        ),
        (
            POLICY_SERVER,
            json!({ "public_keys": { "ed25519": "6yhHGKhCiXTSEN2ksjV7kX/N6rBQZ3Xb+M7LlC6NS+s" } }),
        ),
    ]
}

fn at(target: &str) -> Request {
    Request::get(target).host("example.com")
}

fn assert_readable(answer: &Response) {
    assert_eq!(
        answer.header("content-type"),
        Some("application/json"),
        "{answer:?}"
    );
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("*"),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_say_what_is_configured_at_every_door() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, CONFIGURED).await;
    for (target, document) in documents() {
        for door in [Door::Plain, Door::Tls, Door::Federation, Door::Redirect] {
            let over_1 = vestibule.ask(door, &at(target)).await;
            let over_2 = vestibule.ask_h2(door, &at(target)).await;
            for answer in [over_1, over_2] {
                assert_eq!(
                    (answer.status, answer.json()),
                    (200, document.clone()),
                    "{door:?}"
                );
                assert_readable(&answer);
                let cache = answer.header("cache-control").unwrap_or_default();
                assert!(cache.contains("max-age=7200"), "{answer:?}");
            }
        }
    }
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_lines_of_configuration_have_a_client_document_and_no_server_document() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "hosts = []").await;
    let client = vestibule.ask(Door::Tls, &at(CLIENT)).await;
    let document = json!({ "m.homeserver": { "base_url": "https://example.com" } });
    assert_eq!((client.status, client.json()), (200, document));
    for target in [SERVER, SUPPORT, POLICY_SERVER] {
        let over_1 = vestibule.ask(Door::Tls, &at(target)).await;
        let over_2 = vestibule.ask_h2(Door::Tls, &at(target)).await;
        for absent in [over_1, over_2] {
            absent.assert_error(404, "M_NOT_FOUND");
        }
    }
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_url_follows_the_delegation_unless_it_is_given() {
    let homeserver = Homeserver::start().await;
    let mut table = Table::default();
    for (config, base_url) in [
        (
            "delegate = \"matrix.example.com:443\"",
            "https://matrix.example.com",
        ),
        (
            "delegate = \"matrix.example.com:8443\"",
            "https://matrix.example.com:8443",
        ),
        (
            "[well_known]\nclient = { base_url = \"https://x.example.com/\" }",
            "https://x.example.com/",
        ),
    ] {
        let vestibule = Vestibule::start(&homeserver, config).await;
        let document = vestibule.ask(Door::Plain, &at(CLIENT)).await.json();
        table.row(
            config,
            &document["m.homeserver"]["base_url"].as_str(),
            &Some(base_url),
        );
    }
    table.assert_right(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_reading_methods_are_allowed() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, CONFIGURED).await;
    for (target, _) in documents() {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let request = Request::new(method, target).host("example.com").body("{}");
            let over_1 = vestibule.ask(Door::Plain, &request).await;
            let over_2 = vestibule.ask_h2(Door::Tls, &request).await;
            for answer in [over_1, over_2] {
                answer.assert_error(405, "M_UNRECOGNIZED");
                let allow = answer.header("allow").unwrap_or_default();
                assert!(
                    ["GET", "HEAD", "OPTIONS"].iter().all(|m| allow.contains(m)),
                    "{allow}"
                );
            }
        }
    }
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_is_answered() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, CONFIGURED).await;
    for (target, _) in documents() {
        let request = Request::new("OPTIONS", target)
            .host("example.com")
            .field("Origin", "https://app.element.io")
            .field("Access-Control-Request-Method", "GET");
        let answer = vestibule.ask(Door::Tls, &request).await;
        assert!(matches!(answer.status, 200 | 204), "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert!(
            answer
                .header("access-control-allow-methods")
                .unwrap()
                .contains("GET")
        );
        assert!(
            answer
                .header("access-control-allow-headers")
                .unwrap()
                .contains("Authorization")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_get_without_the_body() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, CONFIGURED).await;
    for (target, _) in documents() {
        let mut client = vestibule.raw(Door::Plain).await;
        let whole = client.ask(&at(target)).await;
        let head = client
            .ask(&Request::new("HEAD", target).host("example.com"))
            .await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_readable(&head);
        for name in ["content-length", "etag", "cache-control"] {
            assert_eq!(head.header(name), whole.header(name), "{name}");
        }
        assert_eq!(client.ask(&at(target)).await.body, whole.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_document_is_not_sent_again() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, CONFIGURED).await;
    let first = vestibule.ask(Door::Plain, &at(CLIENT)).await;
    let tag = first.header("etag").expect("an entity tag").to_owned();
    let mut table = Table::default();
    for (given, status) in [
        (tag.clone(), 304),
        (format!("W/{}", tag.trim_start_matches("W/")), 304),
        (format!("\"other\", {tag}"), 304),
        ("*".into(), 304),
        ("\"other\"".into(), 200),
        (tag.trim_matches('"').to_owned() + "x", 200),
    ] {
        let mut client = vestibule.raw(Door::Plain).await;
        let answer = client.ask(&at(CLIENT).field("If-None-Match", &given)).await;
        table.row(&given, &answer.status, &status);
        table.row(&given, &answer.header("etag"), &Some(tag.as_str()));
        table.row(
            &given,
            &answer.header("access-control-allow-origin"),
            &Some("*"),
        );
        table.row(&given, &answer.body.is_empty(), &(status == 304));
        assert_eq!(client.ask(&at(CLIENT)).await.body, first.body, "{given}");
    }
    table.assert_right(24);
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_match_exactly() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, CONFIGURED).await;
    let mut table = Table::default();
    for (target, status) in [
        ("/.well-known/matrix/server?", 200),
        ("/.well-known/matrix/server?x=y", 200),
        ("/.well-known/matrix/server/", 404),
        ("/.well-known/matrix/serverx", 404),
        ("/.well-known/matrix/server%2f", 404),
        ("/.well-known/matrix/%73erver", 404),
        ("/.well-known/matrix/SERVER", 404),
        ("/.well-known//matrix/server", 404),
        ("/.well-known/matrix//server", 404),
        ("/.well-known/./matrix/server", 404),
        ("/.well-known/matrix/x/../server", 404),
        ("/.WELL-KNOWN/matrix/server", 404),
        ("/.well-known/matrix/unknown", 404),
        ("/.well-known/", 404),
        ("/.well-known/openid-configuration", 404),
    ] {
        let answer = vestibule.ask(Door::Plain, &at(target)).await;
        table.row(target, &answer.status, &status);
        table.row(
            target,
            &answer.header("access-control-allow-origin"),
            &Some("*"),
        );
    }
    table.assert_right(30);
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_do_not_need_the_homeserver() {
    let homeserver = Homeserver::start().await;
    let url = homeserver.url().to_owned();
    drop(homeserver);
    let vestibule = Vestibule::start_in(tempfile::tempdir().unwrap(), &url, CONFIGURED).await;
    for (target, document) in documents() {
        let answer = vestibule.ask(Door::Tls, &at(target)).await;
        assert_eq!((answer.status, answer.json()), (200, document));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_may_serve_its_own_documents() {
    let homeserver = Homeserver::start().await;
    homeserver.route("GET", CLIENT, Answer::json(200, r#"{"own":1}"#));
    homeserver.route(
        "GET",
        SERVER,
        Answer::with(404, &[("Content-Type", "text/plain")], b"no"),
    );
    let config = "[well_known]\nserve = \"homeserver\"";
    let vestibule = Vestibule::start(&homeserver, config).await;
    for door in [Door::Plain, Door::Tls] {
        let client = vestibule.ask(door, &at(CLIENT)).await;
        assert_eq!(
            (client.status, client.text().as_str()),
            (200, r#"{"own":1}"#)
        );
        let server = vestibule.ask_h2(door, &at(SERVER)).await;
        assert_eq!((server.status, server.text().as_str()), (404, "no"));
    }
    let before = homeserver.requests().len();
    for target in ["/.well-known/x", "/.well-known/matrix/../../_synapse/admin"] {
        let answer = vestibule.ask(Door::Plain, &at(target)).await;
        assert_eq!(answer.status, 404, "{target}");
    }
    assert_eq!(homeserver.requests().len(), before);
}
