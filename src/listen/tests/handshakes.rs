use super::tls::{dial, pair};
use super::*;

/// How often connections ended for `reason`, whichever metric counts it.
fn counted(door: &Door, reason: &str) -> u64 {
    let metrics = door.telemetry.render_metrics();
    let label = format!("reason=\"{reason}\"");
    let line = metrics.lines().find(|line| line.contains(&label));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

/// The beginning of a client hello of `length` bytes, in records of 1 KiB.
fn hello(length: usize, sent: usize) -> Vec<u8> {
    let [_, high, middle, low] = u32::try_from(length).unwrap().to_be_bytes();
    let mut message = vec![1, high, middle, low, 3, 3];
    message.resize(sent, 0);
    let record = |piece: &[u8]| {
        let [high, low] = u16::try_from(piece.len()).unwrap().to_be_bytes();
        [&[22, 3, 1, high, low], piece].concat()
    };
    message.chunks(1024).flat_map(record).collect()
}

#[tokio::test]
async fn the_oldest_of_too_many_handshakes_makes_room() {
    let (server, client) = pair(&[]);
    let limits = Limits {
        handshakes: 2,
        ..Limits::default()
    };
    let door = Door::open(limits, Some(server), &[]);
    let mut silent = door.connect().await;
    let mut others = Vec::new();
    for open in 1..=2 {
        while door.connections.open() < open {
            tokio::task::yield_now().await;
        }
        others.push(door.connect().await);
    }
    assert_eq!(rest(&mut silent).await, "");
    assert_eq!(counted(&door, "handshakes"), 1);
    // Whoever is quick gets in, however many wait.
    dial(door.connect().await, &client, "a.test").await.unwrap();
}

#[tokio::test]
async fn one_address_has_its_share_of_them() {
    let (server, client) = pair(&[]);
    let limits = Limits {
        handshakes_per_address: 1,
        ..Limits::default()
    };
    let door = Door::open(limits, Some(server), &["127.0.0.0/8"]);
    let header = |address: &str| format!("PROXY TCP6 {address} ::1 5000 443\r\n");
    let mut silent = door.connect().await;
    let first = header("2001:db8::1");
    silent.write_all(first.as_bytes()).await.unwrap();
    while door.connections.open() < 1 {
        tokio::task::yield_now().await;
    }
    let neighbour = header("2001:db8::2");
    assert_eq!(door.ask(neighbour.as_bytes()).await, "");
    assert_eq!(counted(&door, "handshakes_per_address"), 1);
    // Done, they do not count any more.
    for _ in 0..3 {
        let mut stream = door.connect().await;
        let other = header("2001:db8:0:1::1");
        stream.write_all(other.as_bytes()).await.unwrap();
        dial(stream, &client, "a.test").await.unwrap();
    }
}

#[tokio::test]
async fn little_is_read_before_the_handshake_is_done() {
    let (server, _) = pair(&[]);
    let door = Door::open(Limits::default(), Some(server), &[]);
    let mut client = door.connect().await;
    client.write_all(&hello(60_000, 15_000)).await.unwrap();
    while door.connections.open() < 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(counted(&door, "too_long"), 0);
    // Whatever more than that is sent is not waited for.
    drop(client.write_all(&[0; 8_000]).await);
    rest(&mut client).await;
    assert_eq!(counted(&door, "too_long"), 1);
    assert_eq!(door.ask(&hello(60_000, 40_000)).await, "");
    assert_eq!(counted(&door, "too_long"), 2);
}
