//! Port 80: to HTTPS in one hop, and never for Matrix.

use crate::support::{Door, Homeserver, Request, Table, Vestibule};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_sent_to_https_with_its_target_as_it_came() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut table = Table::default();
    for (host, target, location) in [
        ("matrix.example.com", "/", "https://matrix.example.com/"),
        (
            "matrix.example.com",
            "/a%2Fb/../c//?d=%20&e",
            "https://matrix.example.com/a%2Fb/../c//?d=%20&e",
        ),
        ("matrix.example.com", "/?", "https://matrix.example.com/?"),
        (
            "matrix.example.com",
            "//evil.example/",
            "https://matrix.example.com//evil.example/",
        ),
        (
            "matrix.example.com",
            "/%0d%0aX:y",
            "https://matrix.example.com/%0d%0aX:y",
        ),
        (
            "matrix.example.com:80",
            "/x",
            "https://matrix.example.com/x",
        ),
        (
            "matrix.example.com:8080",
            "/x",
            "https://matrix.example.com/x",
        ),
        ("MATRIX.example.COM", "/x", "https://matrix.example.com/x"),
        ("example.com", "/_matrixx", "https://example.com/_matrixx"),
        (
            "example.com",
            "/.well-known/acme",
            "https://example.com/.well-known/acme",
        ),
    ] {
        for method in ["GET", "HEAD", "POST"] {
            let request = Request::new(method, target).host(host).body("");
            let answer = vestibule.ask(Door::Redirect, &request).await;
            let got = answer.header("location").map(str::to_ascii_lowercase);
            let wanted = location.to_ascii_lowercase();
            table.row(
                (host, target, method),
                &(answer.status, got),
                &(301, Some(wanted)),
            );
        }
    }
    table.assert_right(30);
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn matrix_is_refused_and_not_redirected() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for target in [
        "/_matrix",
        "/_matrix/client/versions",
        "/_matrix/federation/v1/send/1",
        "/_matrix/key/v2/server",
        "/_matrix/client/v3/a%2Fb",
        "/_matrix//x",
        "/_synapse/client/pick_idp",
        "/_synapse/admin/v1/users",
    ] {
        for method in ["GET", "PUT", "POST"] {
            let request = Request::new(method, target).body("{}");
            let over_1 = vestibule.ask(Door::Redirect, &request).await;
            let over_2 = vestibule.ask_h2(Door::Redirect, &request).await;
            for answer in [over_1, over_2] {
                answer.assert_error(403, "M_FORBIDDEN");
                assert_eq!(answer.header("location"), None, "{method} {target}");
            }
        }
    }
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_hosts_are_sent_nowhere() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for host in [
        "elsewhere.example",
        "127.0.0.1",
        "sub.matrix.example.com",
        "example.com.evil.example",
    ] {
        let answer = vestibule
            .ask(Door::Redirect, &Request::get("/").host(host))
            .await;
        answer.assert_error(421, "M_UNRECOGNIZED");
        assert_eq!(answer.header("location"), None);
    }
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_names_no_host_is_sent_to_the_server_name() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut client = vestibule.raw(Door::Redirect).await;
    client.send("GET /x HTTP/1.0\r\n\r\n").await;
    let answer = client.response().await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (301, Some("https://example.com/x"))
    );
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_as_a_whole_is_no_page() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let answer = vestibule
        .ask(Door::Redirect, &Request::new("OPTIONS", "*"))
        .await;
    answer.assert_error(404, "M_UNRECOGNIZED");
    assert_eq!(answer.header("location"), None);
}
