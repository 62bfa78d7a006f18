//! Certificates that are renewed: by when, whatever is under way, and while the authority is away.

use std::cell::Cell;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use time::{Duration, OffsetDateTime};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};

use crate::acme::{NAMES, TARGET, all_are_trusted, is_trusted, leave, reachable, record};
use crate::support::acme_front::{BELIEVED, Front};
use crate::support::authority::Authority;
use crate::support::h2_client::{H2, Pending};
use crate::support::pebble::Pebble;
use crate::support::{Answer, Door, Gate, Homeserver, Raw, Request, Vestibule, eventually, tls};

const SYNC: &str = "/_matrix/client/v3/sync";
const SEND: &str = "/_matrix/federation/v1/send/1";

async fn connect(vestibule: &Vestibule, authority: &Authority, alpn: &str) -> TlsStream<TcpStream> {
    let tcp = vestibule.tcp(Door::Tls).await;
    let stream = tls::connect(tcp, authority.pem(), "matrix.example.com", &[alpn]).await;
    stream.unwrap()
}

/// A long poll and a transaction, over both protocols.
struct Open {
    http1: Vec<Raw>,
    http2: Vec<Pending>,
    _connection: H2,
}

impl Open {
    /// Waits until all of them are at the homeserver.
    async fn on(vestibule: &Vestibule, authority: &Authority, homeserver: &Homeserver) -> Self {
        let requests = [
            Request::get(SYNC),
            Request::put(SEND, "{\"pdus\":[]}")
                .host("matrix.example.com")
                .signed(),
        ];
        let stream = connect(vestibule, authority, "h2").await;
        let mut connection = H2::connect(Box::new(stream)).await;
        let (mut over_http1, mut over_http2) = (Vec::new(), Vec::new());
        for (index, request) in requests.iter().enumerate() {
            let mut http1 = Raw::new(connect(vestibule, authority, "http/1.1").await);
            http1.send(request.bytes()).await;
            over_http1.push(http1);
            homeserver.received(2 * index).await;
            let (head, body) = request.to_http2();
            let mut stream = connection.begin(head, body.is_empty()).await.unwrap();
            if !body.is_empty() {
                stream.send(body.into(), true).await.unwrap();
            }
            over_http2.push(stream);
            homeserver.received(2 * index + 1).await;
        }
        Self {
            http1: over_http1,
            http2: over_http2,
            _connection: connection,
        }
    }

