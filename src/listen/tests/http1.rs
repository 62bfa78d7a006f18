use super::*;

const CLOSE: &str = "Host: a\r\nConnection: close\r\n";

#[tokio::test]
async fn serves_requests_one_after_the_other_on_one_connection() {
    let door = Door::plain(Limits::default());
    let mut stream = door.connect().await;
    for step in 0..3 {
        let request = format!("GET /a%2F{step} HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let end = format!("GET /a%2F{step} a 127.0.0.1 - 0");
        assert!(until(&mut stream, &end).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let door = Door::plain(Limits::default());
    let requests = format!(
        "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
         POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n0\r\nT: v\r\n\r\n\
         POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
         GET /4 HTTP/1.1\r\n{CLOSE}\r\n"
    );
    let answer = door.ask(requests.as_bytes()).await;
    let bodies: Vec<&str> = answer
        .split("HTTP/1.1 200 OK\r\n")
        .skip(1)
        .map(|a| a.rsplit("\r\n\r\n").next().unwrap())
        .collect();
    assert_eq!(
        bodies,
        [
            "POST /1 a 127.0.0.1 - 3",
            "POST /2 a 127.0.0.1 - 2",
            "POST /3 a 127.0.0.1 - 0",
            "GET /4 a 127.0.0.1 - 0"
        ],
        "{answer}"
    );
}

#[tokio::test]
async fn requests_may_arrive_byte_by_byte() {
    let door = Door::plain(Limits::default());
    let mut stream = door.connect().await;
    stream.set_nodelay(true).unwrap();
    let request = format!(
        "POST /a HTTP/1.1\r\n{CLOSE}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    );
    for byte in request.as_bytes() {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(rest(&mut stream).await.ends_with("POST /a a 127.0.0.1 - 3"));
}

#[tokio::test]
async fn absolute_form_reaches_the_app_in_origin_form() {
    let door = Door::plain(Limits::default());
    let request = b"GET http://b.c:8/p?q HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = door.ask(request).await;
    assert!(answer.ends_with("GET /p?q b.c:8 127.0.0.1 - 0"), "{answer}");
}

#[tokio::test]
async fn refusals_are_readable_though_the_client_goes_on_sending() {
    let door = Door::plain(Limits::default());
    let mut stream = door.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; 60_000]).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer}"
    );
    assert!(answer.contains("\r\naccess-control-allow-origin: *\r\n"));
    assert!(answer.contains("\r\nConnection: close\r\n"));
    let body = r#"{"errcode":"M_UNKNOWN","error":"malformed Content-Length header"}"#;
    assert!(answer.ends_with(body), "{answer}");
}

#[tokio::test]
async fn nothing_after_a_refused_head_is_read_as_a_request() {
    let door = Door::plain(Limits::default());
    let good = format!("GET /2 HTTP/1.1\r\n{CLOSE}\r\n");
    for bad in [
        "GET /1 HTTP/1.1\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let answer = door.ask(format!("{bad}{good}").as_bytes()).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
}

#[tokio::test]
async fn a_broken_chunk_fails_the_request_and_closes() {
    let door = Door::plain(Limits::default());
    let head = "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let good = format!("GET /2 HTTP/1.1\r\n{CLOSE}\r\n");
    for body in [
        "\r\n",
        "3;\n\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nX\r\n\r\n",
    ] {
        let answer = door.ask(format!("{head}{body}{good}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
}

#[tokio::test]
async fn bytes_behind_an_upgrade_wait_for_the_101() {
    let door = Door::plain(Limits::default());
    let upgrade = "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    // Granted: they belong to the tunnel.
    let mut stream = door.connect().await;
    let request = format!("GET /chat HTTP/1.1\r\n{upgrade}early");
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(
        until(&mut stream, "early")
            .await
            .starts_with("HTTP/1.1 101")
    );
    stream.write_all(b"late").await.unwrap();
    until(&mut stream, "late").await;
    // Not granted: they are the next request.
    let request = format!("GET /1 HTTP/1.1\r\n{upgrade}GET /2 HTTP/1.1\r\n{CLOSE}\r\n");
    let answer = door.ask(request.as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "{answer}");
    assert!(answer.ends_with("GET /2 a 127.0.0.1 - 0"), "{answer}");
}

#[tokio::test]
async fn large_answers_arrive_whole() {
    let door = Door::plain(Limits::default());
    let answer = door
        .ask(format!("GET /large HTTP/1.1\r\n{CLOSE}\r\n").as_bytes())
        .await;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.len(), 4 << 20);
}

#[tokio::test]
async fn shutdown_closes_idle_connections_and_lets_requests_finish() {
    let door = Door::plain(Limits::default());
    let mut idle = door.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    until(&mut idle, " - 0").await;
    let mut silent = door.connect().await;
    let mut busy = door.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    while door.connections.open() < 3 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(millis(50)).await;
    door.stop.send_replace(true);
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(rest(&mut silent).await, "");
    assert!(TcpStream::connect(door.address).await.is_err());
    assert_eq!(door.connections.open(), 1);
    door.go.send_replace(true);
    let answer = rest(&mut busy).await;
    assert!(
        answer
            .to_ascii_lowercase()
            .contains("\r\nconnection: close\r\n"),
        "{answer}"
    );
    door.connections.drained().await;
}
