//! Whole requests over loopback and TLS, the library in front of an upstream of the same process:
//! `cargo bench --bench end_to_end`.
//!
//! Client and upstream are part of what is measured. So compare runs of this with each other, and
//! with other proxies by `benches/compare/run`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot run ends"
)]

mod client;
#[path = "end_to_end/door.rs"]
mod door;
mod upstream;

use std::time::Duration;

use criterion::{Criterion, Throughput};
use tokio::runtime::Builder;

use client::{Http1, Http2};
use door::Door;

/// What is asked for: (name, method, target, length of the body sent, of the body answered).
const REQUESTS: [(&str, &str, &str, usize, Option<usize>); 4] = [
    (
        "get_small",
        "GET",
        "/_matrix/client/v3/capabilities",
        0,
        None,
    ),
    (
        "get_64_kib",
        "GET",
        "/_matrix/client/v3/sync?since=s1",
        0,
        Some(64 * 1024),
    ),
    (
        "put_64_kib",
        "PUT",
        "/_matrix/client/v3/rooms/!r:x/send/m.room.message/1",
        64 * 1024,
        None,
    ),
    ("well_known", "GET", "/.well-known/matrix/client", 0, None),
];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let upstream = upstream::start(Duration::ZERO).unwrap();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let door = runtime.block_on(async { Door::open(upstream) });
    for (name, method, path, sent, answered) in REQUESTS {
        let body = vec![b'x'; sent];
        let is_right = |length| answered.is_none_or(|expected| expected == length);
        let mut group = criterion.benchmark_group(format!("end_to_end/{name}"));
        group.throughput(Throughput::Elements(1));
        let mut h1 = runtime.block_on(async { Http1::new(door.connect("http/1.1").await) });
        group.bench_function("h1", |bencher| {
            bencher.iter(|| {
                let answer = h1.ask(method, path, &body);
                assert!(is_right(runtime.block_on(answer).unwrap()));
            });
        });
        let mut h2 =
            runtime.block_on(async { Http2::new(door.connect("h2").await).await.unwrap() });
        group.bench_function("h2", |bencher| {
            bencher.iter(|| {
                let answer = h2.ask(method, path, &body);
                assert!(is_right(runtime.block_on(answer).unwrap()));
            });
        });
        group.finish();
    }
    criterion.final_summary();
    runtime.block_on(door.close());
}
