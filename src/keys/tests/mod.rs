mod answers;
mod homeserver;
mod limits;
pub(super) mod server;

use std::time::{Duration, SystemTime};

use self::homeserver::Stub;
use self::server::{Published, public};
use super::*;
use crate::matrix::{Credentials, credentials};
use crate::telemetry;

const HOUR: u64 = 3_600_000;

const DEADLINES: Deadlines = Deadlines {
    connect: Duration::from_secs(5),
    idle: Duration::from_secs(45),
    write: Duration::from_secs(5),
};

/// What a test asks by: the homeserver, the settings, and a pool.
struct Asker {
    stub: Stub,
    settings: Settings,
    keys: Arc<ServerKeys>,
    telemetry: Arc<Telemetry>,
}

impl Asker {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            most_keys: 1000,
            lookups: 32,
            per_minute: 6000,
            burst: 6000,
            wait: Duration::from_secs(30),
            pinned: PinnedKeys::default(),
        };
        change(&mut settings);
        let start = telemetry::Settings {
            started: SystemTime::now(),
            access_log: None,
        };
        let telemetry = Arc::new(Telemetry::start(start).unwrap());
        Self {
            stub: Stub::start().await,
            keys: Arc::new(ServerKeys::new(&settings, telemetry.clone())),
            settings,
            telemetry,
        }
    }

    /// A server publishes these keys, for two days from now.
    fn publishes(&self, server: &str, keys: &[u8], old: &[u8]) {
        let valid_until = now() + 48 * HOUR;
        let published = Published {
            server,
            keys,
            old,
            valid_until,
        };
        self.stub.has(server, vec![published.document()]);
    }

    /// Asks for the key of this number as a request from `client` does.
    async fn look_up_for(&self, client: &str, server: &str, number: u8) -> Result<[u8; 32], NoKey> {
        let asked = Asked::new(server, number);
        let pool = Pool::new();
        let asking = asked.asking(self, &pool, client);
        let key = self.keys.look_up(&asking).await?;
        Ok(*key.as_bytes())
    }

    async fn look_up(&self, server: &str, number: u8) -> Result<[u8; 32], NoKey> {
        self.look_up_for("192.0.2.7", server, number).await
    }

    fn known(&self, server: &str, number: u8, now: SystemTime) -> Known {
        let asked = Asked::new(server, number);
        let pool = Pool::new();
        self.keys
            .known(&asked.asking(self, &pool, "192.0.2.7"), now)
    }

    fn is_known(&self, server: &str, number: u8) -> bool {
        matches!(
            self.known(server, number, SystemTime::now()),
            Known::Key { .. }
        )
    }

    /// Waits until no lookup is under way.
    async fn landed(&self) {
        while !self.keys.flights.is_empty() {
            tokio::task::yield_now().await;
        }
    }

    #[track_caller]
    fn counted(&self, line: &str) {
        let metrics = self.telemetry.render_metrics();
        assert!(metrics.contains(&format!("{line}\n")), "{line}\n{metrics}");
    }
}

/// Whose key is asked for.
struct Asked {
    origin: ClaimedOrigin,
    key_id: String,
}

impl Asked {
    fn new(server: &str, number: u8) -> Self {
        let signature = "A".repeat(86);
        let header = format!("X-Matrix origin=\"{server}\",key=\"k\",sig=\"{signature}\"");
        let Credentials::Clear(x_matrix) = credentials([header.as_bytes()]) else {
            panic!("{header} is clear");
        };
        Self {
            origin: x_matrix.origin().clone(),
            key_id: format!("ed25519:{number}"),
        }
    }

    fn asking<'a>(&'a self, asker: &'a Asker, pool: &'a Arc<Pool>, client: &str) -> Asking<'a> {
        Asking {
            origin: &self.origin,
            key_id: &self.key_id,
            client: client.parse().unwrap(),
            site: "example.org",
            host: "example.org",
            homeserver: &asker.stub.homeserver,
            pool,
            deadlines: &DEADLINES,
            settings: &asker.settings,
        }
    }
}

fn now() -> u64 {
    milliseconds(SystemTime::now())
}

