//! Several processes of one homeserver: who gets what, and what happens when one is away.

use crate::support::{Answer, Door, Gate, Homeserver, Request, Vestibule, eventually, within};

const SYNC: &str = "/_matrix/client/v3/sync?since=s1";

/// A main process and workers, each with its groups.
struct Deployment {
    main: Homeserver,
    workers: Vec<(String, Option<Homeserver>)>,
    vestibule: Vestibule,
}

impl Deployment {
    async fn start(workers: &[(&str, &str)], extra: &str) -> Self {
        let main = Homeserver::start().await;
        let mut text = format!("{extra}\n");
        let mut started = Vec::new();
        for (name, groups) in workers {
            let worker = Homeserver::start().await;
            let url = worker.url();
            text += &format!(
                "[[workers]]\nname = \"{name}\"\nupstream = \"{url}\"\ngroups = [{groups}]\n"
            );
            started.push((url.to_owned(), Some(worker)));
        }
        let vestibule = Vestibule::start(&main, &text).await;
        let workers = started;
        Self {
            main,
            workers,
            vestibule,
        }
    }

    fn worker(&self, index: usize) -> &Homeserver {
        self.workers[index].1.as_ref().unwrap()
    }

    async fn kill(&mut self, index: usize) {
        self.workers[index].1.take().unwrap().kill().await;
    }

    async fn restart(&mut self, index: usize) {
        let worker = Homeserver::start_at(&self.workers[index].0).await;
        self.workers[index].1 = Some(worker);
    }

    /// How many requests but health checks each has got: the main process, then the workers.
    fn counts(&self) -> Vec<usize> {
        let workers = self.workers.iter().map(|(_, worker)| worker.as_ref());
        let all = std::iter::once(Some(&self.main)).chain(workers);
        let count = |homeserver: &Homeserver| {
            let targets = homeserver.targets();
            targets.iter().filter(|t| *t != "/health").count()
        };
        all.map(|h| h.map_or(0, count)).collect()
    }

