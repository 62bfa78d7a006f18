//! From (site, method, raw path) to an action.

use std::hint::black_box;

use http::Method;
use vestibule::config::Config;
use vestibule::matrix::Profile;
use vestibule::route::{Action, Seen, action, site};
use vestibule::snapshot::{Snapshot, compile};

use super::Hot;

/// A site with what stands beside Synapse in many places.
const CONFIG: &str = r#"
server_name = "example.com"
homeserver = "http://127.0.0.1:8008"
delegate = "matrix.example.com:443"
hsts = "180d"
tls = "internal"

[[routes]]
path = "/livekit/jwt"
hosts = ["rtc.example.com"]
upstream = "http://127.0.0.1:8080"

[[routes]]
path = "/_matrix/client/v3/login"
upstream = "http://127.0.0.1:8090"

[[routes]]
path = "/_synapse/admin"
homeserver = true
networks = ["10.0.0.0/8", "2001:db8::/32"]
"#;

pub(super) fn snapshot() -> Snapshot {
    let config = Config::parse("bench.toml", CONFIG);
    let config = config.unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    compile(&config, None).unwrap_or_else(|problems| panic!("{}", problems.render(false)))
}

pub(super) fn all() -> Vec<Hot> {
    vec![
        routed("route/homeserver", "/_matrix/client/v3/sync", |action| {
            matches!(action, Action::Homeserver(None))
        }),
        routed("route/own_route", "/_matrix/client/v3/login", |action| {
            matches!(action, Action::Upstream(..))
        }),
        routed(
            "route/escaped_path",
            "/_matrix/client/v3/rooms/%21abcdefghijklmnopqr%3Aexample.com/state/m.room.member/%40a%3Ab",
            |action| matches!(action, Action::Homeserver(None)),
        ),
        routed("route/well_known", "/.well-known/matrix/client", |action| {
            matches!(action, Action::Document(Some(_)))
        }),
    ]
}

fn routed(
    name: &'static str,
    path: &'static str,
    is_right: impl Fn(&Action<'_>) -> bool + 'static,
) -> Hot {
    let snapshot = snapshot();
    Hot::new(name, move || {
        let seen = Seen {
            method: &Method::GET,
            path: black_box(path.as_bytes()),
            host: black_box("matrix.example.com"),
            sni: Some("matrix.example.com"),
            profile: Profile::Both,
            client: [192, 0, 2, 1].into(),
        };
        let site = site(&snapshot.sites, &seen).unwrap();
        assert!(is_right(&black_box(action(site, &seen.at(site)))));
    })
}
