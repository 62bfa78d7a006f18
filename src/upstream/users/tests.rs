use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::SystemTime;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;
use crate::telemetry::Settings;
use crate::upstream::{Address, Health};

/// A homeserver that knows the tokens that begin with `mat_`: what follows is the localpart.
struct Homeserver {
    upstream: Upstream,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
    /// Nobody is answered while this is false.
    is_open: watch::Sender<bool>,
}

impl Homeserver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::default());
        let (is_open, opened) = watch::channel(true);
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, log.clone(), opened.clone()));
            }
        });
        let upstream = Upstream::new(
            "test".into(),
            Address::Socket(address),
            None,
            Health::new(Arc::default()),
        );
        Self {
            upstream,
            asked,
            is_open,
        }
    }

    fn asked(&self, token: &str) -> usize {
        self.asked.lock().unwrap().get(token).copied().unwrap_or(0)
    }

    /// Waits until so many look-ups have come.
    async fn was_asked(&self, times: usize) {
        let all = || self.asked.lock().unwrap().values().sum::<usize>();
        while all() < times {
            tokio::task::yield_now().await;
        }
    }
}

async fn serve(
    mut stream: TcpStream,
    log: Arc<Mutex<BTreeMap<String, usize>>>,
    mut opened: watch::Receiver<bool>,
) {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else {
                return;
            };
            head.push(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let (_, rest) = head.split_once("Bearer ").unwrap();
        let (token, _) = rest.split_once("\r\n").unwrap();
        *log.lock().unwrap().entry(token.to_owned()).or_default() += 1;
        drop(opened.wait_for(|open| *open).await);
        let (status, body) = match token.strip_prefix("mat_") {
            Some("broken") => (500, String::new()),
            Some(user) => (200, format!("{{\"user_id\":\"@{user}:example.org\"}}")),
            None => (401, String::new()),
        };
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
        // The client may have had enough.
        drop(stream.write_all(answer.as_bytes()).await);
    }
}

const DEADLINES: Deadlines = Deadlines {
    connect: Duration::from_secs(1),
    idle: Duration::from_secs(45),
    write: Duration::from_secs(1),
};

fn users(most: usize) -> Users {
    let settings = Settings {
        started: SystemTime::now(),
        access_log: None,
    };
    Users::new(most, Arc::new(Telemetry::start(settings).unwrap()))
}

async fn ask(users: &Users, pool: &Pool, homeserver: &Upstream, token: &str) -> Option<Key> {
    let bearer = Bearer {
        host: "example.org",
        token: token.as_bytes(),
        client: "192.0.2.7".parse().unwrap(),
        user_agent: None,
    };
    users.user_of(pool, homeserver, &DEADLINES, &bearer).await
}

#[tokio::test]
async fn a_token_is_asked_about_once() {
    let homeserver = Homeserver::start().await;
    let (users, pool) = (users(100), Pool::new());
    for (token, user) in [
        ("mat_al", Some(Key::user(b"al"))),
        ("mat_bo", Some(Key::user(b"bo"))),
        ("made_up", None),
        ("mat_broken", None),
    ] {
        for _ in 0..3 {
            assert_eq!(ask(&users, &pool, &homeserver.upstream, token).await, user);
        }
        assert_eq!(homeserver.asked(token), 1, "{token}");
    }
    let metrics = users.telemetry.render_metrics();
    for line in [
        "vestibule_user_lookups_total{result=\"found\"} 2",
        "vestibule_user_lookups_total{result=\"refused\"} 1",
        "vestibule_user_lookups_total{result=\"failed\"} 1",
        "vestibule_user_tokens 4",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn who_was_refused_is_asked_about_again_later() {
    let homeserver = Homeserver::start().await;
    let (mut users, pool) = (users(100), Pool::new());
    users.pauses.refused = Duration::ZERO;
    for times in 1..=3 {
        assert_eq!(
            ask(&users, &pool, &homeserver.upstream, "other").await,
            None
        );
        assert_eq!(homeserver.asked("other"), times);
    }
}

#[test]
fn all_threads_share_one_look_up() {
    let main = tokio::runtime::Runtime::new().unwrap();
    let homeserver = main.block_on(Homeserver::start());
    homeserver.is_open.send_replace(false);
    let users = users(100);
    let started = std::sync::Barrier::new(5);
    std::thread::scope(|scope| {
        let work = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            started.wait();
            let pool = Pool::new();
            let asking = async { ask(&users, &pool, &homeserver.upstream, "mat_al").await };
            runtime.block_on(asking)
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        started.wait();
        main.block_on(homeserver.was_asked(1));
        homeserver.is_open.send_replace(true);
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Some(Key::user(b"al")));
        }
    });
    assert_eq!(homeserver.asked("mat_al"), 1);
}