    async fn ok(&self, request: &Request) {
        let answer = self.vestibule.ask(Door::Plain, request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

fn as_user(request: Request, token: &str) -> Request {
    request.field("Authorization", &format!("Bearer {token}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_group_has_its_workers_and_the_rest_is_the_main_process_s() {
    let deployment = Deployment::start(
        &[
            ("sync", "\"synchrotron\""),
            ("generic", "\"generic_worker\""),
            ("typing", "\"typing\""),
            ("media", "\"media_repository\""),
        ],
        "",
    )
    .await;
    let room = "/_matrix/client/v3/rooms/!r:x";
    for (method, target, expected) in [
        ("GET", SYNC.to_owned(), 1),
        // Nobody does the beginnings alone: who goes on can begin as well.
        ("GET", "/_matrix/client/v3/sync".to_owned(), 1),
        ("GET", format!("{room}/members"), 2),
        ("PUT", format!("{room}/send/m.room.message/1"), 2),
        ("PUT", "/_matrix/federation/v1/send/1".to_owned(), 2),
        ("PUT", format!("{room}/typing/@a:x"), 3),
        // A state key or a transaction may be called anything.
        ("PUT", format!("{room}/send/typing/1"), 2),
        ("GET", "/_matrix/media/v3/download/x/y".to_owned(), 4),
        ("GET", "/_matrix/client/v1/media/download/x/y".to_owned(), 4),
        ("POST", "/_matrix/client/v3/logout".to_owned(), 0),
        (
            "PUT",
            "/_matrix/client/v3/pushrules/global/a/b".to_owned(),
            0,
        ),
        (
            "GET",
            "/_matrix/client/v3/pushrules/global/a/b".to_owned(),
            2,
        ),
        ("POST", format!("{room}/receipt/m.read/$e"), 0),
    ] {
        let before = deployment.counts();
        deployment
            .ok(&Request::new(method, &target).body("{}").signed())
            .await;
        let after = deployment.counts();
        let changed: Vec<usize> = (0..after.len())
            .filter(|i| after[*i] > before[*i])
            .collect();
        assert_eq!(changed, [expected], "{method} {target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_a_room_and_of_a_server_stay_together() {
    let groups = "\"generic_worker\"";
    let deployment = Deployment::start(&[("a", groups), ("b", groups), ("c", groups)], "").await;
    let mut used = [0; 4];
    for room in 0..20 {
        let before = deployment.counts();
        for spelling in [
            format!("!{room}:x"),
            format!("%21{room}%3Ax"),
            format!("!{room}%3ax"),
        ] {
            let target = format!("/_matrix/client/v3/rooms/{spelling}/members");
            deployment.ok(&Request::get(&target)).await;
        }
        let after = deployment.counts();
        let changed: Vec<usize> = (0..4).filter(|i| after[*i] > before[*i]).collect();
        assert_eq!(changed.len(), 1, "room {room}: {before:?} {after:?}");
        used[changed[0]] += 1;
    }
    assert!(
        used[0] == 0 && used[1..].iter().all(|count| *count > 0),
        "{used:?}"
    );
    for server in 0..10 {
        let before = deployment.counts();
        for transaction in 0..3 {
            let request =
                Request::new("PUT", &format!("/_matrix/federation/v1/send/{transaction}"));
            let signature = format!(
                "X-Matrix origin=s{server}.test,key=ed25519:a,sig={}",
                "A".repeat(86)
            );
            deployment
                .ok(&request.body("{}").field("Authorization", &signature))
                .await;
        }
        let after = deployment.counts();
        let changed = (0..4).filter(|i| after[*i] > before[*i]).count();
        assert_eq!(changed, 1, "server {server}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_tokens_lead_to_one_worker() {
    let groups = "\"synchrotron\"";
    let deployment = Deployment::start(&[("a", groups), ("b", groups), ("c", groups)], "").await;
    for user in 0..10 {
        for device in 0..3 {
            let whoami = format!("{{\"user_id\":\"@u{user}:example.com\"}}");
            let token = format!("mat_{user}_{device}");
            deployment.main.route(
                "GET",
                "/_matrix/client/v3/account/whoami",
                Answer::json(200, &whoami),
            );
            let before = deployment.counts();
            deployment.ok(&as_user(Request::get(SYNC), &token)).await;
            // Known now: nobody is asked again.
            deployment.main.route(
                "GET",
                "/_matrix/client/v3/account/whoami",
                Answer::json(500, "{}"),
            );
            deployment.ok(&as_user(Request::get(SYNC), &token)).await;
            let after = deployment.counts();
            let asked = after[0] - before[0];
            assert!(asked <= 1, "asked {asked} times");
        }
    }
    // Two syncs of each of three devices of each of ten users: whole users only.
    let counts = deployment.counts();
    assert!(counts[1..].iter().all(|count| count % 6 == 0), "{counts:?}");
    assert_eq!(counts[1..].iter().sum::<usize>(), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_away_is_replaced_and_comes_back() {
    let groups = "\"generic_worker\"";
    let mut deployment = Deployment::start(&[("a", groups), ("b", groups)], "").await;
    let target = |room: usize| format!("/_matrix/client/v3/rooms/!{room}:x/members");
    deployment.kill(0).await;
    for room in 0..10 {
        deployment.ok(&Request::get(&target(room))).await;
    }
    assert_eq!(deployment.counts(), [0, 0, 10]);
    deployment.kill(1).await;
    for room in 0..10 {
        deployment.ok(&Request::get(&target(room))).await;
    }
    assert_eq!(deployment.counts()[0], 10, "the main process stands in");
    deployment.restart(0).await;
    eventually("it gets requests again", async || {
        deployment.ok(&Request::get(&target(1))).await;
        deployment.counts()[1] > 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_main_process_cannot_do_waits_for_its_writer() {
    let mut deployment = Deployment::start(&[("writer", "\"typing\"")], "").await;
    deployment.kill(0).await;
    let typing = Request::new("PUT", "/_matrix/client/v3/rooms/!r:x/typing/@a:x").body("{}");
    let mut client = deployment.vestibule.raw(Door::Plain).await;
    client.send(typing.bytes()).await;
    eventually("it waits", async || {
        let metrics = deployment.vestibule.admin("/metrics").await.text();
        metrics.contains("vestibule_upstream_up{upstream=\"writer\"} 0")
    })
    .await;
    deployment.restart(0).await;
    assert_eq!(within("an answer", client.response()).await.status, 200);
    assert_eq!(deployment.counts(), [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_the_api_never_count_against_a_worker() {
    let deployment = Deployment::start(&[("a", "\"generic_worker\"")], "").await;
    for status in [502, 504, 500, 429] {
        let body = "{\"errcode\":\"M_NOT_YET_UPLOADED\"}";
        deployment
            .worker(0)
            .route("*", "/_matrix", Answer::json(status, body));
        for _ in 0..5 {
            let answer = deployment
                .vestibule
                .ask(
                    Door::Plain,
                    &Request::get("/_matrix/client/v3/rooms/!r:x/members"),
                )
                .await;
            assert_eq!((answer.status, answer.text().as_str()), (status, body));
        }
    }
    assert_eq!(deployment.counts(), [0, 20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_takes_so_many_at_a_time_and_the_others_wait_their_turn() {
    let limits = "[[groups]]\nname = \"initial_synchrotron\"\nmax_requests = 2\nmax_queued = 1\n\
                  max_wait = \"10s\"";
    let deployment = Deployment::start(&[("a", "\"initial_synchrotron\"")], limits).await;
    let gate = Gate::new();
    deployment
        .worker(0)
        .route("*", "/_matrix", Answer::default().after(&gate));
    let initial = Request::get("/_matrix/client/v3/sync");
    let mut clients = Vec::new();
    for index in 0..3 {
        let mut client = deployment.vestibule.raw(Door::Plain).await;
        client.send(initial.bytes()).await;
        if index < 2 {
            eventually("it is at work", async || deployment.counts()[1] > index).await;
        }
        clients.push(client);
    }
    let vestibule = &deployment.vestibule;
    let in_flight = async || vestibule.metric("vestibule_requests_in_flight", &[]).await;
    eventually("the third waits", async || in_flight().await >= 3.0).await;
    eventually("a fourth is told to come again", async || {
        let answer = deployment.vestibule.raw(Door::Plain).await;
        let mut answer = answer;
        answer.send(initial.bytes()).await;
        let answer = within("an answer", answer.response()).await;
        answer.assert_error(429, "M_LIMIT_EXCEEDED");
        answer.header("retry-after") == Some("5")
    })
    .await;
    assert_eq!(deployment.counts(), [0, 2]);
    // Who continues does not wait behind those who begin.
    deployment.ok(&Request::get(SYNC)).await;
    gate.open();
    for client in &mut clients {
        assert_eq!(within("an answer", client.response()).await.status, 200);
    }
    assert_eq!(deployment.counts(), [1, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authentication_service_gets_seven_paths_and_no_other() {
    let service = Homeserver::start().await;
    let mas = format!("mas = \"{}\"", service.url());
    let deployment = Deployment::start(&[], &mas).await;
    let paths = [
        ("GET", "/_matrix/client/v3/login", true),
        ("POST", "/_matrix/client/r0/login", true),
        ("POST", "/_matrix/client/v3/logout", true),
        ("POST", "/_matrix/client/v3/logout/all", true),
        ("POST", "/_matrix/client/v3/refresh", true),
        ("GET", "/_matrix/client/v3/login/sso/redirect", true),
        ("GET", "/_matrix/client/v3/login/sso/redirect/", true),
        ("GET", "/_matrix/client/v3/login/sso/redirect/idp", true),
        ("POST", "/_matrix/client/v1/login/get_token", false),
        (
            "PUT",
            "/_matrix/client/v3/rooms/!r:x/state/m.foo/login",
            false,
        ),
        (
            "PUT",
            "/_matrix/client/v3/user/@a:x/account_data/login_settings",
            false,
        ),
        ("POST", "/_matrix/client/v3/register", false),
    ];
    for (method, path, is_theirs) in paths {
        let before = service.requests().len();
        deployment.ok(&Request::new(method, path).body("{}")).await;
        assert_eq!(
            service.requests().len() - before,
            usize::from(is_theirs),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_can_be_drained_by_who_has_the_token() {
    let groups = "\"generic_worker\"";
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "open sesame\n").unwrap();
    let admin = format!("admin.token_file = \"{}\"", token.display());
    let deployment = Deployment::start(&[("a", groups), ("b", groups)], &admin).await;
    let change = async |path: &str, token: &str| {
        let stream = tokio::net::TcpStream::connect(deployment.vestibule.admin_address()).await;
        let request = Request::post(path, "").host("127.0.0.1");
        let request = request.field("Authorization", &format!("Bearer {token}"));
        crate::support::Raw::new(stream.unwrap())
            .ask(&request)
            .await
    };
    assert_eq!(
        change("/upstreams/example.com/a/drain", "wrong")
            .await
            .status,
        403
    );
    assert_eq!(
        change("/upstreams/example.com/c/drain", "open sesame")
            .await
            .status,
        404
    );
    let listed = deployment.vestibule.admin("/upstreams").await.json();
    assert_eq!(listed["sites"][0]["upstreams"][1]["drained"], false);
    assert_eq!(
        change("/upstreams/example.com/a/drain", "open sesame")
            .await
            .status,
        200
    );
    let ask_for_rooms = async || {
        for room in 0..10 {
            let target = format!("/_matrix/client/v3/rooms/!{room}:x/members");
            deployment.ok(&Request::get(&target)).await;
        }
    };
    ask_for_rooms().await;
    assert_eq!(deployment.counts(), [0, 0, 10]);
    let listed = deployment.vestibule.admin("/upstreams").await.json();
    assert_eq!(listed["sites"][0]["upstreams"][1]["drained"], true);
    assert_eq!(
        change("/upstreams/example.com/a/undrain", "open sesame")
            .await
            .status,
        200
    );
    ask_for_rooms().await;
    assert!(deployment.counts()[1] > 0);
}
