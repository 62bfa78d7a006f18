use std::time::Instant;

use super::*;

fn short() -> Limits {
    Limits {
        handshake: millis(200),
        head: millis(200),
        idle: millis(400),
        body_grace: millis(200),
        write: millis(300),
        ..Limits::default()
    }
}

/// What comes back for `bytes`, and whether it took at least `least` ms but not seconds.
async fn ends_after(door: &Door, bytes: &[u8], least: u64) -> String {
    let begun = Instant::now();
    let answer = door.ask(bytes).await;
    let took = begun.elapsed();
    assert!(
        took >= millis(least) && took < millis(least + 1500),
        "{took:?}"
    );
    answer
}

#[tokio::test]
async fn a_connection_without_request_ends_when_idle() {
    let door = Door::plain(short());
    assert_eq!(ends_after(&door, b"", 400).await, "");
    let answer = ends_after(&door, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400).await;
    assert!(answer.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_head_that_does_not_end_is_answered_408() {
    let door = Door::plain(short());
    let answer = ends_after(&door, b"GET / HTTP/1.1\r\nHost: a\r\n", 200).await;
    assert!(
        answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
        "{answer}"
    );
    // A trickle buys no time.
    let mut stream = door.connect().await;
    let begun = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let trickle = async {
        while writer.write_all(b"A: b\r\n").await.is_ok() {
            tokio::time::sleep(millis(30)).await;
        }
    };
    tokio::select! {
        () = trickle => {}
        answer = rest(&mut reader) => assert!(answer.starts_with("HTTP/1.1 408"), "{answer}"),
    }
    assert!(begun.elapsed() < millis(2500));
}

#[tokio::test]
async fn a_body_that_does_not_come_fails_the_request() {
    let door = Door::plain(short());
    for framing in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n2\r\nx");
        let answer = ends_after(&door, head.as_bytes(), 200).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_ended() {
    let door = Door::plain(short());
    let mut stream = door.connect().await;
    stream
        .write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    while door.connections.open() == 0 {
        tokio::task::yield_now().await;
    }
    let drained = tokio::time::timeout(Duration::from_secs(4), door.connections.drained());
    assert!(drained.await.is_ok());
}

#[tokio::test]
async fn a_tunnel_may_be_silent() {
    let door = Door::plain(short());
    let mut stream = door.connect().await;
    stream
        .write_all(
            b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        )
        .await
        .unwrap();
    until(&mut stream, "\r\n\r\n").await;
    tokio::time::sleep(millis(800)).await;
    stream.write_all(b"still here").await.unwrap();
    until(&mut stream, "still here").await;
}

#[tokio::test]
async fn connections_beyond_the_cap_are_closed_at_once() {
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let door = Door::plain(limits);
    let _first = door.connect().await;
    let _second = door.connect().await;
    while door.connections.open() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(door.ask(b"").await, "");
    let metrics = door.telemetry.render_metrics();
    let line = metrics
        .lines()
        .find(|l| l.contains("refused") && l.contains(r#"reason="connections""#));
    assert!(line.is_some_and(|l| l.ends_with(" 1")), "{metrics}");
}