#[tokio::test]
async fn a_key_is_asked_for_once() {
    let asker = Asker::new().await;
    asker.publishes("a.test", &[1, 2], &[]);
    for number in [1, 1, 2] {
        assert_eq!(asker.look_up("a.test", number).await, Ok(public(number)));
    }
    let requests = asker.stub.requests();
    let [(head, body)] = requests.as_slice() else {
        panic!("{requests:?}");
    };
    assert!(
        head.starts_with("POST /_matrix/key/v2/query HTTP/1.1\r\nHost: example.org\r\n"),
        "{head}"
    );
    assert!(head.contains("X-Forwarded-For: 192.0.2.7\r\n"), "{head}");
    let least = &body["server_keys"]["a.test"]["ed25519:1"]["minimum_valid_until_ts"];
    assert!(now() - least.as_u64().unwrap() < 60_000, "{body}");
    asker.counted("vestibule_key_lookups_total{result=\"found\"} 1");
    asker.counted("vestibule_server_keys 2");
    asker.counted("vestibule_key_lookups_under_way 0");
    asker.counted("vestibule_key_waits 0");
}

#[tokio::test]
async fn a_name_in_other_letters_is_another_server() {
    let asker = Asker::new().await;
    asker.publishes("a.test", &[1], &[]);
    asker.stub.has("A.test", asker.stub.documents("a.test"));
    assert!(asker.look_up("a.test", 1).await.is_ok());
    assert_eq!(asker.look_up("A.test", 1).await, Err(NoKey::Absent));
    assert!(asker.is_known("a.test", 1) && !asker.is_known("A.test", 1));
}

#[tokio::test]
async fn what_one_site_knows_another_asks_for_itself() {
    let asker = Asker::new().await;
    asker.publishes("a.test", &[1], &[]);
    assert!(asker.look_up("a.test", 1).await.is_ok());
    let asked = Asked::new("a.test", 1);
    let pool = Pool::new();
    let mut asking = asked.asking(&asker, &pool, "192.0.2.7");
    asking.site = "example.com";
    assert!(matches!(
        asker.keys.known(&asking, SystemTime::now()),
        Known::Unknown
    ));
}

#[tokio::test]
async fn who_need_not_wait_has_the_key_the_next_time() {
    let asker = Asker::new().await;
    asker.publishes("a.test", &[1], &[]);
    asker.stub.is_open.send_replace(false);
    let asked = Asked::new("a.test", 1);
    let pool = Pool::new();
    let asking = asked.asking(&asker, &pool, "192.0.2.7");
    for _ in 0..3 {
        assert!(asker.keys.find(&asking, SystemTime::now()).is_none());
    }
    asker.stub.was_asked(1).await;
    asker.stub.is_open.send_replace(true);
    asker.landed().await;
    assert!(asker.keys.find(&asking, SystemTime::now()).is_some());
    assert_eq!(asker.stub.lookups(), 1);
}

#[test]
fn all_threads_share_one_lookup() {
    let main = tokio::runtime::Runtime::new().unwrap();
    let asker = main.block_on(Asker::new());
    asker.publishes("a.test", &[1], &[]);
    asker.stub.is_open.send_replace(false);
    let started = std::sync::Barrier::new(5);
    std::thread::scope(|scope| {
        let work = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            started.wait();
            runtime.block_on(asker.look_up("a.test", 1))
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        started.wait();
        main.block_on(asker.stub.was_asked(1));
        asker.stub.is_open.send_replace(true);
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Ok(public(1)));
        }
    });
    assert_eq!(asker.stub.lookups(), 1);
}

#[test]
fn a_thread_that_ends_leaves_the_lookup_to_those_who_wait() {
    let main = tokio::runtime::Runtime::new().unwrap();
    let asker = Arc::new(main.block_on(Asker::new()));
    asker.publishes("a.test", &[1], &[]);
    asker.stub.is_open.send_replace(false);
    let other = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    other.block_on(async {
        let asked = Asked::new("a.test", 1);
        let pool = Pool::new();
        assert!(
            asker
                .keys
                .find(&asked.asking(&asker, &pool, "192.0.2.7"), SystemTime::now())
                .is_none()
        );
        asker.stub.was_asked(1).await;
    });
    let waiter = asker.clone();
    let waiting = main.spawn(async move { waiter.look_up("a.test", 1).await });
    drop(other);
    main.block_on(asker.stub.was_asked(2));
    asker.stub.is_open.send_replace(true);
    assert_eq!(main.block_on(waiting).unwrap(), Ok(public(1)));
}

#[tokio::test]
async fn who_leaves_ends_nothing() {
    let asker = Asker::new().await;
    asker.publishes("a.test", &[1], &[]);
    asker.stub.is_open.send_replace(false);
    tokio::select! {
        biased;
        _ = asker.look_up("a.test", 1) => panic!("nobody was answered"),
        () = asker.stub.was_asked(1) => {}
    }
    asker.stub.is_open.send_replace(true);
    asker.landed().await;
    assert!(asker.is_known("a.test", 1));
    assert_eq!(asker.stub.lookups(), 1);
}