    async fn are_answered(self) {
        for mut http1 in self.http1 {
            assert_eq!(http1.response().await.status, 200);
        }
        for stream in self.http2 {
            assert_eq!(stream.response().await.unwrap().status, 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn renewal_disturbs_nobody() {
    let pebble = Pebble::start().await;
    let old = Authority::new();
    let homeserver = Homeserver::start().await;
    let gate = Gate::new();
    for (method, path) in [("GET", SYNC), ("PUT", SEND)] {
        let late = Answer::json(200, "{\"late\":true}").after(&gate);
        homeserver.route(method, path, late);
    }
    let state = tempfile::tempdir().unwrap();
    for name in NAMES {
        leave(state.path(), &old, name, -70, 20);
    }
    let vestibule = Vestibule::start_in(state, homeserver.url(), &pebble.config("")).await;
    let open = Open::on(&vestibule, &old, &homeserver).await;
    // Others ask all the time.
    let mut http1 = Raw::new(connect(&vestibule, &old, "http/1.1").await);
    let mut http2 = H2::connect(Box::new(connect(&vestibule, &old, "h2").await)).await;
    let version = Request::get("/_matrix/federation/v1/version").host("matrix.example.com");

    reachable(&pebble, &vestibule);
    let is_renewed = Cell::new(false);
    let renewal = async {
        all_are_trusted(&vestibule, &pebble).await;
        is_renewed.set(true);
    };
    let requests_go_on = async {
        while !is_renewed.get() {
            assert_eq!(http1.ask(&version).await.status, 200);
            assert_eq!(http2.ask(&version).await.status, 200);
        }
    };
    tokio::join!(renewal, requests_go_on);
    gate.open();
    open.are_answered().await;
    // Whoever kept a connection goes on, and who comes anew has the new certificate alone.
    assert_eq!(http1.ask(&version).await.status, 200);
    assert_eq!(http2.ask(&version).await.status, 200);
    let tcp = vestibule.tcp(Door::Tls).await;
    let anew = tls::connect(tcp, old.pem(), "matrix.example.com", &["h2"]).await;
    assert!(anew.is_err());
}

/// The certificate that is served for `name`.
async fn served(vestibule: &Vestibule, pebble: &Pebble, name: &str) -> Vec<u8> {
    let tcp = vestibule.tcp(Door::Tls).await;
    let stream = tls::connect(tcp, pebble.root(), name, &["http/1.1"]).await;
    let stream = stream.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// What RFC 9773, 4.1, makes of a certificate.
fn identifier(certificate: &[u8]) -> String {
    let (_, parsed) = X509Certificate::from_der(certificate).unwrap();
    let key = parsed.extensions().iter().find_map(|extension| {
        let ParsedExtension::AuthorityKeyIdentifier(key) = extension.parsed_extension() else {
            return None;
        };
        Some(key.key_identifier.as_ref()?.0)
    });
    let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    format!("{}.{}", text(key.unwrap()), text(parsed.raw_serial()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_when_its_authority_says() {
    let pebble = Pebble::start().await;
    let front = Front::before(&pebble).await;
    let homeserver = Homeserver::start().await;
    let config = format!("hosts = []\n{}", front.config("profile = \"shortlived\""));
    let vestibule = Vestibule::start(&homeserver, &config).await;
    reachable(&pebble, &vestibule);
    eventually("the authority's certificate is served", async || {
        is_trusted(&vestibule, &pebble, "example.com").await
    })
    .await;
    let first = identifier(&served(&vestibule, &pebble, "example.com").await);
    let window = record(vestibule.state(), "example.com", "window").await;
    assert_eq!(front.asked(), [first.as_str()]);
    let now = OffsetDateTime::now_utc().unix_timestamp();
    assert!(window["window"]["start"].as_i64().unwrap() > now + 999 * 86_400);
    let again = window["ask_window"].as_i64().unwrap() - now;
    assert!((BELIEVED - 60..=BELIEVED).contains(&again), "{again}");
    let [order] = &front.orders()[..] else {
        panic!("{:?}", front.orders());
    };
    assert_eq!(order["profile"], "shortlived");
    assert!(order.get("replaces").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_to_be_revoked_is_replaced_at_once() {
    for is_forgetful in [false, true] {
        let pebble = Pebble::start().await;
        let front = Front::before(&pebble).await;
        front.wants_the_first_renewed();
        if is_forgetful {
            front.forgets_what_is_replaced();
        }
        let homeserver = Homeserver::start().await;
        let config = format!("hosts = []\n{}", front.config(""));
        let vestibule = Vestibule::start(&homeserver, &config).await;
        reachable(&pebble, &vestibule);
        eventually("two certificates were asked for", async || {
            front.asked().len() == 2
        })
        .await;
        let [first, second] = &front.asked()[..] else {
            panic!("{:?}", front.asked());
        };
        let now_served = served(&vestibule, &pebble, "example.com").await;
        assert_eq!(&identifier(&now_served), second);
        let orders = front.orders();
        assert_eq!(orders[1]["replaces"], first.as_str());
        // One that does not say so gets the same order without it.
        assert_eq!(orders.len(), if is_forgetful { 3 } else { 2 });
        assert!(orders.iter().all(|order| order.get("profile").is_none()));
        let last = orders.last().unwrap();
        assert_eq!(last.get("replaces").is_none(), is_forgetful);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_ordered_for_six_days_where_that_is_offered() {
    let pebble = Pebble::start().await;
    let front = Front::before(&pebble).await;
    let homeserver = Homeserver::start().await;
    let config = format!("hosts = [\"127.0.0.1\"]\n{}", front.config(""));
    let vestibule = Vestibule::start(&homeserver, &config).await;
    reachable(&pebble, &vestibule);
    eventually("both were ordered", async || front.orders().len() == 2).await;
    for order in front.orders() {
        let is_address = order["identifiers"][0]["type"] == "ip";
        let profile = order.get("profile").and_then(|it| it.as_str());
        assert_eq!(profile, is_address.then_some("shortlived"), "{order}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_was_away_is_asked_again_without_a_burst() {
    let mut pebble = Pebble::start().await;
    let front = Front::before(&pebble).await;
    let old = Authority::new();
    let homeserver = Homeserver::start().await;
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), &old, "example.com", -89, 1);
    let config = format!("hosts = []\n{}", front.config(""));
    let vestibule = Vestibule::start_in(state, homeserver.url(), &config).await;
    // It goes away in the middle of the order, which waits for a port that leads nowhere.
    eventually("the authority looks", async || {
        pebble.tls.asked() + pebble.http.asked() > 0
    })
    .await;
    pebble.stop();
    front.leads_to(None);
    let orders = "vestibule_certificate_orders_total";
    eventually("the authority is missed", async || {
        vestibule.metric(orders, &["unreachable"]).await > 0.0
    })
    .await;
    let connections = front.connections();
    let failed = Instant::now();
    reachable(&pebble, &vestibule);
    let is_served = async || {
        let tcp = vestibule.tcp(Door::Tls).await;
        let stream = tls::connect(tcp, old.pem(), "example.com", &["http/1.1"]).await;
        let answer = Raw::new(stream.unwrap())
            .ask(&Request::get(TARGET).host("example.com"))
            .await;
        assert_eq!(answer.status, 200);
    };
    is_served().await;
    let known = record(vestibule.state(), "example.com", "last_error").await;
    let error = known["last_error"].as_str().unwrap();
    assert!(error.contains("cannot be reached"), "{error}");
    assert_eq!(known["failures"], 1);

    // It has lost accounts and orders when it comes back; nobody asks before ten seconds are over.
    pebble.start_again().await;
    front.leads_to(pebble.port());
    sleep_until(failed + std::time::Duration::from_secs(8)).await;
    is_served().await;
    assert_eq!(front.connections(), connections);
    eventually("the renewed certificate is served", async || {
        is_trusted(&vestibule, &pebble, "example.com").await
    })
    .await;
    // The first comes from an account that it does not know any more.
    assert_eq!(pebble.logged("POST /order-plz ->"), 2);
    assert_eq!(pebble.logged("POST /sign-me-up ->"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_served_to_its_last_second_and_after_it() {
    let pebble = Pebble::start().await;
    let front = Front::before(&pebble).await;
    front.leads_to(None);
    let old = Authority::new();
    let homeserver = Homeserver::start().await;
    let state = tempfile::tempdir().unwrap();
    let end = OffsetDateTime::now_utc() + Duration::seconds(4);
    let text = old.pem_between("example.com", end - Duration::days(90), end);
    let folder = state.path().join("acme/certificates");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("example.com.pem"), text).unwrap();
    let config = format!("hosts = []\n{}", front.config(""));
    let vestibule = Vestibule::start_in(state, homeserver.url(), &config).await;
    let connect = async || {
        let tcp = vestibule.tcp(Door::Tls).await;
        tls::connect(tcp, old.pem(), "example.com", &["http/1.1"]).await
    };
    // A client believes it while it is good.
    let mut open = Raw::new(connect().await.unwrap());
    assert_eq!(
        open.ask(&Request::get(TARGET).host("example.com"))
            .await
            .status,
        200
    );
    let mut refused = String::new();
    eventually("it has expired", async || match connect().await {
        Ok(_) => false,
        Err(error) => {
            refused = error.to_string();
            true
        }
    })
    .await;
    // It is still the one that is served: there is none better.
    assert!(refused.contains("expired"), "{refused}");
    assert!(OffsetDateTime::now_utc() >= end.replace_nanosecond(0).unwrap());
    assert_eq!(
        open.ask(&Request::get(TARGET).host("example.com"))
            .await
            .status,
        200
    );
    let own = "vestibule_certificate_self_signed";
    assert_eq!(vestibule.count(own, &[]).await, "0");
}
