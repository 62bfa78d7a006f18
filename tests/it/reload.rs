//! Another configuration while requests are under way: what changes, and what nobody notices.

use tokio::net::TcpStream;
use vestibule::runtime::NotInForce;

use crate::support::request::HOST;
use crate::support::{Answer, Door, Gate, Homeserver, Raw, Request, Vestibule, eventually, tls};

const PROFILE: &str = "/_matrix/client/v3/profile/@a:example.com";
const SYNC: &str = "/_matrix/client/v3/sync?since=s1";
const ELSEWHERE: &str = "[[routes]]\npath = \"/new\"\nredirect = \"https://elsewhere.example/\"\n";

/// The doors of the usual configuration, as a value of `listeners`, and more.
fn doors(more: &str) -> String {
    let door = |tls: bool, profile: &str| {
        format!("{{ address = \"127.0.0.1:0\", tls = {tls}, profile = \"{profile}\" }}")
    };
    let usual = [
        door(false, "both"),
        door(true, "both"),
        door(true, "federation"),
        door(false, "redirect"),
    ];
    format!("listeners = [{}{more}]\n", usual.join(", "))
}

#[tokio::test(flavor = "multi_thread")]
async fn open_connections_meet_what_is_new() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut over_1 = vestibule.raw(Door::Tls).await;
    let mut over_2 = vestibule.h2(Door::Tls).await;
    let new = Request::get("/new");
    assert_eq!(over_1.ask(&new).await.status, 404);
    assert_eq!(over_2.ask(&new).await.status, 404);
    vestibule.reload(ELSEWHERE).unwrap();
    for answer in [over_1.ask(&new).await, over_2.ask(&new).await] {
        assert_eq!(
            answer.header("location"),
            Some("https://elsewhere.example/")
        );
    }
    let smaller = "[well_known.client.\"org.example\"]\na = 1\n[limits]\ntarget_size = \"1KiB\"";
    vestibule.reload(smaller).unwrap();
    assert_eq!(over_2.ask(&new).await.status, 404);
    let document = over_1
        .ask(&Request::get("/.well-known/matrix/client"))
        .await;
    assert_eq!(document.json()["org.example"]["a"], 1);
    // What a connection may cost was settled when it came.
    let long = Request::get(&format!("{PROFILE}{}", "a".repeat(2000)));
    assert_eq!(over_1.ask(&long).await.status, 200);
    assert_eq!(vestibule.ask(Door::Tls, &long).await.status, 414);
    let version = vestibule
        .count("vestibule_configuration_version", &[])
        .await;
    assert_eq!(version, "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_changes_nothing() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, ELSEWHERE).await;
    let keeper = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = keeper.local_addr().unwrap();
    let another = doors(&format!(
        ", {{ address = \"127.0.0.1:0\", tls = false, profile = \"both\" }}, \
         {{ address = \"{taken}\", tls = false, profile = \"both\" }}"
    ));
    let no_ca = "[[routes]]\npath = \"/x\"\nupstream = { url = \"https://127.0.0.1:1\", ca = \"/does/not/exist\" }";
    for (extra, expected) in [
        ("[limits]\nconections = 1", "conections"),
        ("homeserver = 7", "expected an address"),
        (no_ca, "/does/not/exist"),
        (&another, "is in use"),
        (
            "[tls]\nsource = \"internal\"\nticket_secret = \"/does/not/exist\"",
            "/does/not/exist",
        ),
    ] {
        let error = vestibule.reload(extra).expect_err(extra);
        assert!(error.to_string().contains(expected), "{error}");
        let told = vestibule.admin("/reload").await.json();
        assert_eq!(
            (&told["version"], &told["last"]["is_in_force"]),
            (&1.into(), &false.into())
        );
        let problem = told["last"]["problems"][0].as_str().unwrap();
        assert!(problem.contains(expected), "{problem}");
    }
    let connections = vestibule.reload("[limits]\nconections = 1").unwrap_err();
    assert!(matches!(connections, NotInForce::Configuration(_)));
    let told = vestibule.admin("/reload").await.json();
    assert_eq!(told["attempts"], 6);
    let problem = told["last"]["problems"][0].as_str().unwrap();
    assert!(
        problem.starts_with("test.toml:") && problem.contains("did you mean"),
        "{problem}"
    );
    let failed = vestibule
        .count("vestibule_configuration_reloads_total", &["failed"])
        .await;
    let current = vestibule
        .count("vestibule_configuration_last_reload_successful", &[])
        .await;
    assert_eq!((&*failed, &*current), ("6", "0"));
    let new = vestibule.ask(Door::Tls, &Request::get("/new")).await;
    assert_eq!(new.header("location"), Some("https://elsewhere.example/"));
    vestibule.reload("").unwrap();
    let current = vestibule
        .count("vestibule_configuration_last_reload_successful", &[])
        .await;
    assert_eq!(current, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_open_and_close_by_difference() {
    let gate = Gate::new();
    let homeserver = Homeserver::start().await;
    homeserver.route("*", SYNC, Answer::default().after(&gate));
    let fifth = doors(", { address = \"127.0.0.1:0\", tls = false, profile = \"both\" }");
    let vestibule = Vestibule::start(&homeserver, "").await;
    let before = vestibule.addresses();
    let reloaded = vestibule.reload(&fifth).unwrap();
    assert_eq!((reloaded.opened.len(), reloaded.closed.len()), (1, 0));
    let after = vestibule.addresses();
    assert_eq!(after[..4], before[..]);
    let address = after[4];
    let connect = async || Raw::new(TcpStream::connect(address).await.unwrap());
    let (mut idle, mut busy) = (connect().await, connect().await);
    assert_eq!(idle.ask(&Request::get(PROFILE)).await.status, 200);
    busy.send(Request::get(SYNC).bytes()).await;
    homeserver.begun(1).await;
    let mut elsewhere = vestibule.raw(Door::Plain).await;
    assert_eq!(elsewhere.ask(&Request::get(PROFILE)).await.status, 200);

    let reloaded = vestibule.reload("").unwrap();
    assert_eq!((reloaded.opened.len(), reloaded.closed.len()), (0, 1));
    let refused = async || TcpStream::connect(address).await.is_err();
    eventually("the listener closes", refused).await;
    // Whoever was about to send a request still gets an answer.
    let last = idle.ask(&Request::get(PROFILE)).await;
    assert_eq!(
        (last.status, last.header("connection")),
        (200, Some("close"))
    );
    assert_eq!(idle.closed().await, b"");
    gate.open();
    assert_eq!(busy.response().await.header("connection"), Some("close"));
    let other = elsewhere.ask(&Request::get(PROFILE)).await;
    assert_eq!((other.status, other.header("connection")), (200, None));
    assert_eq!(vestibule.addresses(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_changes_its_kind_and_keeps_its_socket() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let before = vestibule.addresses();
    let mut old = vestibule.raw(Door::Plain).await;
    assert_eq!(old.ask(&Request::get(PROFILE)).await.status, 200);
    let redirecting = doors("").replacen("profile = \"both\"", "profile = \"redirect\"", 1);
    vestibule.reload(&redirecting).unwrap();
    assert_eq!(vestibule.addresses(), before);
    let refused = vestibule.ask(Door::Plain, &Request::get(PROFILE)).await;
    assert_eq!(refused.status, 403);
    assert_eq!(old.ask(&Request::get(PROFILE)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_may_be_written_otherwise() {
    let homeserver = Homeserver::start().await;
    let all = "listeners = [{ address = \"*:0\", tls = false, profile = \"both\" }]\n";
    let vestibule = Vestibule::start(&homeserver, all).await;
    let port = vestibule.addresses()[0].port();
    let mut open = Raw::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    assert_eq!(open.ask(&Request::get(PROFILE)).await.status, 200);
    let one = all.replace("*:0", &format!("0.0.0.0:{port}"));
    let reloaded = vestibule.reload(&one).unwrap();
    assert_eq!(reloaded.closed, ["*:0"]);
    let mut new = Raw::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    assert_eq!(new.ask(&Request::get(PROFILE)).await.status, 200);
    assert_eq!(open.ask(&Request::get(PROFILE)).await.status, 200);
    let other_family = async || TcpStream::connect(("::1", port)).await.is_err();
    eventually("IPv6 is closed", other_family).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_keep_their_connections_and_what_is_known_of_them() {
    let gate = Gate::new();
    let homeserver = Homeserver::start().await;
    homeserver.route("*", SYNC, Answer::default().after(&gate));
    let worker = Homeserver::start().await;
    let workers = format!(
        "[[workers]]\nname = \"one\"\nupstream = \"{}\"\ngroups = [\"synchrotron\"]\n\
         [admin]\naddress = \"unix:$state/admin.sock\"\n",
        worker.url()
    );
    let vestibule = Vestibule::start(&homeserver, &workers).await;
    let drain = Request::new("POST", "/upstreams/example.com/one/drain");
    assert_eq!(vestibule.admin_by_socket(&drain).await.status, 200);
    let mut clients = Vec::new();
    for number in 0..2 {
        let mut client = vestibule.raw(Door::Plain).await;
        client.send(Request::get(SYNC).bytes()).await;
        homeserver.begun(number).await;
        clients.push(client);
    }
    vestibule.reload(&format!("{ELSEWHERE}{workers}")).unwrap();
    // The worker is still drained, and what is in progress still counts.
    let told = vestibule
        .admin_by_socket(&Request::get("/upstreams"))
        .await
        .json();
    let upstreams = &told["sites"][0]["upstreams"];
    assert_eq!(
        (&upstreams[0]["requests"], &upstreams[1]["drained"]),
        (&2.into(), &true.into())
    );
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().await.status, 200);
    }
    let before = homeserver.connections();
    vestibule.reload(&workers).unwrap();
    for client in &mut clients {
        assert_eq!(client.ask(&Request::get(SYNC)).await.status, 200);
    }
    assert_eq!(homeserver.connections(), before);
    assert_eq!(worker.targets(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_for_a_turn_get_it_after_a_reload() {
    let gate = Gate::new();
    let homeserver = Homeserver::start().await;
    let worker = Homeserver::start().await;
    worker.route("*", SYNC, Answer::default().after(&gate));
    let workers = format!(
        "[[workers]]\nname = \"one\"\nupstream = \"{}\"\ngroups = [\"synchrotron\"]\n\
         [[groups]]\nname = \"synchrotron\"\nmax_requests = 1\n",
        worker.url()
    );
    let vestibule = Vestibule::start(&homeserver, &workers).await;
    let mut first = vestibule.raw(Door::Plain).await;
    first.send(Request::get(SYNC).bytes()).await;
    worker.begun(0).await;
    let mut second = vestibule.raw(Door::Plain).await;
    second.send(Request::get(SYNC).bytes()).await;
    let in_flight = async || vestibule.metric("vestibule_requests_in_flight", &[]).await;
    eventually("both are under way", async || in_flight().await >= 2.0).await;
    vestibule.reload(&format!("{ELSEWHERE}{workers}")).unwrap();
    gate.open();
    assert_eq!(first.response().await.status, 200);
    assert_eq!(second.response().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_site_has_its_certificate_and_sessions_go_on() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let connector = tls::connector(&vestibule.authority(), &["http/1.1"]);
    let shake = async |name: &'static str| {
        let tcp = vestibule.tcp(Door::Tls).await;
        connector.connect(name.try_into().unwrap(), tcp).await
    };
    let ask = async |name: &'static str| {
        let stream = shake(name).await.unwrap();
        let kind = stream.get_ref().1.handshake_kind();
        let answer = Raw::new(stream)
            .ask(&Request::get(PROFILE).host(name))
            .await;
        assert_eq!(answer.status, 200);
        kind
    };
    ask(HOST).await;
    assert!(shake("chat.example.com").await.is_err());
    vestibule
        .reload("hosts = [\"matrix.example.com\", \"chat.example.com\"]")
        .unwrap();
    ask("chat.example.com").await;
    assert_eq!(ask(HOST).await, Some(rustls::HandshakeKind::Resumed));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_a_new_process_is_said() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let reloaded = vestibule
        .reload("threads = 1\n[access_log]\nformat = \"off\"")
        .unwrap();
    assert_eq!(reloaded.needs_restart, ["threads", "access_log"]);
    let told = vestibule.admin("/reload").await.json();
    assert_eq!(told["last"]["needs_restart"][0], "threads");
}
