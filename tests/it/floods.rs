//! HTTP/2 floods: the flooder is cut, and nobody else notices.

use std::time::Duration;

use crate::support::binary::Binary;
use crate::support::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, End, Frames, HEADERS, PING, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, block, frame, get, request,
};
use crate::support::request::HOST;
use crate::support::{Answer, Door, Gate, Homeserver, Request, Vestibule, eventually};

const CANCEL: [u8; 4] = [0, 0, 0, 8];
const PRIORITY: u8 = 2;

/// Sends `unit` for stream after stream until the peer takes no more, at most
/// `most` times; how the connection ended.
async fn flood(client: &mut Frames, most: u32, unit: impl Fn(u32) -> Vec<u8>) -> Option<u32> {
    let units: Vec<u32> = (0..most).collect();
    for batch in units.chunks(500) {
        let bytes: Vec<u8> = batch.iter().flat_map(|n| unit(2 * n + 1)).collect();
        if !client.send(bytes).await {
            break;
        }
    }
    client.closed().await
}

async fn assert_cut(most: u32, begin: Vec<u8>, unit: impl Fn(u32) -> Vec<u8>) {
    let homeserver = Homeserver::start().await;
    homeserver.route("*", "/_matrix/held", Answer::silence());
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut honest = vestibule.h2(Door::Tls).await;
    let mut client = vestibule.frames(Door::Tls).await;
    client.send(begin).await;
    flood(&mut client, most, unit).await;
    let ask = Request::get("/_matrix/client/versions");
    assert_eq!(honest.ask(&ask).await.status, 200);
    assert_eq!(vestibule.ask(Door::Plain, &ask).await.status, 200);
    homeserver.all_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rapid_resets_are_cut() {
    let reset = |stream| frame(RST_STREAM, 0, stream, &CANCEL);
    assert_cut(4000, Vec::new(), |n| {
        [get(n, HOST, "/_matrix/held"), reset(n)].concat()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resets_that_the_server_is_made_to_send_are_cut() {
    let wrong = |stream| frame(WINDOW_UPDATE, 0, stream, &[0; 4]);
    assert_cut(4000, Vec::new(), |n| {
        [get(n, HOST, "/_matrix/held"), wrong(n)].concat()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_without_end_are_cut() {
    assert_cut(40_000, Vec::new(), |_| frame(PING, 0, 0, b"vestibul")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_without_end_are_cut() {
    assert_cut(40_000, Vec::new(), |_| frame(SETTINGS, 0, 0, &[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_updates_without_end_are_cut() {
    assert_cut(40_000, Vec::new(), |_| {
        frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn priorities_without_end_are_cut() {
    assert_cut(40_000, Vec::new(), |n| {
        frame(PRIORITY, 0, n, &[0, 0, 0, 0, 16])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn continuations_without_end_are_cut() {
    let fields = block(&request("GET", HOST, "/_matrix/x"));
    let begin = frame(HEADERS, END_STREAM, 1, &fields);
    assert_cut(40_000, begin.clone(), |_| frame(CONTINUATION, 0, 1, &[])).await;
    assert_cut(40_000, begin, |_| {
        frame(CONTINUATION, 0, 1, &block(&[("x", "y")]))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_data_without_end_is_cut() {
    let fields = block(&request("POST", HOST, "/_matrix/x"));
    let begin = frame(HEADERS, END_HEADERS, 1, &fields);
    assert_cut(40_000, begin, |_| frame(DATA, 0, 1, &[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_list_that_is_too_large_is_refused() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let long = "a".repeat(10_000);
    let mut fields = request("GET", HOST, "/_matrix/x").to_vec();
    fields.extend([("x", long.as_str()); 10]);
    let fields = block(&fields);
    let mut parts = fields.chunks(16_000);
    let mut bytes = frame(HEADERS, END_STREAM, 1, parts.next().unwrap());
    for part in parts {
        bytes.extend(frame(CONTINUATION, 0, 1, part));
    }
    bytes.extend(frame(CONTINUATION, END_HEADERS, 1, &[]));
    let mut client = vestibule.frames(Door::Tls).await;
    client.send(bytes).await;
    let outcome = client.outcome(1).await;
    assert!(matches!(outcome.status, None | Some(431)), "{outcome:?}");
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_block_that_unpacks_to_a_large_one_is_refused() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut fields = block(&request("GET", HOST, "/_matrix/x"));
    // Into the dynamic table once, then named two thousand times by its index.
    fields.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
    fields.extend([b'a'; 4000]);
    fields.extend([0xbe; 2000]);
    let mut client = vestibule.frames(Door::Tls).await;
    client
        .send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields))
        .await;
    let outcome = client.outcome(1).await;
    assert!(matches!(outcome.status, None | Some(431)), "{outcome:?}");
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_has_so_many_streams_and_no_more() {
    let homeserver = Homeserver::start().await;
    let gate = Gate::new();
    homeserver.route("*", "/", Answer::default().after(&gate));
    let vestibule = Vestibule::start(&homeserver, "[limits]\nh2_streams = 20").await;
    let mut client = vestibule.frames(Door::Tls).await;
    // The limit binds once it is acknowledged.
    client.next_of(SETTINGS).await.unwrap();
    client.send(frame(SETTINGS, ACK, 0, &[])).await;
    for number in 0..21 {
        client.send(get(2 * number + 1, HOST, "/_matrix/x")).await;
    }
    assert!(matches!(client.outcome(41).await.end, End::Reset(_)));
    homeserver.begun(19).await;
    gate.open();
    homeserver.all_idle().await;
    assert_eq!(homeserver.requests().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cancels_half_of_its_streams_loses_none_of_the_others() {
    let homeserver = Homeserver::start().await;
    let gate = Gate::new();
    homeserver.route("*", "/", Answer::default().after(&gate));
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut client = vestibule.h2(Door::Tls).await;
    let mut pending = Vec::new();
    for number in 0..100 {
        let (head, _) = Request::get(&format!("/_matrix/{number}")).to_http2();
        pending.push(client.begin(head, true).await.unwrap());
    }
    homeserver.begun(99).await;
    for mut stream in pending.split_off(50) {
        stream.body.send_reset(h2::Reason::CANCEL);
    }
    homeserver.abandoned_count(50).await;
    gate.open();
    for stream in pending {
        assert_eq!(stream.response().await.unwrap().status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn little_is_kept_of_answers_that_a_client_does_not_take() {
    const STREAMS: u32 = 100;
    let homeserver = Homeserver::start().await;
    homeserver.route("*", "/", Answer::json(200, &"x".repeat(2 << 20)));
    let vestibule = Binary::start(&homeserver).await;
    let mut client = vestibule.frames().await;
    // All windows are open, and nothing is read.
    let window = [0, 4, 0, 16, 0, 0];
    client.send(frame(SETTINGS, 0, 0, &window)).await;
    let window = [0x3f, 0, 0, 0];
    client.send(frame(WINDOW_UPDATE, 0, 0, &window)).await;
    for number in 0..STREAMS {
        client.send(get(2 * number + 1, HOST, "/_matrix/x")).await;
    }
    homeserver.begun(STREAMS as usize - 1).await;
    let mut before = 0;
    eventually("the buffers are full", async || {
        let peak = vestibule.peak_memory();
        let is_steady = peak == before;
        before = peak;
        tokio::time::sleep(Duration::from_millis(300)).await;
        is_steady
    })
    .await;
    assert!(before < 100 << 20, "{} MiB", before >> 20);
}
