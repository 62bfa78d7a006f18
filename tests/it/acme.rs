//! Certificates by ACME, from a real authority.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use time::{Duration, OffsetDateTime};

use crate::support::authority::Authority;
use crate::support::pebble::Pebble;
use crate::support::{Answer, Door, Homeserver, Raw, Request, Vestibule, eventually, tls};

pub(crate) const TARGET: &str = "/_matrix/client/versions";
pub(crate) const NAMES: [&str; 2] = ["example.com", "matrix.example.com"];

/// Lets the authority find the program on the ports of its names.
pub(crate) fn reachable(pebble: &Pebble, vestibule: &Vestibule) {
    pebble.http.leads_to(vestibule.address(Door::Redirect));
    pebble.tls.leads_to(vestibule.address(Door::Tls));
}

/// Whether a client that trusts the authority is served for `name`.
pub(crate) async fn is_trusted(vestibule: &Vestibule, pebble: &Pebble, name: &str) -> bool {
    let tcp = vestibule.tcp(Door::Tls).await;
    let stream = tls::connect(tcp, pebble.root(), name, &["http/1.1"]).await;
    let Ok(stream) = stream else {
        return false;
    };
    let answer = Raw::new(stream).ask(&Request::get(TARGET).host(name)).await;
    answer.status == 200
}

pub(crate) async fn all_are_trusted(vestibule: &Vestibule, pebble: &Pebble) {
    for name in NAMES {
        eventually("the authority's certificate is served", async || {
            is_trusted(vestibule, pebble, name).await
        })
        .await;
    }
}

/// What the state folder knows of a name, once it has `key`.
pub(crate) async fn record(state: &Path, name: &str, key: &str) -> serde_json::Value {
    let file = state.join(format!("acme/names/{name}.json"));
    let mut known = serde_json::Value::Null;
    eventually("the state folder knows more of the name", async || {
        let text = std::fs::read(&file).unwrap_or_default();
        known = serde_json::from_slice(&text).unwrap_or_default();
        known.get(key).is_some()
    })
    .await;
    known
}

