//! What handshakes may cost that do not come to an end.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::support::binary::Binary;
use crate::support::request::HOST;
use crate::support::{Door, Homeserver, Request, Vestibule, eventually, tls};

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

/// A client may send its request with the last of the handshake, in records of any size.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_request_may_come_with_the_end_of_a_handshake() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let connector = tls::connector(&vestibule.authority(), &["http/1.1"]);
    let name = HOST.try_into().unwrap();
    let mut client = rustls::ClientConnection::new(connector.config().clone(), name).unwrap();
    let address = vestibule.address(Door::Tls);
    let answer = tokio::task::spawn_blocking(move || {
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        client.write_tls(&mut socket).unwrap();
        while client.is_handshaking() {
            client.read_tls(&mut socket).unwrap();
            client.process_new_packets().unwrap();
        }
        client.set_buffer_limit(None);
        let request = Request::put("/_matrix/federation/v1/send/1", vec![b'x'; 64 << 10]).signed();
        client.writer().write_all(&request.bytes()).unwrap();
        let mut flight = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut flight).unwrap();
        }
        socket.write_all(&flight).unwrap();
        let mut answer = [0; 15];
        rustls::Stream::new(&mut client, &mut socket)
            .read_exact(&mut answer)
            .unwrap();
        answer
    });
    assert_eq!(&answer.await.unwrap(), b"HTTP/1.1 200 OK");
}
