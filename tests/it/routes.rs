//! Routes to more than Matrix.

use crate::support::{Answer, Door, Homeserver, Request, Table, Vestibule};

const ROUTES: &str = r#"
[[routes]]
path = "/livekit"
upstream = "$other"

[[routes]]
path = "/livekit/jwt"
upstream = "$homeserver"

[[routes]]
path = "/stripped"
upstream = "$other"
strip_prefix = true

[[routes]]
path = "/docs"
redirect = "https://docs.example.org/start?a=%2F"

[[routes]]
path = "/small"
upstream = "$other"
max_body_size = "1K"

[[routes]]
path = "/_synapse/admin"
homeserver = true
networks = ["127.0.0.0/8"]
max_body_size = "1K"

[[routes]]
path = "/"
hosts = ["rtc.example.com"]
upstream = "$other"
"#;

async fn start() -> (Homeserver, Homeserver, Vestibule) {
    let (homeserver, other) = (Homeserver::start().await, Homeserver::start().await);
    other.route("*", "/", Answer::json(200, r#"{"other":true}"#));
    let vestibule = Vestibule::start(&homeserver, &ROUTES.replace("$other", other.url())).await;
    (homeserver, other, vestibule)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_prefix_of_whole_segments_wins() {
    let (homeserver, other, vestibule) = start().await;
    let mut table = Table::default();
    let (to_homeserver, to_other) = ((1, 0), (0, 1));
    for (target, reached) in [
        ("/livekit", to_other),
        ("/livekit/", to_other),
        ("/livekit/sfu/a%2Fb?c=%20", to_other),
        ("/livekit?x", to_other),
        ("/livekit/jwt", to_homeserver),
        ("/livekit/jwt/sfu/get", to_homeserver),
        ("/livekit/jwtx", to_other),
        ("/livekit//jwt", to_other),
        ("/livekitx", (0, 0)),
        ("/Livekit", (0, 0)),
        ("/livekit%2fjwt", (0, 0)),
        ("/livekit/../_synapse/admin", (0, 0)),
        ("/livekit/%2e%2e/_synapse/admin", (0, 0)),
        ("/_matrix/client/versions", to_homeserver),
    ] {
        let before = (homeserver.requests().len(), other.requests().len());
        let status = vestibule
            .ask(Door::Plain, &Request::get(target))
            .await
            .status;
        let after = (homeserver.requests().len(), other.requests().len());
        table.row(target, &(after.0 - before.0, after.1 - before.1), &reached);
        table.row(target, &status, &if reached == (0, 0) { 404 } else { 200 });
    }
    table.assert_right(28);
    assert!(
        other
            .targets()
            .contains(&"/livekit/sfu/a%2Fb?c=%20".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_is_stripped_where_asked() {
    let (_homeserver, other, vestibule) = start().await;
    let mut table = Table::default();
    for (target, arrives) in [
        ("/stripped", "/"),
        ("/stripped/", "/"),
        ("/stripped?a", "/?a"),
        ("/stripped/a%2Fb//c?d=/stripped", "/a%2Fb//c?d=/stripped"),
        ("/stripped//a", "//a"),
    ] {
        assert_eq!(
            vestibule
                .ask(Door::Plain, &Request::get(target))
                .await
                .status,
            200
        );
        table.row(target, &other.last_request().target(), &arrives);
        assert_eq!(
            vestibule
                .ask_h2(Door::Tls, &Request::get(target))
                .await
                .status,
            200
        );
        table.row(target, &other.last_request().target(), &arrives);
    }
    table.assert_right(10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_of_a_host_is_a_route_of_that_host_only() {
    let (homeserver, other, vestibule) = start().await;
    let on = |host: &str| Request::get("/anything").host(host);
    assert_eq!(
        vestibule
            .ask(Door::Tls, &on("rtc.example.com"))
            .await
            .status,
        200
    );
    assert_eq!(
        other.last_request().header("host").as_deref(),
        Some("rtc.example.com")
    );
    for host in ["matrix.example.com", "example.com"] {
        vestibule
            .ask(Door::Tls, &on(host))
            .await
            .assert_error(404, "M_UNRECOGNIZED");
    }
    homeserver.assert_untouched();
    assert_eq!(other.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_goes_where_it_says() {
    let (homeserver, _other, vestibule) = start().await;
    for target in ["/docs", "/docs/deep?x=y"] {
        let over_1 = vestibule.ask(Door::Plain, &Request::get(target)).await;
        let over_2 = vestibule.ask_h2(Door::Tls, &Request::get(target)).await;
        for answer in [over_1, over_2] {
            let location = answer.header("location");
            assert_eq!(
                (answer.status, location),
                (301, Some("https://docs.example.org/start?a=%2F"))
            );
        }
    }
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_has_its_own_body_limit() {
    let (_homeserver, other, vestibule) = start().await;
    let fits = Request::post("/small", vec![b'a'; 1024]);
    assert_eq!(vestibule.ask(Door::Plain, &fits).await.status, 200);
    let longer = Request::post("/small", vec![b'a'; 1025]);
    vestibule
        .ask(Door::Plain, &longer)
        .await
        .assert_error(413, "M_TOO_LARGE");
    assert_eq!(other.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_of_a_route_sees_the_same_headers_as_a_homeserver() {
    let (_homeserver, other, vestibule) = start().await;
    let forged = Request::get("/livekit/x").field("X-Forwarded-For", "6.6.6.6");
    assert_eq!(vestibule.ask(Door::Tls, &forged).await.status, 200);
    let arrived = other.only_request();
    assert_eq!(arrived.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(arrived.all("x-forwarded-proto"), ["https"]);
    assert_eq!(
        arrived.header("host").as_deref(),
        Some("matrix.example.com")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bounds_of_a_route_hold_for_the_homeserver_too() {
    let (homeserver, _other, vestibule) = start().await;
    for (length, status) in [(1024, 200), (1025, 413)] {
        let request = Request::post("/_synapse/admin/v1/x", vec![b'x'; length]);
        assert_eq!(vestibule.ask(Door::Plain, &request).await.status, status);
    }
    assert_eq!(homeserver.requests().len(), 1);
}
