//! What handshakes may cost that do not come to an end.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::support::binary::Binary;
use crate::support::{Homeserver, eventually};

/// Half of a client hello: 15 KiB of the 30 KiB that it announces.
fn half_hello() -> Vec<u8> {
    let mut hello = vec![22, 3, 1, 0x3f, 0xff, 1, 0, 0x78, 0, 3, 3];
    hello.resize(15 << 10, 0);
    hello
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_a_large_hello_costs_little_more_than_itself() {
    const CONNECTIONS: usize = 500;
    let homeserver = Homeserver::start().await;
    let vestibule = Binary::start(&homeserver).await;
    let memory = vestibule.peak_memory();
    let hello = half_hello();
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = UnixStream::connect(vestibule.path("tls.sock")).unwrap();
        client.write_all(&hello).unwrap();
        open.push(client);
    }
    let mut before = 0;
    eventually("all of it is read", async || {
        let peak = vestibule.peak_memory();
        let is_steady = peak == before && vestibule.open_files() >= CONNECTIONS;
        before = peak;
        tokio::time::sleep(Duration::from_millis(300)).await;
        is_steady
    })
    .await;
    let each = (before - memory) / CONNECTIONS;
    assert!((8 << 10..40 << 10).contains(&each), "{each} bytes each");
}
