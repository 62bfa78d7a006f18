//! Errors of our own, as a web client reads them, and preflights.

use crate::support::{Answer, Door, Homeserver, Request, Table, Vestibule};

const ORIGIN: (&str, &str) = ("Origin", "https://app.element.io");

fn from_a_page(request: Request) -> Request {
    request.field(ORIGIN.0, ORIGIN.1)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_matrix_json_that_a_page_can_read() {
    let homeserver = Homeserver::start().await;
    homeserver.route("*", "/_matrix/broken", Answer::hang_up());
    homeserver.route("*", "/slow", Answer::silence());
    let config = r#"
        limits.body_size = "1K"
        routes = [{ path = "/slow", upstream = "$homeserver", read_timeout = "200ms" }]
    "#;
    let vestibule = Vestibule::start(&homeserver, config).await;
    for (request, status, errcode) in [
        (Request::get("/nowhere"), 404, "M_UNRECOGNIZED"),
        (Request::get("/_synapse/admin"), 404, "M_UNRECOGNIZED"),
        (
            Request::get("/.well-known/matrix/server").host("example.com"),
            404,
            "M_NOT_FOUND",
        ),
        (
            Request::post("/.well-known/matrix/client", "").host("example.com"),
            405,
            "M_UNRECOGNIZED",
        ),
        (
            Request::post("/_matrix/client/v3/login", "a".repeat(1025)),
            413,
            "M_TOO_LARGE",
        ),
        (
            Request::get("/_matrix/client/versions").host("elsewhere.example"),
            421,
            "M_UNRECOGNIZED",
        ),
        (Request::post("/_matrix/broken", "{}"), 502, "M_UNKNOWN"),
        (Request::get("/slow"), 504, "M_UNKNOWN"),
        (
            Request::get(&format!("/_matrix/{}", "a".repeat(17_000))),
            414,
            "M_UNKNOWN",
        ),
    ] {
        let request = from_a_page(request);
        vestibule
            .ask(Door::Plain, &request)
            .await
            .assert_error(status, errcode);
        vestibule
            .ask_h2(Door::Plain, &request)
            .await
            .assert_error(status, errcode);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_to_head_has_no_body() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut client = vestibule.raw(Door::Plain).await;
    for _ in 0..2 {
        let head = client.ask(&Request::new("HEAD", "/nowhere")).await;
        assert_eq!(
            (head.status, head.header("content-type")),
            (404, Some("application/json"))
        );
        client
            .ask(&Request::get("/nowhere"))
            .await
            .assert_error(404, "M_UNRECOGNIZED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_is_answered_at_the_edge_as_synapse_would() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for target in [
        "/_matrix/client/v3/sync",
        "/_matrix/client/v3/rooms/!r:x/send/m.room.message/1",
        "/_matrix/media/v3/upload",
        "/_matrix/unknown",
    ] {
        let request = from_a_page(Request::new("OPTIONS", target))
            .field("Access-Control-Request-Method", "PUT")
            .field(
                "Access-Control-Request-Headers",
                "authorization,content-type",
            );
        let over_1 = vestibule.ask(Door::Plain, &request).await;
        let over_2 = vestibule.ask_h2(Door::Tls, &request).await;
        for answer in [over_1, over_2] {
            assert_eq!((answer.status, answer.body.len()), (204, 0), "{target}");
            for (name, value) in [
                ("access-control-allow-origin", "*"),
                (
                    "access-control-allow-methods",
                    "GET, HEAD, POST, PUT, DELETE, OPTIONS",
                ),
                (
                    "access-control-allow-headers",
                    "X-Requested-With, Content-Type, Authorization, Date",
                ),
            ] {
                assert_eq!(answer.header(name), Some(value), "{target}");
            }
        }
    }
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_outside_of_matrix_is_nobodys() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut table = Table::default();
    for target in ["/", "/_synapse/admin/v1/users", "/_matrixx"] {
        let request = from_a_page(Request::new("OPTIONS", target));
        let status = vestibule.ask(Door::Plain, &request).await.status;
        table.row(target, &status, &404);
    }
    table.assert_right(3);
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_the_homeserver_gets_no_second_cors_header() {
    let homeserver = Homeserver::start().await;
    let cors = ("Access-Control-Allow-Origin", "https://app.element.io");
    homeserver.route("*", "/", Answer::with(200, &[cors], b"{}"));
    let vestibule = Vestibule::start(&homeserver, "").await;
    let request = from_a_page(Request::get("/_matrix/client/versions"));
    for door in [Door::Plain, Door::Tls] {
        let answer = vestibule.ask(door, &request).await;
        assert_eq!(answer.all("access-control-allow-origin"), [cors.1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_do_not_name_what_runs_here() {
    let homeserver = Homeserver::start().await;
    homeserver.route("*", "/", Answer::hang_up());
    let vestibule = Vestibule::start(&homeserver, "").await;
    for target in ["/nowhere", "/_matrix/client/versions"] {
        let answer = vestibule.ask(Door::Plain, &Request::get(target)).await;
        let all = format!("{answer:?} {}", answer.text()).to_lowercase();
        for word in ["pingora", "127.0.0.1", "rustls", "synapse/"] {
            assert!(!all.contains(word), "{word}: {all}");
        }
    }
}
