//! A far server: every packet takes its time.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::nginx::Nginx;

/// Stands before a socket as if that were so far away, until the test ends.
pub(crate) async fn relay(to: SocketAddr, round_trip: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(connect(near, to, round_trip));
        }
    });
    address
}

async fn connect(near: TcpStream, to: SocketAddr, round_trip: Duration) {
    // The system has shaken hands already; from afar that takes a round trip.
    tokio::time::sleep(round_trip).await;
    let Ok(far) = TcpStream::connect(to).await else {
        return;
    };
    let (read_near, write_near) = near.into_split();
    let (read_far, write_far) = far.into_split();
    tokio::join!(
        carry(read_near, write_far, round_trip / 2),
        carry(read_far, write_near, round_trip / 2),
    );
}

/// Carries bytes one way, each so long after it came.
async fn carry<R, W>(mut from: R, mut to: W, delay: Duration)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (sender, mut underway) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let read = async move {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let arrives = Instant::now() + delay;
            if sender
                .send((arrives, buffer[..length].to_vec()))
                .await
                .is_err()
            {
                return;
            }
        }
    };
    let write = async move {
        while let Some((arrives, bytes)) = underway.recv().await {
            tokio::time::sleep_until(arrives).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}

/// From one continent to another, and everything that is asked: less than half of what is promised,
/// so that a busy machine has as much again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_server_far_away_takes_less_than_ten_seconds() {
    let Some(mut deployment) = Nginx::default().deploy().await else {
        return;
    };
    deployment.round_trip = Duration::from_millis(200);
    let report = deployment.check().await;
    report.finds(&[]);
    let took = report.json["took_ms"].as_u64().unwrap();
    println!("took {took} ms");
    // Several round trips at least.
    assert!((1_000..10_000).contains(&took), "{took} ms");
}
