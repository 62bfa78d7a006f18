use h2::client::SendRequest;
use http::Request;

use super::*;

/// A client with prior knowledge, whose connection runs until it ends.
async fn client(
    door: &Door,
) -> (
    SendRequest<Bytes>,
    tokio::task::JoinHandle<Result<(), h2::Error>>,
) {
    let (client, connection) = h2::client::handshake(door.connect().await).await.unwrap();
    (client, tokio::spawn(connection))
}

fn request(path: &str) -> Request<()> {
    let uri = format!("http://a.test{path}");
    Request::post(uri).body(()).unwrap()
}

async fn body(response: h2::client::ResponseFuture) -> Result<String, h2::Error> {
    let mut body = response.await?.into_body();
    let mut text = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        drop(body.flow_control().release_capacity(piece.len()));
        text.extend_from_slice(&piece);
    }
    Ok(String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn serves_streams_side_by_side() {
    let door = Door::plain(Limits::default());
    let (mut client, _connection) = client(&door).await;
    let (waiting, _) = client.send_request(request("/wait"), true).unwrap();
    let (first, mut sender) = client.send_request(request("/1"), false).unwrap();
    sender.send_data("abc".into(), true).unwrap();
    assert_eq!(body(first).await.unwrap(), "POST /1 a.test 127.0.0.1 - 3");
    door.go.send_replace(true);
    let answer = body(waiting).await.unwrap();
    assert_eq!(answer, "POST /wait a.test 127.0.0.1 - 0");
}

#[tokio::test]
async fn a_preface_may_arrive_in_pieces() {
    let door = Door::plain(Limits::default());
    let mut stream = door.connect().await;
    for piece in ["PRI * HT", "TP/2.0\r\n\r\nSM\r", "\n\r\n"] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        tokio::time::sleep(millis(20)).await;
    }
    stream
        .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    let mut settings = [0; 9];
    stream.read_exact(&mut settings).await.unwrap();
    assert_eq!(settings[3], 4);
}

#[tokio::test]
async fn shutdown_sends_goaway_and_lets_streams_finish() {
    let door = Door::plain(Limits::default());
    let (mut client, connection) = client(&door).await;
    let (waiting, _) = client.send_request(request("/wait"), true).unwrap();
    tokio::time::sleep(millis(100)).await;
    door.stop.send_replace(true);
    tokio::time::sleep(millis(100)).await;
    assert!(client.clone().ready().await.is_err());
    door.go.send_replace(true);
    assert!(body(waiting).await.is_ok());
    drop(client);
    tokio::time::timeout(Duration::from_secs(5), connection)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    door.connections.drained().await;
}

#[tokio::test]
async fn shutdown_does_not_wait_for_a_client_that_is_gone() {
    let limits = Limits {
        handshake: millis(200),
        ..Limits::default()
    };
    let door = Door::plain(limits);
    let mut stream = door.connect().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    stream.write_all(preface).await.unwrap();
    let mut settings = [0; 9];
    stream.read_exact(&mut settings).await.unwrap();
    door.stop.send_replace(true);
    let drained = tokio::time::timeout(Duration::from_secs(3), door.connections.drained());
    assert!(drained.await.is_ok());
}

#[tokio::test]
async fn an_idle_connection_is_told_to_go() {
    let limits = Limits {
        idle: millis(200),
        ..Limits::default()
    };
    let door = Door::plain(limits);
    let (mut client, connection) = client(&door).await;
    let (first, _) = client.send_request(request("/1"), true).unwrap();
    body(first).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(3), connection).await;
    assert!(ended.unwrap().unwrap().is_ok());
}

#[tokio::test]
async fn a_body_that_never_comes_ends_the_connection() {
    let limits = Limits {
        body_grace: millis(300),
        ..Limits::default()
    };
    let door = Door::plain(limits);
    let (mut client, connection) = client(&door).await;
    let (response, mut sender) = client.send_request(request("/1"), false).unwrap();
    sender.send_data("abc".into(), false).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(8), connection).await;
    drop(ended.unwrap().unwrap());
    assert!(response.await.is_err());
    door.connections.drained().await;
}

#[tokio::test]
async fn a_preface_without_settings_ends_in_time() {
    let limits = Limits {
        handshake: millis(200),
        ..Limits::default()
    };
    let door = Door::plain(limits);
    let mut stream = door.connect().await;
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    rest(&mut stream).await;
    door.connections.drained().await;
}

#[tokio::test]
async fn a_client_may_cancel_half_its_streams() {
    let door = Door::plain(Limits::default());
    let (client, _connection) = client(&door).await;
    let mut client = client.ready().await.unwrap();
    let mut kept = Vec::new();
    for step in 0..100 {
        client = client.ready().await.unwrap();
        let (response, mut sender) = client.send_request(request("/wait"), true).unwrap();
        if step % 2 == 0 {
            sender.send_reset(h2::Reason::CANCEL);
        } else {
            kept.push(response);
        }
    }
    door.go.send_replace(true);
    for response in kept {
        body(response).await.unwrap();
    }
}

#[tokio::test]
async fn resets_without_end_are_cut_off() {
    let door = Door::plain(Limits::default());
    let mut stream = door.connect().await;
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    // :method GET, :scheme http, :path /, :authority a
    let block = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
    for stream_id in (1..4000_u32).step_by(2) {
        let id = stream_id.to_be_bytes();
        bytes.extend_from_slice(&[0, 0, 6, 1, 5]);
        bytes.extend_from_slice(&id);
        bytes.extend_from_slice(&block);
        bytes.extend_from_slice(&[0, 0, 4, 3, 0]);
        bytes.extend_from_slice(&id);
        bytes.extend_from_slice(&[0, 0, 0, 8]);
    }
    drop(stream.write_all(&bytes).await);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    let mut frames = answer.as_slice();
    let mut last_stream = None;
    while let [_, _, length, kind, _, _, _, _, _, rest @ ..] = frames {
        if *kind == 7 {
            last_stream = Some((rest[3], rest[2], rest[7]));
        }
        frames = rest.get(usize::from(*length)..).unwrap_or_default();
    }
    // GOAWAY with ENHANCE_YOUR_CALM, before the 200th stream.
    let (low, high, reason) = last_stream.expect("a GOAWAY");
    let last_stream = u16::from_be_bytes([high, low]);
    assert!(reason == 11 && last_stream < 400, "{reason} {last_stream}");
}
