use super::*;
use crate::policy::response_headers::Rewrite308;

fn document(text: &'static str) -> Document {
    Document::new(text.into(), "\"1\"", "max-age=1")
}

fn site_of(name: &str, hosts: &[&str], routes: Vec<Route>) -> Arc<Site> {
    Arc::new(Site {
        name: name.into(),
        server_host: name.into(),
        hosts: hosts.iter().map(|&h| h.into()).collect(),
        homeserver: HomeserverId(0),
        mas: None,
        max_upload_size: 1,
        max_body_size: 1,
        rewrite_308: Rewrite308::All,
        edge_cache: true,
        well_known: WellKnown::Documents(Box::new(Documents {
            server: Some(document("server")),
            client: Some(document("client")),
            ..Documents::default()
        })),
        routes,
    })
}

fn route(path: &str, target: Target) -> Route {
    Route {
        path: path.strip_suffix('/').unwrap_or(path).into(),
        hosts: Vec::new(),
        networks: None,
        target,
    }
}

fn upstream(id: usize) -> Target {
    Target::Upstream(Forwarding {
        upstream: UpstreamId(id),
        strip_prefix: false,
        websocket: false,
        bounds: BOUNDS,
    })
}

const BOUNDS: Bounds = Bounds {
    max_body_size: 1,
    read_timeout: std::time::Duration::from_secs(1),
};

struct Ask {
    sites: Sites,
    profile: Profile,
    host: &'static str,
    sni: Option<&'static str>,
    method: Method,
}

impl Ask {
    fn of(sites: Vec<Arc<Site>>) -> Self {
        Self {
            sites: Sites::new(sites),
            profile: Profile::Both,
            host: "a.test",
            sni: None,
            method: Method::GET,
        }
    }

    fn outcome(&self, path: &str) -> String {
        let seen = Seen {
            method: &self.method,
            path: path.as_bytes(),
            host: self.host,
            sni: self.sni,
            profile: self.profile,
            client: "192.0.2.1".parse().unwrap(),
        };
        let Some(site) = site(&self.sites, &seen) else {
            return "no site".into();
        };
        match action(site, &seen.at(site)) {
            Action::Homeserver(None) => format!("homeserver of {}", site.name),
            Action::Homeserver(Some(_)) => format!("homeserver of {}, bounded", site.name),
            Action::Upstream(forwarding, _) => format!("upstream {}", forwarding.upstream.0),
            Action::Document(Some(document)) => String::from_utf8(document.body.to_vec()).unwrap(),
            Action::Document(None) => "no document".into(),
            Action::Preflight => "preflight".into(),
            Action::ToHttps => "to https".into(),
            Action::Redirect(_) => "redirect".into(),
            Action::Folder(..) => "folder".into(),
            Action::Refuse(refusal) => format!("{refusal:?}"),
        }
    }
}

#[test]
fn matrix_goes_up_and_everything_else_stays_hidden() {
    let ask = Ask::of(vec![site_of("a.test", &["a.test"], vec![])]);
    for path in [
        "/_matrix/client/versions",
        "/_matrix/federation/v1/version",
        "/_matrix",
        "/_synapse/client/pick_idp",
        "/_matrix/client/v3/echo/a/../b",
        "/_matrix/client/v3/echo/a%2Fb//c",
    ] {
        assert_eq!(ask.outcome(path), "homeserver of a.test", "{path}");
    }
    for path in [
        "/",
        "/_matrixx",
        "/_MATRIX/client",
        "/_synapse/admin/v1/users",
        "/_synapse/mas/query_user",
        "/_synapse/metrics",
        "/_synapse/replication/x",
        "/health",
        "/_synapse/clientX/mas/query_user",
        "/_synapse/client;/mas",
        "/%5fmatrix/client",
    ] {
        assert_eq!(ask.outcome(path), "NothingHere", "{path}");
    }
    for path in [
        "/_synapse/client/../mas/query_user",
        "/_synapse/client/..%2fadmin/v1/users",
        "/_matrix/%2e%2e/_synapse/admin",
        "/_matrix/..;/_synapse/admin",
        "/_matrix/x/%252e%252e/%252e%252e/_synapse/admin",
    ] {
        assert_eq!(ask.outcome(path), "EscapesPrefix", "{path}");
    }
}

#[test]
fn the_longest_route_wins() {
    let routes = vec![
        route("/_matrix/client/v3/login", upstream(1)),
        route("/livekit/sfu", upstream(2)),
        route("/", upstream(3)),
    ];
    let ask = Ask::of(vec![site_of("a.test", &["a.test"], routes)]);
    assert_eq!(ask.outcome("/_matrix/client/v3/login"), "upstream 1");
    assert_eq!(ask.outcome("/_matrix/client/v3/login/sso"), "upstream 1");
    assert_eq!(
        ask.outcome("/_matrix/client/v3/logins"),
        "homeserver of a.test"
    );
    assert_eq!(ask.outcome("/livekit/sfu/rtc"), "upstream 2");
    assert_eq!(ask.outcome("/livekit"), "upstream 3");
    assert_eq!(ask.outcome("/_synapse/admin"), "upstream 3");
}

