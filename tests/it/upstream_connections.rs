//! Connections to the homeserver: kept, lost, refused, silent.

use crate::support::{Answer, Door, Homeserver, Request, Response, Vestibule};

const TARGET: &str = "/_matrix/client/versions";

#[tokio::test(flavor = "multi_thread")]
async fn nobody_at_the_upstream_of_a_route_is_a_502_at_once() {
    let homeserver = Homeserver::start().await;
    let nobody = Homeserver::nowhere().await;
    let route = format!("[[routes]]\npath = \"/elsewhere\"\nupstream = \"{nobody}\"");
    let vestibule = Vestibule::start(&homeserver, &route).await;
    for request in [
        Request::get("/elsewhere"),
        Request::post("/elsewhere", "{}"),
    ] {
        vestibule
            .ask(Door::Plain, &request)
            .await
            .assert_error(502, "M_UNKNOWN");
        vestibule
            .ask_h2(Door::Tls, &request)
            .await
            .assert_error(502, "M_UNKNOWN");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_upstream_is_a_504() {
    let homeserver = Homeserver::start().await;
    homeserver.route("*", "/slow", Answer::silence());
    let begun = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").then_silence();
    homeserver.route("*", "/slow/body", begun);
    let route =
        "[[routes]]\npath = \"/slow\"\nupstream = \"$homeserver\"\nread_timeout = \"300ms\"";
    let vestibule = Vestibule::start(&homeserver, route).await;
    let slow = Request::get("/slow");
    vestibule
        .ask(Door::Plain, &slow)
        .await
        .assert_error(504, "M_UNKNOWN");
    vestibule
        .ask_h2(Door::Tls, &slow)
        .await
        .assert_error(504, "M_UNKNOWN");
    homeserver.abandoned(0).await;
    homeserver.abandoned(1).await;
    let cut: Response = vestibule
        .ask(Door::Plain, &Request::get("/slow/body"))
        .await;
    assert_eq!(
        (cut.status, cut.whole, cut.text().as_str()),
        (200, false, "hello")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_an_answer_is_not_sent_again_unless_it_may() {
    let homeserver = Homeserver::start().await;
    homeserver.route("*", "/", Answer::hang_up());
    let vestibule = Vestibule::start(&homeserver, "").await;
    for (method, most) in [("POST", 1), ("PATCH", 1), ("GET", 3), ("PUT", 3)] {
        let before = homeserver.requests().len();
        let request = Request::new(method, TARGET).body("{}");
        vestibule
            .ask(Door::Plain, &request)
            .await
            .assert_error(502, "M_UNKNOWN");
        let sent = homeserver.requests().len() - before;
        assert!((1..=most).contains(&sent), "{method} was sent {sent} times");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_not_sent_again_once_anything_was_answered() {
    let homeserver = Homeserver::start().await;
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    homeserver.route("*", "/_matrix/hints", Answer::raw(hints).closing());
    let vestibule = Vestibule::start(&homeserver, "threads = 1").await;
    for method in ["GET", "PUT"] {
        let ask = async |target| {
            let request = Request::new(method, target).body("{}");
            vestibule.ask(Door::Plain, &request).await
        };
        // So that the connection is one that has served before.
        assert_eq!(ask(TARGET).await.status, 200);
        let before = homeserver.requests().len();
        ask("/_matrix/hints").await.assert_error(502, "M_UNKNOWN");
        assert_eq!(homeserver.requests().len() - before, 1, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_the_homeserver_are_kept_and_their_end_is_noticed() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut client = vestibule.raw(Door::Plain).await;
    for method in ["GET", "POST", "PUT", "DELETE"] {
        let request = Request::new(method, TARGET).body("{}");
        assert_eq!(client.ask(&request).await.status, 200);
    }
    assert_eq!(homeserver.connections(), 1);
    for method in ["POST", "PUT", "GET", "DELETE"] {
        homeserver.close_idle().await;
        let request = Request::new(method, TARGET).body("{}");
        assert_eq!(client.ask(&request).await.status, 200, "{method}");
    }
    assert_eq!(homeserver.requests().len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_closes_each_time_does_no_harm() {
    let homeserver = Homeserver::start().await;
    let answer = Answer::with(200, &[("Connection", "close")], b"{}");
    homeserver.route("*", "/", answer.closing());
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut client = vestibule.raw(Door::Plain).await;
    for _ in 0..20 {
        assert_eq!(client.ask(&Request::put(TARGET, "{}")).await.status, 200);
        assert_eq!(client.ask(&Request::post(TARGET, "{}")).await.status, 200);
    }
    assert_eq!(homeserver.requests().len(), 40);
}

/// The close may cross the next request on its way. One that can be repeated
/// is, on a new connection; a POST cannot, so a homeserver has to say that it
/// closes.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_closes_without_a_word_costs_no_repeatable_request() {
    let homeserver = Homeserver::start().await;
    homeserver.route("*", "/", Answer::default().closing());
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut client = vestibule.raw(Door::Plain).await;
    for _ in 0..20 {
        assert_eq!(client.ask(&Request::put(TARGET, "{}")).await.status, 200);
        assert_eq!(client.ask(&Request::get(TARGET)).await.status, 200);
    }
}
