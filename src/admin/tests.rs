use std::time::SystemTime;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::*;
use crate::listen::socket::{Address, bind};
use crate::listen::{Connections, Intake, Limits, Listener, accept};
use crate::matrix::Profile;
use crate::telemetry::Settings;

fn admin() -> (Admin, Arc<Readiness>) {
    let settings = Settings {
        started: SystemTime::UNIX_EPOCH,
        access_log: None,
    };
    let telemetry = Arc::new(Telemetry::start(settings).unwrap());
    let readiness = Arc::new(Readiness::new());
    let config = "server_name = \"example.com\"\nhomeserver = \"http://127.0.0.1:1\"";
    let config = crate::config::Config::parse("test", config).unwrap();
    let snapshot = Arc::new(ArcSwap::from_pointee(
        crate::snapshot::compile(&config, None).unwrap(),
    ));
    let admin = Admin::new(
        telemetry,
        Arc::clone(&readiness),
        snapshot,
        Arc::default(),
        Arc::default(),
    );
    (admin, readiness)
}

/// What the admin application says to `request`, byte for byte.
async fn exchange(request: &str) -> String {
    let (app, _) = admin();
    let limits = Limits::default();
    let any_port = Address::Tcp("127.0.0.1:0".parse().unwrap());
    let bound = bind("admin", &any_port).unwrap().sockets.remove(0);
    let address = bound.socket_address().unwrap();
    let (_keep, shutdown) = watch::channel(false);
    let intake = Intake {
        telemetry: Arc::clone(&app.telemetry),
        app: Arc::new(app),
        listener: Arc::new(Listener {
            name: "admin".into(),
            profile: Profile::Both,
            tls: false,
            proxy_protocol: Vec::new(),
        }),
        tls: None,
        connections: Connections::new(&limits),
        limits: Arc::new(limits),
        closing: shutdown.clone(),
        shutdown,
    };
    tokio::spawn(accept(bound, Arc::new(ArcSwap::from_pointee(intake))));
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = request.replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1);
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}

#[test]
fn readiness_follows_the_life_of_the_process() {
    let (admin, readiness) = admin();
    let ready = || {
        let answer = admin.answer(&Method::GET, "/readyz");
        (
            answer.status.as_u16(),
            String::from_utf8(answer.body).unwrap(),
        )
    };
    assert_eq!(ready(), (503, "starting\n".to_owned()));
    readiness.set_ready();
    assert_eq!(ready(), (200, "ready\n".to_owned()));
    readiness.set_draining();
    assert_eq!(ready(), (503, "draining\n".to_owned()));
    assert_eq!(admin.answer(&Method::GET, "/healthz").status, 200);
}

#[test]
fn answers_only_what_it_knows() {
    let (admin, _) = admin();
    for (method, path, status) in [
        (Method::GET, "/healthz", 200),
        (Method::HEAD, "/metrics", 200),
        (Method::POST, "/healthz", 405),
        (Method::DELETE, "/metrics", 405),
        (Method::OPTIONS, "/readyz", 405),
        (Method::GET, "/", 404),
        (Method::GET, "/reload", 200),
        (Method::PUT, "/reload", 405),
        (Method::GET, "/metrics/", 404),
        (Method::GET, "/healthz/../metrics", 404),
    ] {
        assert_eq!(
            admin.answer(&method, path).status,
            status,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn shows_metrics_over_http() {
    let answer = exchange("GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.to_lowercase()
            .contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    assert!(
        head.to_lowercase()
            .contains(&format!("content-length: {}", body.len())),
        "{head}"
    );
    assert!(body.contains("vestibule_build_info{version="), "{body}");
}

#[tokio::test]
async fn head_has_the_length_but_not_the_body() {
    for request in ["/healthz", "/nothing"] {
        let answer = exchange(&format!("HEAD {request} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "");
        assert!(!head.to_lowercase().contains("content-length: 0"), "{head}");
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
    }
}

#[tokio::test]
async fn refusal_names_the_methods() {
    let request = "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    let answer = exchange(request).await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(
        answer.to_lowercase().contains("allow: get, head\r\n"),
        "{answer}"
    );
}
