//! A homeserver that restarts: requests wait for it, and nobody sees an error who need not.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::{Answer, Door, Gate, Homeserver, Request, Vestibule, eventually, within};

const VERSIONS: &str = "/_matrix/client/versions";
const SEND: &str = "/_matrix/federation/v1/send/1";

async fn in_front_of(url: &str, extra: &str) -> Vestibule {
    Vestibule::start_in(tempfile::tempdir().unwrap(), url, extra).await
}

/// The sum of a metric over all its labels.
async fn metric(vestibule: &Vestibule, name: &str) -> u64 {
    let text = vestibule.admin("/metrics").await.text();
    let lines = text.lines().filter(|line| line.starts_with(name));
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    values.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_for_a_homeserver_that_is_away_and_are_served_when_it_returns() {
    let url = Homeserver::nowhere().await;
    let vestibule = in_front_of(&url, "").await;
    let mut waiting = Vec::new();
    for request in [
        Request::get(VERSIONS),
        Request::post("/_matrix/client/v3/createRoom", "{\"a\":1}"),
        Request::put(SEND, "{\"pdus\":[]}").signed(),
    ] {
        let mut h1 = vestibule.raw(Door::Plain).await;
        h1.send(request.bytes()).await;
        let mut h2 = vestibule.h2(Door::Tls).await;
        waiting.push((h1, tokio::spawn(async move { h2.ask(&request).await })));
    }
    eventually("all are refused by the system once", async || {
        metric(&vestibule, "vestibule_requests_in_flight").await >= 6
    })
    .await;
    let homeserver = Homeserver::start_at(&url).await;
    for (mut h1, h2) in waiting {
        assert_eq!(within("an answer", h1.response()).await.status, 200);
        assert_eq!(within("an answer", h2).await.unwrap().status, 200);
    }
    let requests = homeserver.requests();
    let bodies: Vec<String> = requests
        .iter()
        .map(|r| String::from_utf8_lossy(&r.body).into_owned())
        .collect();
    let count = |body: &str| bodies.iter().filter(|b| *b == body).count();
    assert_eq!((count("{\"a\":1}"), count("{\"pdus\":[]}")), (2, 2));
    eventually("the waits are counted", async || {
        metric(&vestibule, "vestibule_held_requests_total").await == 6
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_that_stays_away_is_a_503_after_the_configured_time() {
    let url = Homeserver::nowhere().await;
    let vestibule = in_front_of(&url, "timeouts.hold = \"300ms\"").await;
    for request in [Request::get(VERSIONS), Request::put(SEND, "{}").signed()] {
        let begun = Instant::now();
        let answer = vestibule.ask(Door::Plain, &request).await;
        answer.assert_error(503, "M_UNKNOWN");
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert!(begun.elapsed() >= Duration::from_millis(300));
        let answer = vestibule.ask_h2(Door::Tls, &request).await;
        answer.assert_error(503, "M_UNKNOWN");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_so_many_do_not_wait() {
    let url = Homeserver::nowhere().await;
    let vestibule = in_front_of(&url, "limits.held_requests = 1").await;
    let mut one = vestibule.raw(Door::Plain).await;
    let mut other = vestibule.raw(Door::Plain).await;
    one.send(Request::get(VERSIONS).bytes()).await;
    other.send(Request::get(VERSIONS).bytes()).await;
    // Whichever of the two came first waits; the other is told at once.
    let told_and_waiting = async {
        tokio::select! {
            told = one.response() => (told, &mut other),
            told = other.response() => (told, &mut one),
        }
    };
    let (told, waiting) = within("one is told", told_and_waiting).await;
    told.assert_error(503, "M_UNKNOWN");
    let _homeserver = Homeserver::start_at(&url).await;
    assert_eq!(within("an answer", waiting.response()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_waits_no_longer() {
    let url = Homeserver::nowhere().await;
    let vestibule = in_front_of(&url, "").await;
    let mut client = vestibule.raw(Door::Plain).await;
    client.send(Request::get(VERSIONS).bytes()).await;
    let in_flight = async || metric(&vestibule, "vestibule_requests_in_flight").await;
    eventually("it waits", async || in_flight().await == 1).await;
    drop(client);
    eventually("it waits no longer", async || in_flight().await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_repeated_survives_a_homeserver_that_is_killed_at_work() {
    let homeserver = Homeserver::start().await;
    let url = homeserver.url().to_owned();
    let gate = Gate::new();
    homeserver.route("*", "/", Answer::default().after(&gate));
    let vestibule = in_front_of(&url, "").await;
    let sync = "/_matrix/client/v3/sync?since=s1";
    let mut clients = Vec::new();
    for (index, request) in [
        Request::get(sync),
        Request::put(SEND, "{\"pdus\":[]}").signed(),
        Request::post("/_matrix/client/v3/createRoom", "{}"),
    ]
    .iter()
    .enumerate()
    {
        let mut client = vestibule.raw(Door::Plain).await;
        client.send(request.bytes()).await;
        homeserver.received(index).await;
        clients.push(client);
    }
    homeserver.kill().await;
    let homeserver = Homeserver::start_at(&url).await;
    let mut statuses = Vec::new();
    for client in &mut clients {
        statuses.push(within("an answer", client.response()).await.status);
    }
    // Nobody knows whether the room was made: that is for the client to find out.
    assert_eq!(statuses, [200, 200, 502]);
    let mut targets = homeserver.targets();
    targets.retain(|target| target != "/health");
    targets.sort_unstable();
    assert_eq!(targets, [sync, SEND]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_that_takes_a_moment_to_be_gone_does_not_use_up_the_repetitions() {
    let ending = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", ending.local_addr().unwrap());
    let vestibule = in_front_of(&url, "").await;
    let mut client = vestibule.raw(Door::Plain).await;
    client.send(Request::get(VERSIONS).bytes()).await;
    let takes_and_closes = async {
        loop {
            drop(ending.accept().await);
        }
    };
    let moment = Duration::from_millis(100);
    assert!(timeout(moment, takes_and_closes).await.is_err());
    drop(ending);
    let _homeserver = Homeserver::start_at(&url).await;
    assert_eq!(within("an answer", client.response()).await.status, 200);
}
