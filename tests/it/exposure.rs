//! What a homeserver has and the internet may not see.

use crate::support::{Door, Homeserver, Request, Table, Vestibule};

/// Served by some Synapse listener, never by a front door that was not told to.
const HIDDEN: &[&str] = &[
    "/health",
    "/_synapse/admin",
    "/_synapse/admin/",
    "/_synapse/admin/v1/server_version",
    "/_synapse/admin/v2/users/@a:example.com",
    "/_synapse/%61dmin/v1/server_version",
    "/_synapse/adm%69n/v1/server_version",
    "/_synapse/%2561dmin/v1/server_version",
    "/_synapse//admin/v1/server_version",
    "/_synapse/./admin/v1/server_version",
    "/_synapse/x/../admin/v1/server_version",
    "/_synapse\\admin/v1/server_version",
    "/_synapse%2fadmin/v1/server_version",
    "//_synapse/admin/v1/server_version",
    "/_SYNAPSE/admin/v1/server_version",
    "/_synapse/client/../admin/v1/server_version",
    "/_synapse/client/..%2fadmin/v1/server_version",
    "/_synapse/client%2f..%2fadmin/v1/server_version",
    "/_synapse/admin/v1/users/..%2f..%2f..%2fclient/x",
    "/_synapse/mas/query_user",
    "/_synapse/%6das/query_user",
    "//_synapse/mas/query_user",
    "/_synapse/client../mas/query_user",
    "/_synapse/clientX/mas/query_user",
    "/_synapse/metrics",
    "/_synapse/replication/presence_set_state/1",
    "/_synapse/replication",
    "/_synapse/ess/version",
    "/_synapse/unknown",
    "/metrics",
    "/healthz",
    "/readyz",
    "/_dendrite/admin/x",
];

const ADMIN: &str = "/_synapse/admin/v1/server_version";

