//! Long polls: kept while the homeserver is silent, given up when the client leaves.

use crate::support::{Answer, Door, Gate, Homeserver, Request, Vestibule};

const SYNC: &str = "/_matrix/client/v3/sync?since=s1&timeout=30000";

async fn start() -> (Homeserver, Vestibule, Gate) {
    let gate = Gate::new();
    let homeserver = Homeserver::start().await;
    homeserver.route("*", SYNC, Answer::default().after(&gate));
    let vestibule = Vestibule::start(&homeserver, "").await;
    (homeserver, vestibule, gate)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_cancels_its_request() {
    let (homeserver, vestibule, _gate) = start().await;
    for (number, door) in [Door::Plain, Door::Tls].into_iter().enumerate() {
        let mut client = vestibule.raw(door).await;
        client.send(Request::get(SYNC).bytes()).await;
        homeserver.begun(number).await;
        drop(client);
        homeserver.abandoned(number).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_reset_cancels_its_request_and_no_other() {
    let (homeserver, vestibule, gate) = start().await;
    let mut client = vestibule.h2(Door::Tls).await;
    let (head, _) = Request::get(SYNC).to_http2();
    let mut leaves = client.begin(head.clone(), true).await.unwrap();
    homeserver.begun(0).await;
    let stays = client.begin(head, true).await.unwrap();
    homeserver.begun(1).await;
    leaves.body.send_reset(h2::Reason::CANCEL);
    homeserver.abandoned(0).await;
    gate.open();
    assert_eq!(stays.response().await.unwrap().status, 200);
    assert!(!homeserver.requests()[1].abandoned);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_client_that_leaves_cancels_all_its_requests() {
    let (homeserver, vestibule, _gate) = start().await;
    let mut client = vestibule.h2(Door::Tls).await;
    let mut pending = Vec::new();
    for number in 0..5 {
        let (head, _) = Request::get(SYNC).to_http2();
        pending.push(client.begin(head, true).await.unwrap());
        homeserver.begun(number).await;
    }
    drop(client);
    homeserver.abandoned_count(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_in_the_middle_of_an_answer_cancels_it() {
    let homeserver = Homeserver::start().await;
    let begun = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").then_silence();
    homeserver.route("*", "/", begun);
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut client = vestibule.raw(Door::Tls).await;
    client.send(Request::get(SYNC).bytes()).await;
    client.until("hello").await;
    drop(client);
    homeserver.abandoned(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_long_polls_wait_side_by_side() {
    let (homeserver, vestibule, gate) = start().await;
    let mut clients = Vec::new();
    for _ in 0..100 {
        let mut client = vestibule.raw(Door::Plain).await;
        client.send(Request::get(SYNC).bytes()).await;
        clients.push(client);
    }
    homeserver.begun(99).await;
    let other = Request::get("/_matrix/client/versions");
    assert_eq!(vestibule.ask(Door::Plain, &other).await.status, 200);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().await.status, 200);
    }
}
