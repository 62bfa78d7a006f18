//! A storm of federation requests, and what people who use the homeserver notice of it.
//!
//! The homeserver here serves so many requests at a time, each for a fixed time that costs no
//! processor, in the order in which they come: whatever waits delays everybody, as in the one
//! thread of a Synapse. All times are compared with others of the same run.
//!
//! `cargo test --test it local_first -- --nocapture` prints the figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::{Door, Request, Vestibule};

/// Requests that the homeserver serves at a time.
const CAPACITY: usize = 8;
/// How long each takes on average.
const SERVICE: Duration = Duration::from_millis(50);
/// Federation requests that are always on their way: each of another server.
const STORM: u32 = 120;
/// The time that the storm has before it is looked at.
const ONSET: Duration = Duration::from_secs(3);

/// A homeserver of limited capacity.
struct Limited {
    url: String,
    tasks: JoinSet<()>,
}

impl Limited {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let capacity = Arc::new(Semaphore::new(CAPACITY));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, capacity.clone()));
            }
        });
        Self { url, tasks }
    }
}

/// Answers the requests of one connection.
async fn serve(mut stream: TcpStream, capacity: Arc<Semaphore>) {
    let mut received = Vec::new();
    let mut count = 0_u32;
    loop {
        let end = loop {
            if let Some(at) = received.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
                return;
            }
        };
        // Bodies are two bytes or none.
        let head = String::from_utf8_lossy(&received[..end]).to_lowercase();
        let length = if head.contains("content-length: 2") {
            2
        } else {
            0
        };
        while received.len() < end + length {
            if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
                return;
            }
        }
        received.drain(..end + length);
        if !head.starts_with("get /health") {
            let _turn = capacity.acquire().await.unwrap();
            // Between half and one and a half of it, so that they do not march in step.
            count = count.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let part = 50 + (count >> 16) % 100;
            tokio::time::sleep(SERVICE * part / 100).await;
        }
        let answer =
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

/// What one person does: to send and to sync, one after the other. How long each took.
async fn local(vestibule: &Vestibule, user: u32, until: Instant) -> Vec<(Instant, Duration)> {
    let mut client = vestibule.raw(Door::Plain).await;
    let token = format!("Bearer token_{user}");
    let send = "/_matrix/client/v3/rooms/!r:x/send/m.room.message/1";
    let send = Request::put(send, "{}").field("Authorization", &token);
    let sync = Request::get("/_matrix/client/v3/sync?since=s1&timeout=0");
    let sync = sync.field("Authorization", &token);
    let mut times = Vec::new();
    while Instant::now() < until {
        for request in [&send, &sync] {
            let begun = Instant::now();
            assert_eq!(client.ask(request).await.status, 200);
            times.push((begun, begun.elapsed()));
        }
    }
    times
}

/// Reads for other servers, without end.
async fn storm(vestibule: &Vestibule, origin: u32, ends: &AtomicBool) {
    let mut client = vestibule.raw(Door::Plain).await;
    let signature = "A".repeat(86);
    let value = format!("X-Matrix origin=s{origin}.test,key=ed25519:a,sig={signature}");
    let target = match origin % 3 {
        0 => "/_matrix/federation/v1/state_ids/!r:x?event_id=$e",
        1 => "/_matrix/federation/v1/event/$e",
        _ => "/_matrix/federation/v1/media/download/abc",
    };
    let request = Request::get(target)
        .field("Authorization", &value)
        .field("X-Forwarded-For", &format!("10.0.1.{origin}"));
    while !ends.load(Ordering::Relaxed) {
        client.ask(&request).await;
    }
}

/// The time that 99 of 100 stay below.
fn p99(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<_> = times.collect();
    times.sort();
    times[times.len() * 99 / 100]
}

/// How much longer the slowest of a hundred calls of our own users take in a storm than in quiet.
async fn ratio(local_first: bool) -> f64 {
    let homeserver = Limited::start().await;
    let state = tempfile::tempdir().unwrap();
    let config =
        format!("trusted_proxies = [\"127.0.0.0/8\"]\n[traffic]\nlocal_first = {local_first}\n");
    let vestibule = Arc::new(Vestibule::start_in(state, &homeserver.url, &config).await);
    let people = async |time: Duration| {
        let until = Instant::now() + time;
        let all = (0..3).map(|user| {
            let vestibule = vestibule.clone();
            async move { local(&vestibule, user, until).await }
        });
        let all: JoinSet<_> = all.collect();
        all.join_all().await.concat()
    };
    let quiet = people(Duration::from_secs(3)).await;
    let quiet = p99(quiet.into_iter().map(|(_, time)| time));
    let ends = Arc::new(AtomicBool::new(false));
    let storm = (1..=STORM).map(|origin| {
        let (vestibule, ends) = (vestibule.clone(), ends.clone());
        async move { storm(&vestibule, origin, &ends).await }
    });
    let storm: JoinSet<_> = storm.collect();
    let begun = Instant::now();
    let stormy = people(ONSET + Duration::from_secs(5)).await;
    let late = stormy.into_iter().filter(|(at, _)| *at >= begun + ONSET);
    let stormy = p99(late.map(|(_, time)| time));
    let share = vestibule.metric("vestibule_federation_share", &[]).await;
    ends.store(true, Ordering::Relaxed);
    drop(storm);
    drop(homeserver.tasks);
    let ratio = stormy.as_secs_f64() / quiet.as_secs_f64();
    println!(
        "local first {local_first}: p99 {quiet:?} in quiet, {stormy:?} in a storm, \
         {ratio:.2} times; share {share:.2}"
    );
    ratio
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_federation_reads_leaves_our_own_users_alone() {
    let with = ratio(true).await;
    let without = ratio(false).await;
    assert!(with <= 1.5, "{with}");
    assert!(without >= 2.0, "{without}");
}
