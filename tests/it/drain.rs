//! The end: what is under way is finished, what is idle is closed, and the report says what was cut.

use tokio::net::TcpStream;

use crate::support::binary::Binary;
use crate::support::frames::{GOAWAY, get};
use crate::support::request::HOST;
use crate::support::{Answer, Door, Gate, Homeserver, Request, Vestibule, eventually};

const SYNC: &str = "/_matrix/client/v3/sync";

async fn start(config: &str) -> (Homeserver, Vestibule, Gate) {
    let gate = Gate::new();
    let homeserver = Homeserver::start().await;
    homeserver.route("*", SYNC, Answer::default().after(&gate));
    let vestibule = Vestibule::start(&homeserver, config).await;
    (homeserver, vestibule, gate)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_answered() {
    let (homeserver, vestibule, gate) = start("").await;
    let mut over_1 = vestibule.raw(Door::Tls).await;
    over_1.send(Request::get(SYNC).bytes()).await;
    let mut over_2 = vestibule.h2(Door::Tls).await;
    let pending = over_2
        .begin(Request::get(SYNC).to_http2().0, true)
        .await
        .unwrap();
    homeserver.begun(1).await;
    let address = vestibule.address(Door::Plain);
    vestibule.stop();
    eventually("the listener closes", async || {
        TcpStream::connect(address).await.is_err()
    })
    .await;
    gate.open();
    let answer = over_1.response().await;
    assert_eq!(
        (answer.status, answer.header("connection")),
        (200, Some("close"))
    );
    assert_eq!(over_1.closed().await, b"");
    assert_eq!(pending.response().await.unwrap().status, 200);
    vestibule.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_close_politely() {
    let (_homeserver, vestibule, _gate) = start("").await;
    let ask = Request::get("/_matrix/client/versions");
    let mut used = vestibule.raw(Door::Tls).await;
    assert_eq!(used.ask(&ask).await.status, 200);
    let mut unused = vestibule.raw(Door::Plain).await;
    let mut over_2 = vestibule.frames(Door::Tls).await;
    over_2.send(get(1, HOST, "/_matrix/x")).await;
    assert_eq!(over_2.outcome(1).await.status, Some(200));
    vestibule.stop();
    assert_eq!(used.closed().await, b"");
    assert_eq!(unused.closed().await, b"");
    let goaway = over_2.next_of(GOAWAY).await.expect("a GOAWAY");
    assert_eq!(goaway.payload[4..8], [0; 4]);
    over_2.closed().await;
    vestibule.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_goes_down_while_requests_end() {
    let (homeserver, vestibule, gate) = start("").await;
    assert_eq!(vestibule.admin("/readyz").await.status, 200);
    let mut client = vestibule.raw(Door::Plain).await;
    client.send(Request::get(SYNC).bytes()).await;
    homeserver.begun(0).await;
    vestibule.stop();
    let ready = async || vestibule.admin("/readyz").await.status;
    eventually("readiness goes down", async || ready().await == 503).await;
    assert_eq!(vestibule.admin("/healthz").await.status, 200);
    gate.open();
    assert_eq!(client.response().await.status, 200);
    vestibule.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drain_is_bounded_and_reports_what_it_cut() {
    let (homeserver, vestibule, _gate) = start("[timeouts]\ndrain = \"300ms\"").await;
    let mut over_1 = vestibule.raw(Door::Plain).await;
    over_1.send(Request::get(SYNC).bytes()).await;
    let mut over_2 = vestibule.h2(Door::Tls).await;
    let pending = over_2
        .begin(Request::get(SYNC).to_http2().0, true)
        .await
        .unwrap();
    homeserver.begun(1).await;
    vestibule.stop();
    let report = vestibule.ended().await;
    assert!(report.contains('2'), "two connections were cut: {report}");
    assert!(
        over_1
            .try_response()
            .await
            .is_none_or(|answer| answer.status >= 500)
    );
    assert!(pending.response().await.is_err());
    homeserver.all_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cut_has_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let config = format!(
        "[timeouts]\ndrain = \"300ms\"\n[access_log]\npath = \"{}\"",
        log.display()
    );
    let routes = "\n[[routes]]\npath = \"/socket\"\nupstream = \"$homeserver\"";
    let (homeserver, vestibule, _gate) = start(&(config + routes)).await;
    homeserver.route("GET", "/socket", Answer::websocket_echo());
    let mut tunnel = vestibule.raw(Door::Tls).await;
    let upgrade = Request::get("/socket").field("Connection", "Upgrade");
    let switched = tunnel.ask(&upgrade.field("Upgrade", "websocket")).await;
    assert_eq!(switched.status, 101);
    let mut over_1 = vestibule.raw(Door::Tls).await;
    over_1.send(Request::get(SYNC).bytes()).await;
    let mut over_2 = vestibule.h2(Door::Tls).await;
    let (request, _) = Request::get(SYNC).to_http2();
    let pending = over_2.begin(request, true).await.unwrap();
    homeserver.begun(2).await;
    vestibule.stop();
    vestibule.ended().await;
    assert!(pending.response().await.is_err());
    let records = std::fs::read_to_string(log).unwrap();
    let mut protocols: Vec<_> = records
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .inspect(|record| assert_eq!(record["failed"], "cut_by_stop", "{record}"))
        .map(|record| record["protocol"].as_str().unwrap().to_owned())
        .collect();
    protocols.sort();
    assert_eq!(protocols, ["HTTP/1.1", "HTTP/1.1", "HTTP/2"], "{records}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_with_nothing_under_way_ends_at_once() {
    let (_homeserver, vestibule, _gate) = start("").await;
    vestibule
        .ask(Door::Plain, &Request::get("/_matrix/x"))
        .await;
    vestibule.stop();
    vestibule.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_drain_the_process() {
    for signal in ["TERM", "INT"] {
        let gate = Gate::new();
        let homeserver = Homeserver::start().await;
        homeserver.route("*", SYNC, Answer::default().after(&gate));
        let mut binary = Binary::start(&homeserver).await;
        let mut client = binary.raw().await;
        client.send(Request::get(SYNC).bytes()).await;
        homeserver.begun(0).await;
        binary.signal(signal);
        binary.stops_listening().await;
        gate.open();
        assert_eq!(client.response().await.status, 200, "{signal}");
        assert_eq!(
            binary.ended().await,
            Some(0),
            "{signal}: {}",
            binary.output()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_http2_client_that_confirms_nothing_does_not_hold_up_the_end() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "[timeouts]\nhandshake = \"500ms\"").await;
    let mut client = vestibule.frames(Door::Tls).await;
    client
        .next_of(crate::support::frames::SETTINGS)
        .await
        .unwrap();
    vestibule.stop();
    // Well before `timeouts.drain`.
    vestibule.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_succeeded_leaves_idle_connections_one_more_request() {
    let (homeserver, vestibule, gate) = start("").await;
    let ask = Request::get("/_matrix/x");
    let mut used = vestibule.raw(Door::Tls).await;
    assert_eq!(used.ask(&ask).await.status, 200);
    let mut unused = vestibule.raw(Door::Plain).await;
    let mut over_2 = vestibule.frames(Door::Tls).await;
    over_2.send(get(1, HOST, "/_matrix/x")).await;
    assert_eq!(over_2.outcome(1).await.status, Some(200));
    let mut busy = vestibule.raw(Door::Plain).await;
    busy.send(Request::get(SYNC).bytes()).await;
    homeserver.begun(2).await;
    let plain = vestibule.address(Door::Plain);
    vestibule.retire();
    over_2.closed().await;
    let refused = async || TcpStream::connect(plain).await.is_err();
    eventually("the listener closes", refused).await;
    for client in [&mut used, &mut unused] {
        let last = client.ask(&ask).await;
        assert_eq!(
            (last.status, last.header("connection")),
            (200, Some("close"))
        );
        assert_eq!(client.closed().await, b"");
    }
    gate.open();
    assert_eq!(busy.response().await.status, 200);
    vestibule.ended().await;
}