fn route_to_admin(networks: &str) -> String {
    format!("[[routes]]\npath = \"/_synapse/admin\"\nhomeserver = true\nnetworks = [{networks}]")
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_paths_are_hidden_at_every_door() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let mut table = Table::default();
    for door in [Door::Plain, Door::Tls, Door::Federation] {
        let mut client = vestibule.raw(door).await;
        for target in HIDDEN {
            let answer = client.ask(&Request::get(target)).await;
            let got = (answer.status, answer.errcode());
            table.row((door, target), &got, &(404, "M_UNRECOGNIZED".to_owned()));
        }
    }
    table.assert_right(90);
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_opens_a_hidden_path_to_its_networks() {
    let homeserver = Homeserver::start().await;
    let open = Vestibule::start(&homeserver, &route_to_admin("\"127.0.0.0/8\"")).await;
    for target in [
        ADMIN,
        "/_synapse/admin",
        "/_synapse/admin/v2/users/@a%2Fb:example.com?x=%2F",
    ] {
        assert_eq!(
            open.ask(Door::Plain, &Request::get(target)).await.status,
            200
        );
        assert_eq!(
            open.ask_h2(Door::Tls, &Request::get(target)).await.status,
            200
        );
        assert_eq!(homeserver.last_request().target(), target);
    }
    let before = homeserver.requests().len();
    for target in [
        "/_synapse/adminx",
        "/_synapse/admin/../mas/x",
        "/_synapse/mas/x",
        "/_synapse/admin/..%2fmetrics",
        "/health",
    ] {
        open.ask(Door::Plain, &Request::get(target))
            .await
            .assert_error(404, "M_UNRECOGNIZED");
    }
    assert_eq!(homeserver.requests().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_for_other_networks_is_as_if_it_were_not_there() {
    let homeserver = Homeserver::start().await;
    let open_elsewhere = route_to_admin("\"10.0.0.0/8\", \"2001:db8::/32\"");
    let closed = Vestibule::start(&homeserver, &open_elsewhere).await;
    let without = Vestibule::start(&homeserver, "").await;
    for request in [
        Request::get(ADMIN),
        Request::get(ADMIN).field("X-Forwarded-For", "10.0.0.1"),
        Request::get(ADMIN)
            .field("X-Real-IP", "10.0.0.1")
            .field("Forwarded", "for=10.0.0.1"),
        Request::post("/_synapse/admin/v1/register", "{}"),
    ] {
        let seen = closed.ask(Door::Plain, &request).await;
        let absent = without.ask(Door::Plain, &request).await;
        seen.assert_error(404, "M_UNRECOGNIZED");
        assert_eq!((seen.status, seen.body), (absent.status, absent.body));
    }
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_rule_goes_by_the_client_that_a_trusted_proxy_names() {
    let homeserver = Homeserver::start().await;
    let trusted = "trusted_proxies = [\"127.0.0.0/8\"]\n";
    let config = trusted.to_owned() + &route_to_admin("\"10.0.0.0/8\"");
    let vestibule = Vestibule::start(&homeserver, &config).await;
    for (client, status) in [
        ("10.0.0.1", 200),
        ("203.0.113.7", 404),
        ("10.0.0.1, 203.0.113.7", 404),
        // A client's own bytes, to which the proxy appended its address.
        ("10.0.0.1, \u{fc}, 203.0.113.7", 404),
        ("10.0.0.1\r\nX-Forwarded-For: \u{fc}, 203.0.113.7", 404),
    ] {
        let request = Request::get(ADMIN).field("X-Forwarded-For", client);
        assert_eq!(
            vestibule.ask(Door::Plain, &request).await.status,
            status,
            "{client}"
        );
    }
    assert_eq!(
        vestibule
            .ask(Door::Plain, &Request::get(ADMIN))
            .await
            .status,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_profile_serves_its_own_paths() {
    const CLIENT: &str = "/_matrix/client/versions";
    const FEDERATION: &str = "/_matrix/federation/v1/version";
    const KEY: &str = "/_matrix/key/v2/server";
    const MEDIA: &str = "/_matrix/media/v3/download/example.com/x";
    let listener =
        |profile| format!("{{ address = \"127.0.0.1:0\", tls = false, profile = \"{profile}\" }}");
    let listeners = ["client", "federation", "both"].map(listener).join(", ");
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, &format!("listeners = [{listeners}]")).await;
    let mut table = Table::default();
    // These doors are the first, second and third listener here.
    for (target, client, federation) in [
        (CLIENT, 200, 404),
        ("/_matrix/client/v1/media/download/example.com/x", 200, 404),
        ("/_synapse/client/pick_idp", 200, 404),
        ("/_matrix/static/", 200, 404),
        ("/_matrix/app/v1/ping", 200, 404),
        (MEDIA, 200, 200),
        ("/_matrix/media/v3/thumbnail/example.com/x", 200, 200),
        (FEDERATION, 404, 200),
        ("/_matrix/federation/v1/media/download/x", 404, 200),
        ("/_matrix/federationx", 200, 404),
        (KEY, 404, 200),
        ("/_matrix/key", 404, 200),
        ("/_matrix/../_synapse/admin", 404, 404),
    ] {
        let outside = target.contains("..");
        let both = if outside { 404 } else { 200 };
        for (door, wanted) in [
            (Door::Plain, client),
            (Door::Tls, federation),
            (Door::Federation, both),
        ] {
            let mut client = vestibule.raw_without_tls(door).await;
            let status = client.ask(&Request::get(target).signed()).await.status;
            table.row((door as usize, target), &status, &wanted);
        }
    }
    table.assert_right(39);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_federation_port_serves_federation_only() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for target in [
        "/_matrix/client/versions",
        "/_synapse/client/pick_idp",
        "/",
        "/_matrix/client/v3/login",
    ] {
        let over_1 = vestibule.ask(Door::Federation, &Request::get(target)).await;
        let over_2 = vestibule
            .ask_h2(Door::Federation, &Request::get(target))
            .await;
        for answer in [over_1, over_2] {
            answer.assert_error(404, "M_UNRECOGNIZED");
        }
    }
    homeserver.assert_untouched();
}
