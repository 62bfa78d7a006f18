//! Unix sockets on both sides.

use std::os::unix::net::UnixListener;

use tokio::net::UnixStream;

use crate::support::{Answer, Door, Homeserver, Raw, Request, Vestibule};

const LISTENER: &str =
    "listeners = [{ address = \"unix:$state/front.sock\", tls = false, profile = \"both\" }]";

async fn connect(vestibule: &Vestibule) -> Raw {
    let path = vestibule.state().join("front.sock");
    Raw::new(UnixStream::connect(path).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_may_listen_on_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let homeserver = Homeserver::start_unix(&folder.path().join("main.sock"));
    homeserver.route("*", "/_matrix/x", Answer::json(200, r#"{"a":1}"#));
    // Each thread keeps connections of its own.
    let vestibule = Vestibule::start(&homeserver, "threads = 1").await;
    for door in [Door::Plain, Door::Tls] {
        let target = "/_matrix/x/a%2Fb?c";
        assert_eq!(
            vestibule.ask(door, &Request::get(target)).await.json()["a"],
            1
        );
        assert_eq!(
            vestibule
                .ask_h2(door, &Request::put(target, "hello"))
                .await
                .status,
            200
        );
        assert_eq!(homeserver.last_request().target(), target);
        assert_eq!(
            homeserver.last_request().all("x-forwarded-for"),
            ["127.0.0.1"]
        );
    }
    assert_eq!(homeserver.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_without_a_homeserver_is_a_503_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("unix:{}", folder.path().join("nobody.sock").display());
    let vestibule = Vestibule::start_in(
        tempfile::tempdir().unwrap(),
        &url,
        "timeouts.hold = \"100ms\"",
    )
    .await;
    let answer = vestibule
        .ask(Door::Plain, &Request::get("/_matrix/x"))
        .await;
    answer.assert_error(503, "M_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_may_be_a_unix_socket() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, LISTENER).await;
    let mut client = connect(&vestibule).await;
    let forged = Request::get("/_matrix/x").field("X-Forwarded-For", "6.6.6.6");
    assert_eq!(client.ask(&forged).await.status, 200);
    assert_eq!(client.ask(&forged).await.status, 200);
    assert_ne!(
        homeserver.last_request().all("x-forwarded-for"),
        ["6.6.6.6"]
    );
    vestibule.stop();
    assert_eq!(client.closed().await, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_on_a_unix_socket_may_be_trusted() {
    let homeserver = Homeserver::start().await;
    let config = format!("trusted_proxies = [\"unix\"]\n{LISTENER}");
    let vestibule = Vestibule::start(&homeserver, &config).await;
    let request = Request::get("/_matrix/x")
        .field("X-Forwarded-For", "203.0.113.7")
        .field("X-Forwarded-Proto", "https");
    assert_eq!(connect(&vestibule).await.ask(&request).await.status, 200);
    let arrived = homeserver.only_request();
    assert_eq!(arrived.all("x-forwarded-for"), ["203.0.113.7"]);
    assert_eq!(arrived.all("x-forwarded-proto"), ["https"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_a_dead_process_left_is_replaced() {
    let state = tempfile::tempdir().unwrap();
    drop(UnixListener::bind(state.path().join("front.sock")).unwrap());
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start_in(state, homeserver.url(), LISTENER).await;
    let answer = connect(&vestibule)
        .await
        .ask(&Request::get("/_matrix/x"))
        .await;
    assert_eq!(answer.status, 200);
}