#[test]
fn a_route_may_open_admin_to_some_networks() {
    let mut admin = route("/_synapse/admin", Target::Homeserver(BOUNDS));
    admin.networks = Some(["10.0.0.0/8".parse().unwrap()].into_iter().collect());
    let hidden = Ask::of(vec![site_of("a.test", &["a.test"], vec![admin])]);
    assert_eq!(hidden.outcome("/_synapse/admin/v1/users"), "NothingHere");
    let mut admin = route("/_synapse/admin", Target::Homeserver(BOUNDS));
    admin.networks = Some(["192.0.2.0/24".parse().unwrap()].into_iter().collect());
    let open = Ask::of(vec![site_of("a.test", &["a.test"], vec![admin])]);
    assert_eq!(
        open.outcome("/_synapse/admin/v1/users"),
        "homeserver of a.test, bounded"
    );
}

#[test]
fn well_known_paths_are_exact_and_on_the_right_host() {
    let mut ask = Ask::of(vec![site_of("a.test", &["a.test", "m.a.test"], vec![])]);
    assert_eq!(ask.outcome("/.well-known/matrix/server"), "server");
    assert_eq!(ask.outcome("/.well-known/matrix/client"), "client");
    assert_eq!(ask.outcome("/.well-known/matrix/support"), "no document");
    assert_eq!(ask.outcome("/.well-known/matrix/serverx"), "no document");
    assert_eq!(ask.outcome("/.well-known/acme-challenge/x"), "NothingHere");
    ask.method = Method::POST;
    assert_eq!(
        ask.outcome("/.well-known/matrix/server"),
        "MethodNotAllowed"
    );
    ask.method = Method::OPTIONS;
    assert_eq!(ask.outcome("/.well-known/matrix/client"), "preflight");
    ask.method = Method::GET;
    ask.host = "m.a.test";
    assert_eq!(ask.outcome("/.well-known/matrix/server"), "no document");
    assert_eq!(ask.outcome("/.well-known/matrix/client"), "client");
}

#[test]
fn a_federation_request_finds_its_site() {
    let one = || site_of("a.test", &["a.test", "m.a.test"], vec![]);
    let two = || site_of("b.test", &["b.test"], vec![]);
    let path = "/_matrix/federation/v1/send/1";
    let mut ask = Ask::of(vec![one()]);
    ask.profile = Profile::Federation;
    ask.host = "unheard.of";
    assert_eq!(ask.outcome(path), "homeserver of a.test");
    assert_eq!(ask.outcome("/_matrix/client/versions"), "NothingHere");
    let mut ask = Ask::of(vec![one(), two()]);
    ask.profile = Profile::Federation;
    ask.host = "unheard.of";
    assert_eq!(ask.outcome(path), "no site");
    ask.sni = Some("b.test");
    assert_eq!(ask.outcome(path), "homeserver of b.test");
    ask.host = "m.a.test";
    assert_eq!(ask.outcome(path), "homeserver of a.test");
}

#[test]
fn an_unknown_host_gets_nothing_but_federation() {
    let mut ask = Ask::of(vec![site_of("a.test", &["a.test"], vec![])]);
    ask.host = "unheard.of";
    ask.sni = Some("a.test");
    assert_eq!(ask.outcome("/_matrix/client/versions"), "no site");
    assert_eq!(
        ask.outcome("/_matrix/key/v2/server"),
        "homeserver of a.test"
    );
    ask.host = "";
    assert_eq!(
        ask.outcome("/_matrix/client/versions"),
        "homeserver of a.test"
    );
    assert_eq!(ask.outcome("/.well-known/matrix/server"), "server");
}

#[test]
fn plain_http_redirects_all_but_matrix() {
    let mut ask = Ask::of(vec![site_of("a.test", &["a.test"], vec![])]);
    ask.profile = Profile::Redirect;
    assert_eq!(ask.outcome("/.well-known/matrix/client"), "client");
    assert_eq!(ask.outcome("/_matrix/client/versions"), "PlainHttp");
    assert_eq!(ask.outcome("/_synapse/client/x"), "PlainHttp");
    assert_eq!(ask.outcome("/index.html"), "to https");
    assert_eq!(ask.outcome("*"), "NothingHere");
    ask.host = "unheard.of";
    assert_eq!(ask.outcome("/"), "no site");
    assert_eq!(ask.outcome("/_matrix/federation/v1/version"), "no site");
}

#[test]
fn preflights_are_answered_at_the_edge() {
    let mut ask = Ask::of(vec![site_of("a.test", &["a.test"], vec![])]);
    ask.method = Method::OPTIONS;
    assert_eq!(ask.outcome("/_matrix/client/v3/login"), "preflight");
    assert_eq!(ask.outcome("/_synapse/client/x"), "homeserver of a.test");
    assert_eq!(ask.outcome("/x"), "NothingHere");
}

#[test]
fn no_spelling_reaches_a_restricted_part_of_an_open_route() {
    let mut inner = route("/app/admin", upstream(2));
    inner.networks = Some(["10.0.0.0/8".parse().unwrap()].into_iter().collect());
    let routes = vec![inner, route("/app", upstream(1))];
    let ask = Ask::of(vec![site_of("a.test", &["a.test"], routes)]);
    assert_eq!(ask.outcome("/app/x"), "upstream 1");
    assert_eq!(ask.outcome("/app/admin/x"), "NothingHere");
    for path in [
        "/app/x/../admin",
        "/app/%61dmin",
        "/app//admin",
        "/app/admin;x",
        "/app\\admin",
    ] {
        assert_ne!(ask.outcome(path), "upstream 1", "{path}");
    }
    assert_eq!(ask.outcome("/_matrix/client/%61"), "homeserver of a.test");
}
