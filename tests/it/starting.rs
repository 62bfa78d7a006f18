//! Addresses to listen on, and a start that can not succeed.

use tokio::net::TcpListener;
use vestibule::config::Config;
use vestibule::listen::socket::Available;

use crate::support::{Door, Homeserver, Request, Vestibule, config};

#[tokio::test(flavor = "multi_thread")]
async fn a_star_listens_on_both_families() {
    let homeserver = Homeserver::start().await;
    let listener = "listeners = [{ address = \"*:0\", tls = false, profile = \"both\" }]";
    let vestibule = Vestibule::start(&homeserver, listener).await;
    let mut seen = Vec::new();
    // One socket a family, in the places of the usual first two listeners.
    for door in [Door::Plain, Door::Tls] {
        let mut address = vestibule.address(door);
        assert!(address.ip().is_unspecified());
        address.set_ip(if address.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let mut client = crate::support::Raw::new(stream);
        assert_eq!(client.ask(&Request::get("/_matrix/x")).await.status, 200);
        seen.extend(homeserver.last_request().header("x-forwarded-for"));
    }
    seen.sort();
    assert_eq!(seen, ["127.0.0.1", "::1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_may_have_several_addresses() {
    let homeserver = Homeserver::start().await;
    let listener = "listeners = [{ address = [\"127.0.0.1:0\", \"127.0.0.2:0\"], tls = false, profile = \"both\" }]";
    let vestibule = Vestibule::start(&homeserver, listener).await;
    for door in [Door::Plain, Door::Tls] {
        let mut client = vestibule.raw_without_tls(door).await;
        assert_eq!(client.ask(&Request::get("/_matrix/x")).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_named_and_nothing_stays_open() {
    let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = holder.local_addr().unwrap();
    let state = tempfile::tempdir().unwrap();
    let socket = state.path().join("front.sock");
    let listeners = format!(
        "listeners = [{{ address = \"unix:{}\", tls = false, profile = \"both\" }}, {{ address = \"{taken}\", tls = false, profile = \"both\" }}]",
        socket.display()
    );
    let text = config::text(&listeners, "http://127.0.0.1:1", state.path());
    let config = Config::parse("test.toml", &text).unwrap();
    let error = vestibule::runtime::start(config, Available::default())
        .err()
        .expect("no start");
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
    assert!(std::os::unix::net::UnixStream::connect(socket).is_err());
}
