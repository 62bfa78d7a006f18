//! A homeserver behind TLS, believed by a certificate authority of its own.

use std::path::Path;

use crate::support::authority::Authority;
use crate::support::{Door, Homeserver, Request, Vestibule};

async fn start(ca: &Path, tls_name: &str, homeserver: &Homeserver) -> Vestibule {
    let (url, ca) = (homeserver.url(), ca.display());
    let name = match tls_name {
        "" => String::new(),
        name => format!(", tls_name = \"{name}\""),
    };
    // Each thread keeps connections of its own.
    let config = format!("threads = 1\nhomeserver = {{ url = \"{url}\", ca = \"{ca}\"{name} }}");
    Vestibule::start(homeserver, &config).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_with_the_right_certificate_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let ca = authority.write(folder.path());
    for (certified, tls_name) in [("synapse.internal", "synapse.internal"), ("127.0.0.1", "")] {
        let homeserver = Homeserver::start_tls(&authority, certified).await;
        let vestibule = start(&ca, tls_name, &homeserver).await;
        for _ in 0..3 {
            let request = Request::put("/_matrix/x/a%2Fb", "hello");
            assert_eq!(
                vestibule.ask(Door::Plain, &request).await.status,
                200,
                "{certified}"
            );
        }
        let arrived = homeserver.last_request();
        assert_eq!(
            (arrived.target(), &arrived.body[..]),
            ("/_matrix/x/a%2Fb", &b"hello"[..])
        );
        assert_eq!(
            arrived.header("host").as_deref(),
            Some("matrix.example.com")
        );
        assert_eq!(homeserver.connections(), 1, "kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_else_is_a_502_and_sees_nothing() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (ca, wrong_ca) = (authority.write(folder.path()), stranger.write(other.path()));
    for (ca, certified, tls_name) in [
        (&wrong_ca, "synapse.internal", "synapse.internal"),
        (&ca, "other.internal", "synapse.internal"),
        (&ca, "synapse.internal", ""),
    ] {
        let homeserver = Homeserver::start_tls(&authority, certified).await;
        let vestibule = start(ca, tls_name, &homeserver).await;
        for request in [
            Request::get("/_matrix/x"),
            Request::post("/_matrix/x", "{}"),
        ] {
            vestibule
                .ask(Door::Plain, &request)
                .await
                .assert_error(502, "M_UNKNOWN");
        }
        homeserver.assert_untouched();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_without_tls_is_not_believed_to_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new().write(folder.path());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut plain = crate::support::Raw::new(stream);
            plain
                .send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                .await;
        }
    });
    let config = format!(
        "homeserver = {{ url = \"{url}\", ca = \"{}\" }}",
        ca.display()
    );
    let state = tempfile::tempdir().unwrap();
    let vestibule = Vestibule::start_in(state, &url, &config).await;
    let answer = vestibule
        .ask(Door::Plain, &Request::get("/_matrix/x"))
        .await;
    answer.assert_error(502, "M_UNKNOWN");
}