#[tokio::test(flavor = "multi_thread")]
async fn first_certificates_come_by_either_challenge() {
    for (challenge, is_http) in [("http-01", true), ("tls-alpn-01", false)] {
        let pebble = Pebble::start().await;
        let homeserver = Homeserver::start().await;
        let vestibule = Vestibule::start(&homeserver, &by(&pebble, challenge)).await;
        // Until then the name has a certificate that nobody trusts, and everything works.
        assert!(!is_trusted(&vestibule, &pebble, "example.com").await);
        let plain = vestibule.ask(Door::Plain, &Request::get(TARGET)).await;
        assert_eq!(plain.status, 200);
        let own = "vestibule_certificate_self_signed";
        assert!(vestibule.metric(own, &[]).await >= 1.0);

        reachable(&pebble, &vestibule);
        all_are_trusted(&vestibule, &pebble).await;
        assert_eq!(pebble.http.asked() > 0, is_http, "{challenge}");
        assert_eq!(pebble.tls.asked() > 0, !is_http, "{challenge}");
        assert_eq!(vestibule.count(own, &[]).await, "0");
        let orders = "vestibule_certificate_orders_total";
        assert_eq!(vestibule.count(orders, &["issued"]).await, "2");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_get_certificates_too() {
    for challenge in ["http-01", "tls-alpn-01"] {
        let pebble = Pebble::start().await;
        let homeserver = Homeserver::start().await;
        let mut hosts = vec!["127.0.0.1"];
        if tokio::net::TcpListener::bind("[::1]:0").await.is_ok() {
            hosts.push("[::1]");
        }
        let config = format!("hosts = {hosts:?}\n{}", by(&pebble, challenge));
        let vestibule = Vestibule::start(&homeserver, &config).await;
        reachable(&pebble, &vestibule);
        // Who connects to an address asks for no name, and one is enough to find its certificate.
        for name in ["example.com", "127.0.0.1"] {
            eventually("the authority's certificate is served", async || {
                is_trusted(&vestibule, &pebble, name).await
            })
            .await;
        }
        for host in &hosts {
            let name = host.trim_matches(['[', ']']);
            let known = record(vestibule.state(), name, "authority").await;
            assert_eq!(known["authority"], pebble.directory(), "{challenge} {host}");
        }
        assert_eq!(pebble.logged("POST /order-plz ->"), hosts.len() + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_names_that_no_file_has_are_ordered() {
    let pebble = Pebble::start().await;
    let files = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = files.write_certificate(folder.path(), &["example.com"]);
    let pair = format!(
        "source = \"acme\"\ncertificates = [{{ certificate = {certificate:?}, key = {key:?} }}]"
    );
    let config = pebble.config("").replace("source = \"acme\"", &pair);
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, &config).await;
    let from_file = async |authority: &Authority| {
        let tcp = vestibule.tcp(Door::Tls).await;
        let stream = tls::connect(tcp, authority.pem(), "example.com", &[]).await;
        stream.is_ok()
    };
    assert!(from_file(&files).await);
    reachable(&pebble, &vestibule);
    eventually("the other name has a certificate", async || {
        is_trusted(&vestibule, &pebble, "matrix.example.com").await
    })
    .await;
    assert!(from_file(&files).await);
    assert_eq!(pebble.logged("POST /order-plz ->"), 1);
    // The files are watched as ever.
    let renewed = Authority::new();
    renewed.write_certificate(folder.path(), &["example.com"]);
    eventually("the new file is served", async || from_file(&renewed).await).await;
    assert!(is_trusted(&vestibule, &pebble, "matrix.example.com").await);
}

/// `[tls]` with one authority, and how names are checked.
pub(crate) fn by(pebble: &Pebble, challenge: &str) -> String {
    let only = format!("source = \"acme\"\nchallenges = [\"{challenge}\"]");
    pebble.config("").replace("source = \"acme\"", &only)
}

/// Writes a certificate of another authority into the state folder, as an earlier run would have
/// left it; `begun` and `ends` are days from now.
pub(crate) fn leave(state: &Path, authority: &Authority, name: &str, begun: i64, ends: i64) {
    let now = OffsetDateTime::now_utc();
    let pem = authority.pem_between(
        name,
        now + Duration::days(begun),
        now + Duration::days(ends),
    );
    let folder = state.join("acme/certificates");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), pem).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_for_us_alone_and_nothing_is_left_of_challenges() {
    let pebble = Pebble::start().await;
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, &pebble.config("")).await;
    reachable(&pebble, &vestibule);
    all_are_trusted(&vestibule, &pebble).await;
    let mut files = Vec::new();
    let mut folders = vec![vestibule.state().join("acme")];
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o700, "{folder:?}");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{path:?}");
                files.push(path);
            }
        }
    }
    let count = |part: &str| {
        let is_there = |path: &&PathBuf| path.to_str().unwrap().contains(part);
        files.iter().filter(is_there).count()
    };
    assert_eq!(count("/challenges/"), 0, "{files:?}");
    assert_eq!(count("/accounts/"), 1, "{files:?}");
    assert_eq!(count("/certificates/"), 2, "{files:?}");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_down_costs_nothing_but_the_certificate() {
    let pebble = Pebble::start().await;
    let old = Authority::new();
    let homeserver = Homeserver::start().await;
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), &old, "example.com", -89, 1);
    let config = pebble
        .config("")
        .replace(&pebble.directory(), "https://127.0.0.1:1/dir");
    let vestibule = Vestibule::start_in(state, homeserver.url(), &config).await;
    let orders = "vestibule_certificate_orders_total";
    eventually("both names were tried", async || {
        vestibule.metric(orders, &["unreachable"]).await >= 2.0
    })
    .await;
    // The old one is served as long as it is good, and longer.
    let tcp = vestibule.tcp(Door::Tls).await;
    assert!(
        tls::connect(tcp, old.pem(), "example.com", &[])
            .await
            .is_ok()
    );
    let known = record(vestibule.state(), "example.com", "last_error").await;
    assert_eq!(known["failures"], 1);
    let error = known["last_error"].as_str().unwrap();
    assert!(error.contains("cannot be reached"), "{error}");
    // Written down, for whoever starts again.
    let next = known["next_attempt"].as_i64().unwrap();
    assert!(next > OffsetDateTime::now_utc().unix_timestamp());
    assert_eq!(vestibule.count(orders, &["example.com"]).await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_authority_is_asked_where_the_first_is_down() {
    let pebble = Pebble::start().await;
    let homeserver = Homeserver::start().await;
    let first = format!(
        "[[tls.authorities]]\ndirectory = \"https://127.0.0.1:1/dir\"\nca = \"{}\"\n",
        pebble.ca().display()
    );
    let config = pebble
        .config("")
        .replacen("[[tls", &format!("{first}[[tls"), 1);
    let vestibule = Vestibule::start(&homeserver, &config).await;
    reachable(&pebble, &vestibule);
    all_are_trusted(&vestibule, &pebble).await;
    let known = record(vestibule.state(), "example.com", "authority").await;
    assert_eq!(known["authority"], pebble.directory());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_challenge_says_what_to_do_and_is_tried_otherwise_later() {
    let pebble = Pebble::start().await;
    let homeserver = Homeserver::start().await;
    // What answers on port 80 is the homeserver itself.
    let vestibule = Vestibule::start(&homeserver, &by(&pebble, "http-01")).await;
    pebble
        .http
        .leads_to(homeserver.url()["http://".len()..].parse().unwrap());
    let orders = "vestibule_certificate_orders_total";
    eventually("both names were refused", async || {
        vestibule.metric(orders, &["refused"]).await >= 2.0
    })
    .await;
    let known = record(vestibule.state(), "example.com", "last_error").await;
    let error = known["last_error"].as_str().unwrap();
    assert!(error.contains("port 80 of example.com"), "{error}");
    assert!(known.get("order").is_none(), "{known}");
    let own = "vestibule_certificate_self_signed";
    assert_eq!(vestibule.count(own, &[]).await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_in_dns_costs_no_other_name() {
    let pebble = Pebble::start().await;
    let homeserver = Homeserver::start().await;
    let config = format!(
        "hosts = [\"nowhere.example.com\", \"matrix.example.com\"]\n{}",
        pebble.config("")
    );
    let vestibule = Vestibule::start(&homeserver, &config).await;
    reachable(&pebble, &vestibule);
    all_are_trusted(&vestibule, &pebble).await;
    eventually("the other was tried", async || {
        vestibule
            .metric(
                "vestibule_certificate_orders_total",
                &["nowhere", "refused"],
            )
            .await
            > 0.0
    })
    .await;
    assert!(!is_trusted(&vestibule, &pebble, "nowhere.example.com").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_bound_to_an_external_one() {
    let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let required = format!(
        "\"externalAccountBindingRequired\": true, \"externalAccountMACKeys\": {{ \"kid-1\": \"{key}\" }},"
    );
    let pebble = Pebble::start_with(&required).await;
    let homeserver = Homeserver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, format!("{key}\n")).unwrap();
    let binding = format!(
        "external_account = {{ id = \"kid-1\", key_file = \"{}\" }}",
        file.display()
    );
    let vestibule = Vestibule::start(&homeserver, &pebble.config(&binding)).await;
    reachable(&pebble, &vestibule);
    all_are_trusted(&vestibule, &pebble).await;

    let without = Vestibule::start(&homeserver, &pebble.config("")).await;
    eventually("the authority refuses", async || {
        without
            .metric("vestibule_certificate_orders_total", &["refused"])
            .await
            >= 1.0
    })
    .await;
    let error =
        record(without.state(), "example.com", "last_error").await["last_error"].to_string();
    assert!(error.contains("external_account"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_survives_a_restart() {
    let pebble = Pebble::start().await;
    let homeserver = Homeserver::start().await;
    let state = tempfile::tempdir().unwrap();
    let config = format!(
        "hosts = []\nstate_folder = \"{}\"\n{}",
        state.path().display(),
        pebble.config("")
    );
    let first = Vestibule::start(&homeserver, &config).await;
    // The authority waits on port 443, which leads nowhere yet.
    eventually("the authority looks", async || {
        pebble.tls.asked() + pebble.http.asked() > 0
    })
    .await;
    let pending = record(state.path(), "example.com", "order").await["order"]["url"].clone();
    assert!(pending.is_string());
    first.stop();
    first.ended().await;

    let second = Vestibule::start(&homeserver, &config).await;
    reachable(&pebble, &second);
    eventually("the certificate is there", async || {
        is_trusted(&second, &pebble, "example.com").await
    })
    .await;
    assert_eq!(pebble.logged("POST /order-plz ->"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_one_folder_and_one_order() {
    let pebble = Pebble::start().await;
    let homeserver = Homeserver::start().await;
    let state = tempfile::tempdir().unwrap();
    let config = format!(
        "state_folder = \"{}\"\n{}",
        state.path().display(),
        pebble.config("")
    );
    let first = Vestibule::start(&homeserver, &config).await;
    let second = Vestibule::start(&homeserver, &config).await;
    // Whoever orders, the authority always asks the second.
    reachable(&pebble, &second);
    for vestibule in [&first, &second] {
        all_are_trusted(vestibule, &pebble).await;
    }
    assert_eq!(pebble.logged("POST /order-plz ->"), NAMES.len());
    assert_eq!(pebble.logged("POST /sign-me-up ->"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_limits_is_obeyed() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let ca = authority.write(folder.path());
    let limiting = Homeserver::start_tls(&authority, "127.0.0.1").await;
    let at = |path: &str| format!("{}{path}", limiting.url());
    let directory = serde_json::json!({
        "newNonce": at("/nonce"), "newAccount": at("/account"), "newOrder": at("/order"),
    });
    let nonce = ("Replay-Nonce", "bm9uY2U");
    let account = at("/account/1");
    let problem =
        r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many certificates"}"#;
    limiting
        .route("GET", "/dir", Answer::json(200, &directory.to_string()))
        .route(
            "HEAD",
            "/nonce",
            Answer::raw("HTTP/1.1 200 OK\r\nReplay-Nonce: bm9uY2U\r\nContent-Length: 0\r\n\r\n"),
        )
        .route(
            "POST",
            "/account",
            Answer::with(201, &[nonce, ("Location", &account)], b"{}"),
        )
        .route(
            "POST",
            "/order",
            Answer::with(429, &[nonce, ("Retry-After", "86400")], problem.as_bytes()),
        );
    let config = format!(
        "hosts = []\n[tls]\nsource = \"acme\"\n[[tls.authorities]]\ndirectory = \"{}\"\nca = \"{}\"\n",
        at("/dir"),
        ca.display()
    );
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, &config).await;
    eventually("the limit is met", async || {
        vestibule
            .metric("vestibule_certificate_orders_total", &["rate_limited"])
            .await
            > 0.0
    })
    .await;
    let known = record(vestibule.state(), "example.com", "last_error").await;
    let wait = known["next_attempt"].as_i64().unwrap() - OffsetDateTime::now_utc().unix_timestamp();
    assert!((86_300..96_000).contains(&wait), "{wait}");
    let error = known["last_error"].as_str().unwrap();
    assert!(
        error.contains("rateLimited") && error.contains("too many certificates"),
        "{error}"
    );
    let orders = limiting
        .targets()
        .iter()
        .filter(|target| *target == "/order")
        .count();
    assert_eq!(orders, 1);
}