#[tokio::test]
async fn who_waits_takes_over_from_who_leaves() {
    let homeserver = Homeserver::start().await;
    homeserver.is_open.send_replace(false);
    let (users, pool) = (users(100), Pool::new());
    {
        let mut first = Box::pin(ask(&users, &pool, &homeserver.upstream, "mat_al"));
        tokio::select! {
            biased;
            _ = &mut first => panic!("nobody was answered"),
            () = homeserver.was_asked(1) => {}
        }
        let mut second = Box::pin(ask(&users, &pool, &homeserver.upstream, "mat_al"));
        assert!(timeout(Duration::ZERO, &mut second).await.is_err());
        drop(first);
        homeserver.is_open.send_replace(true);
        assert_eq!(second.await, Some(Key::user(b"al")));
    }
    assert_eq!(homeserver.asked("mat_al"), 2);
}

#[tokio::test]
async fn a_homeserver_that_hangs_is_not_asked_again_at_once() {
    let homeserver = Homeserver::start().await;
    homeserver.is_open.send_replace(false);
    let (users, pool) = (users(100), Pool::new());
    let ask = || ask(&users, &pool, &homeserver.upstream, "mat_al");
    assert_eq!(tokio::join!(ask(), ask(), ask()), (None, None, None));
    assert_eq!(ask().await, None);
    assert_eq!(homeserver.asked("mat_al"), 1);
}

#[tokio::test]
async fn made_up_tokens_do_not_flood_the_homeserver() {
    let homeserver = Homeserver::start().await;
    homeserver.is_open.send_replace(false);
    let (users, pool) = (users(10_000), Pool::new());
    let tokens: Vec<_> = (0..MOST_LOOKUPS).map(|n| format!("made-up-{n}")).collect();
    let asking = tokens
        .iter()
        .map(|token| ask(&users, &pool, &homeserver.upstream, token));
    let mut asking: Vec<_> = asking.map(Box::pin).collect();
    for question in &mut asking {
        assert!(
            tokio::time::timeout(Duration::ZERO, question)
                .await
                .is_err()
        );
    }
    assert_eq!(
        ask(&users, &pool, &homeserver.upstream, "mat_al").await,
        None
    );
    homeserver.is_open.send_replace(true);
    for question in asking {
        assert_eq!(question.await, None);
    }
    // Nothing was remembered of the one that there was no room for.
    let user = ask(&users, &pool, &homeserver.upstream, "mat_al").await;
    assert_eq!(user, Some(Key::user(b"al")));
}

#[tokio::test]
async fn made_up_tokens_do_not_displace_those_in_use() {
    let homeserver = Homeserver::start().await;
    let (users, pool) = (users(500), Pool::new());
    let in_use: Vec<_> = (0..50).map(|n| format!("mat_{n}")).collect();
    for token in in_use.iter().chain(&in_use) {
        assert!(
            ask(&users, &pool, &homeserver.upstream, token)
                .await
                .is_some()
        );
    }
    for n in 0..2000 {
        let made_up = format!("made-up-{n}");
        assert_eq!(
            ask(&users, &pool, &homeserver.upstream, &made_up).await,
            None
        );
    }
    // Each shard of the cache rounds its share up.
    assert!(users.known.len() <= 550);
    for token in &in_use {
        assert!(
            ask(&users, &pool, &homeserver.upstream, token)
                .await
                .is_some()
        );
        assert_eq!(homeserver.asked(token), 1, "{token}");
    }
}

#[tokio::test]
async fn a_token_of_one_homeserver_is_not_one_of_another() {
    let users = users(100);
    let digest = |host, token| {
        users.digest(&Bearer {
            host,
            token,
            client: "192.0.2.7".parse().unwrap(),
            user_agent: None,
        })
    };
    assert_eq!(digest("a", b"t"), digest("a", b"t"));
    assert_ne!(digest("a", b"t"), digest("b", b"t"));
    assert_ne!(digest("a", b"t"), digest("a", b"u"));
}
