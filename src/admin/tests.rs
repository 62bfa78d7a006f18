use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::*;
use crate::listen::socket::{Address, bind};
use crate::listen::{Connections, Intake, Limits, Listener, accept};
use crate::matrix::Profile;
use crate::telemetry::{Settings, Telemetry};

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
    let admin = Admin::new(Sources {
        telemetry,
        readiness: Arc::clone(&readiness),
        snapshot,
        configuration: Arc::new(ArcSwap::from_pointee(config.shown())),
        certificates: Arc::new(|| Err("no such file".to_owned())),
        lists: Arc::default(),
        self_check: Arc::default(),
        token: Arc::default(),
        reloads: Arc::default(),
    });
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
        telemetry: Arc::clone(&app.sources.telemetry),
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

#[tokio::test]
async fn readiness_follows_the_life_of_the_process() {
    let (admin, readiness) = admin();
    let ready = async || {
        let answer = admin.answer(&Method::GET, "/readyz").await;
        (
            answer.status.as_u16(),
            String::from_utf8(answer.body).unwrap(),
        )
    };
    assert_eq!(ready().await, (503, "starting\n".to_owned()));
    readiness.set_ready();
    assert_eq!(ready().await, (200, "ready\n".to_owned()));
    readiness.set_draining();
    assert_eq!(ready().await, (503, "draining\n".to_owned()));
    assert_eq!(admin.answer(&Method::GET, "/healthz").await.status, 200);
}

#[tokio::test]
async fn answers_only_what_it_knows() {
    let (admin, _) = admin();
    for (method, path, status) in [
        (Method::GET, "/healthz", 200),
        (Method::HEAD, "/metrics", 200),
        (Method::POST, "/healthz", 405),
        (Method::DELETE, "/metrics", 405),
        (Method::OPTIONS, "/readyz", 405),
        (Method::GET, "/", 200),
        (Method::POST, "/", 405),
        (Method::GET, "/style.css", 200),
        (Method::GET, "/status", 200),
        (Method::GET, "/config", 200),
        (Method::PUT, "/config", 405),
        (Method::GET, "/connections", 200),
        (Method::GET, "/upstreams", 200),
        (Method::GET, "/certificates", 500),
        (Method::GET, "/reload", 200),
        (Method::PUT, "/reload", 405),
        (Method::GET, "/nothing", 404),
        (Method::GET, "/metrics/", 404),
        (Method::GET, "/healthz/../metrics", 404),
    ] {
        assert_eq!(
            admin.answer(&method, path).await.status,
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

#[tokio::test]
async fn a_page_under_another_name_cannot_read_on() {
    for (host, status) in [
        ("127.0.0.1:9180", 200),
        ("[::1]:9180", 200),
        ("localhost:9180", 200),
        ("vestibule", 200),
        ("rebound.example:9180", 403),
    ] {
        let answer = exchange(&format!("GET /config HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        let begin = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&begin), "{host}: {answer}");
    }
    let answer = exchange("GET /metrics HTTP/1.1\r\nHost: rebound.example\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_browser_may_do_nothing_with_an_answer_but_show_it() {
    let answer = exchange("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("Content-Security-Policy: default-src 'none'; style-src 'self';"));
    assert!(page.contains("no such file"), "{page}");
    assert!(
        !page.contains("<script") && !page.contains("style="),
        "{page}"
    );
}

#[tokio::test]
async fn counts_for_what_is_gone_are_forgotten_at_the_next_scrape() {
    let (admin, _) = admin();
    let telemetry = &admin.sources.telemetry;
    telemetry.upstream_up("http://127.0.0.1:1", 1.0);
    telemetry.upstream_up("sync-10.0.0.7:8081", 1.0);
    telemetry.members("sync", 1);
    let scraped = admin.answer(&Method::GET, "/metrics").await.body;
    let scraped = String::from_utf8(scraped).unwrap();
    assert!(scraped.contains("vestibule_upstream_up{upstream=\"http://127.0.0.1:1\"} 1"));
    assert!(scraped.contains("vestibule_upstream_requests{upstream=\"http://127.0.0.1:1\"} 0"));
    assert!(
        !scraped.contains("10.0.0.7") && !scraped.contains("worker=\"sync\""),
        "{scraped}"
    );
}
