//! Several sites, and whose a request is.

use crate::support::{Door, Homeserver, Raw, Request, Table, Vestibule};

const FEDERATION: &str = "/_matrix/federation/v1/version";
const KEY: &str = "/_matrix/key/v2/server";
const CLIENT: &str = "/_matrix/client/versions";

fn two_sites(second: &Homeserver) -> String {
    let url = second.url();
    format!(
        r#"
        [[sites]]
        server_name = "example.com"
        homeserver = "$homeserver"
        hosts = ["matrix.example.com"]
        [[sites]]
        server_name = "example.org"
        homeserver = "{url}"
        hosts = ["matrix.example.org"]
        delegate = "matrix.example.org:443"
        "#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_chooses_the_site() {
    let (first, second) = (Homeserver::start().await, Homeserver::start().await);
    let vestibule = Vestibule::start(&first, &two_sites(&second)).await;
    let mut table = Table::default();
    for (host, reached) in [
        ("example.com", (1, 0)),
        ("matrix.example.com", (1, 0)),
        ("matrix.example.com:443", (1, 0)),
        ("MATRIX.EXAMPLE.COM", (1, 0)),
        ("example.org", (0, 1)),
        ("matrix.example.org", (0, 1)),
        ("Matrix.Example.Org:8443", (0, 1)),
        ("sub.example.org", (0, 0)),
        ("example.net", (0, 0)),
        ("localhost", (0, 0)),
    ] {
        let before = (first.requests().len(), second.requests().len());
        let answer = vestibule
            .ask(Door::Plain, &Request::get(CLIENT).host(host))
            .await;
        let after = (first.requests().len(), second.requests().len());
        table.row(host, &(after.0 - before.0, after.1 - before.1), &reached);
        let known = reached != (0, 0);
        table.row(host, &answer.status, &if known { 200 } else { 421 });
    }
    table.assert_right(20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_has_its_own_documents() {
    let (first, second) = (Homeserver::start().await, Homeserver::start().await);
    let vestibule = Vestibule::start(&first, &two_sites(&second)).await;
    let document = |host: &str| Request::get("/.well-known/matrix/server").host(host);
    let org = vestibule.ask(Door::Tls, &document("example.org")).await;
    assert_eq!(org.json()["m.server"], "matrix.example.org:443");
    let com = vestibule.ask(Door::Tls, &document("example.com")).await;
    com.assert_error(404, "M_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_host_is_misdirected() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for host in [
        "elsewhere.example",
        "127.0.0.1",
        "sub.example.com",
        "example.com.evil.example",
    ] {
        for target in [CLIENT, "/", "/.well-known/matrix/client", "/_synapse/admin"] {
            let request = Request::get(target).host(host);
            let over_1 = vestibule.ask(Door::Plain, &request).await;
            let over_2 = vestibule.ask_h2(Door::Plain, &request).await;
            for answer in [over_1, over_2] {
                answer.assert_error(421, "M_UNRECOGNIZED");
            }
        }
    }
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn federation_is_never_refused_for_its_host_where_there_is_one_site() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for host in [
        "example.com",
        "example.com:8448",
        "matrix.example.com:1",
        "elsewhere.example",
        "127.0.0.1:8448",
        "[::1]:8448",
    ] {
        for target in [FEDERATION, KEY, "/_matrix/federation/v1/send/1"] {
            for door in [Door::Plain, Door::Tls, Door::Federation] {
                let mut client = vestibule.raw(door).await;
                let answer = client.ask(&Request::get(target).host(host).signed()).await;
                assert_eq!(answer.status, 200, "{door:?} {host} {target}");
            }
            assert_eq!(
                homeserver.last_request().header("host").as_deref(),
                Some(host)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_federation_port_goes_by_host_then_by_the_name_in_tls() {
    let (first, second) = (Homeserver::start().await, Homeserver::start().await);
    let vestibule = Vestibule::start(&first, &two_sites(&second)).await;
    let mut table = Table::default();
    for (name, host, reached) in [
        ("example.com", "example.com", Some(1)),
        ("example.com", "example.com:8448", Some(1)),
        ("example.org", "example.org:8448", Some(2)),
        ("example.org", "matrix.example.org", Some(2)),
        ("example.com", "matrix.example.org:8449", Some(2)),
        ("example.org", "fed.elsewhere.example:8449", Some(2)),
        ("example.com", "127.0.0.1:8448", Some(1)),
    ] {
        let before = (first.requests().len(), second.requests().len());
        let stream = vestibule
            .handshake(Door::Federation, name, &["http/1.1"])
            .await;
        let request = Request::get(FEDERATION).host(host);
        let answer = Raw::new(stream).ask(&request).await;
        table.row((name, host), &answer.status, &200);
        let got = match (
            first.requests().len() - before.0,
            second.requests().len() - before.1,
        ) {
            (1, 0) => Some(1),
            (0, 1) => Some(2),
            _ => None,
        };
        table.row((name, host), &got, &reached);
    }
    table.assert_right(14);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_several_sites_and_no_known_name_nobody_is_guessed() {
    let (first, second) = (Homeserver::start().await, Homeserver::start().await);
    let config = two_sites(&second)
        + "[[listeners]]\naddress = \"127.0.0.1:0\"\ntls = false\nprofile = \"federation\"";
    let vestibule = Vestibule::start(&first, &config).await;
    let request = Request::get(FEDERATION).host("elsewhere.example");
    vestibule
        .ask(Door::Plain, &request)
        .await
        .assert_error(421, "M_UNRECOGNIZED");
    first.assert_untouched();
    second.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_name_of_every_site_has_a_certificate() {
    let (first, second) = (Homeserver::start().await, Homeserver::start().await);
    let vestibule = Vestibule::start(&first, &two_sites(&second)).await;
    for name in [
        "example.com",
        "matrix.example.com",
        "example.org",
        "matrix.example.org",
    ] {
        for door in [Door::Tls, Door::Federation] {
            vestibule.handshake(door, name, &["h2", "http/1.1"]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_one_site_is_none_to_another() {
    let (first, second) = (Homeserver::start().await, Homeserver::start().await);
    let vestibule = Vestibule::start(&first, &two_sites(&second)).await;
    let mut table = Table::default();
    for (asked_for, host, status) in [
        ("example.com", "example.com", 200),
        ("example.com", "matrix.example.com:8448", 200),
        ("matrix.example.com", "example.com", 200),
        ("example.com", "example.org", 421),
        ("matrix.example.org", "matrix.example.com", 421),
    ] {
        let stream = vestibule.handshake(Door::Tls, asked_for, &[]).await;
        let answer = Raw::new(stream).ask(&Request::get(KEY).host(host)).await;
        table.row((asked_for, host), &answer.status, &status);
    }
    table.assert_right(5);
}