#[tokio::test]
async fn a_key_is_asked_for_again_at_half_of_its_time() {
    let asker = Asker::new().await;
    asker.publishes("a.test", &[1], &[]);
    assert!(asker.look_up("a.test", 1).await.is_ok());
    let asked = Asked::new("a.test", 1);
    let pool = Pool::new();
    let asking = asked.asking(&asker, &pool, "192.0.2.7");
    let until = now() + 96 * HOUR;
    let published = Published {
        server: "a.test",
        keys: &[1],
        old: &[],
        valid_until: until,
    };
    asker.stub.has("a.test", vec![published.document()]);
    let in_hours = |hours: u64| SystemTime::now() + Duration::from_secs(hours * 3600);
    assert!(asker.keys.find(&asking, in_hours(23)).is_some());
    assert_eq!(asker.stub.lookups(), 1);
    for _ in 0..3 {
        assert!(asker.keys.find(&asking, in_hours(25)).is_some());
    }
    asker.landed().await;
    assert_eq!(asker.stub.lookups(), 2);
    assert!(matches!(
        asker.known("a.test", 1, in_hours(95)),
        Known::Key { .. }
    ));
    assert!(matches!(
        asker.known("a.test", 1, in_hours(97)),
        Known::Unknown
    ));
}

#[tokio::test]
async fn a_key_that_was_replaced_under_its_id_is_found_by_doubt() {
    let asker = Asker::new().await;
    asker.publishes("a.test", &[1], &[]);
    assert!(asker.look_up("a.test", 1).await.is_ok());
    let asked = Asked::new("a.test", 1);
    let pool = Pool::new();
    let asking = asked.asking(&asker, &pool, "192.0.2.7");
    // Who sends wrong signatures makes nothing of it within the minute, and little after it.
    asker.keys.doubt(&asking, SystemTime::now());
    assert_eq!(asker.stub.lookups(), 1);
    let later = SystemTime::now() + Duration::from_secs(61);
    for _ in 0..5 {
        asker.keys.doubt(&asking, later);
    }
    asker.landed().await;
    let least = |request: &(String, serde_json::Value)| {
        request.1["server_keys"]["a.test"]["ed25519:1"]["minimum_valid_until_ts"].as_u64()
    };
    let requests = asker.stub.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.last().and_then(least).unwrap() > now() + 47 * HOUR);
    assert!(asker.is_known("a.test", 1));
}

#[tokio::test]
async fn pinned_keys_are_the_only_ones_of_their_server() {
    let key = |number| VerifyKey::new(&public(number)).unwrap();
    let asker = Asker::with(|settings| {
        let pinned = &mut settings.pinned;
        pinned.add("a.test".parse().unwrap(), "ed25519:1", key(1));
        pinned.add("a.test".parse().unwrap(), "ed25519:3", key(3));
    })
    .await;
    asker.publishes("a.test", &[1, 2], &[]);
    asker.publishes("A.TEST", &[2], &[]);
    for (server, number, expected) in [
        ("a.test", 1, Ok(public(1))),
        ("A.Test", 1, Ok(public(1))),
        ("a.test", 3, Ok(public(3))),
        ("a.test", 2, Err(NoKey::NotPinned)),
        ("A.TEST", 2, Err(NoKey::NotPinned)),
    ] {
        assert_eq!(
            asker.look_up(server, number).await,
            expected,
            "{server} {number}"
        );
    }
    assert!(asker.stub.requests().is_empty());
    let far = SystemTime::now() + Duration::from_hours(10 * 365 * 24);
    assert!(matches!(
        asker.known("a.test", 1, far),
        Known::Key { is_due: false, .. }
    ));
}

#[tokio::test]
async fn a_reload_keeps_what_is_known_and_takes_up_what_is_new() {
    let mut asker = Asker::new().await;
    for server in ["a.test", "b.test"] {
        asker.publishes(server, &[1, 2], &[]);
        assert!(asker.look_up(server, 1).await.is_ok());
    }
    let key = VerifyKey::new(&public(3)).unwrap();
    asker
        .settings
        .pinned
        .add("b.test".parse().unwrap(), "ed25519:3", key);
    assert!(asker.is_known("a.test", 1) && asker.is_known("b.test", 3));
    assert!(!asker.is_known("b.test", 1));
    // Room for less is taken up with the next key.
    asker.settings.most_keys = 40;
    for number in 0..200 {
        let server = format!("{number}.test");
        asker.publishes(&server, &[1, 2, 3, 4], &[]);
        assert!(asker.look_up(&server, 1).await.is_ok());
    }
    assert!(
        asker.keys.kept.weight() <= 40,
        "{}",
        asker.keys.kept.weight()
    );
}
