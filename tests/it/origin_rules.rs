//! Rules by origin: who is denied never reaches the homeserver, and is told what it shall be told.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::{Door, Homeserver, Request, Vestibule, eventually};

const PROFILE: &str = "/_matrix/federation/v1/query/profile?user_id=@a:example.com";
const SEND: &str = "/_matrix/federation/v1/send/1";
const MEDIA: &str = "/_matrix/federation/v1/media/download/abc";

/// A header as servers write it, with a signature that nobody made.
fn x_matrix(origin: &str) -> String {
    let signature = "A".repeat(86);
    format!(
        "X-Matrix origin=\"{origin}\",key=\"ed25519:a\",sig=\"{signature}\",destination=\"example.com\""
    )
}

fn from(origin: &str, request: Request) -> Request {
    request.field("Authorization", &x_matrix(origin))
}

fn profile(origin: &str) -> Request {
    from(origin, Request::get(PROFILE))
}

async fn status(vestibule: &Vestibule, request: &Request) -> u16 {
    vestibule.ask(Door::Federation, request).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_denied_never_reaches_the_homeserver() {
    let homeserver = Homeserver::start().await;
    let rules = "[[federation.rules]]\nname = \"spam\"\naction = \"deny\"\n\
                 origins = [\"evil.example\", \"*.spam.example\"]\n";
    let vestibule = Vestibule::start(&homeserver, rules).await;
    for origin in [
        "evil.example",
        "EVIL.example",
        "evil.example:8448",
        "a.b.spam.example",
    ] {
        for request in [
            profile(origin),
            from(origin, Request::put(SEND, "{}")),
            from(origin, Request::get(MEDIA)),
            from(origin, Request::get("/_matrix/federation/v9/new/thing")),
        ] {
            let refused = vestibule.ask(Door::Federation, &request).await;
            assert_eq!(refused.status, 403, "{origin}");
            assert_eq!(refused.json()["errcode"], "M_FORBIDDEN");
            let over_2 = vestibule.ask_h2(Door::Federation, &request).await;
            assert_eq!(over_2.status, 403, "{origin}");
        }
    }
    homeserver.assert_untouched();
    for request in [
        profile("spam.example"),
        profile("nice.example"),
        from("evil.example", Request::get("/_matrix/key/v2/server")),
        from(
            "evil.example",
            Request::get("/_matrix/federation/v1/version"),
        ),
        Request::get("/_matrix/federation/v1/version"),
    ] {
        assert_eq!(status(&vestibule, &request).await, 200, "{request:?}");
    }
    let labels = &["rule=\"spam\"", "result=\"refused\""];
    let counted = async || {
        vestibule
            .count("vestibule_origin_rules_total", labels)
            .await
            == "32"
    };
    eventually("all are counted", counted).await;
    let refused = async || {
        let log = vestibule.access_log();
        log.iter().any(|line| {
            line["refused"] == "origin_forbidden"
                && line["rule"] == "spam"
                && line["origin"] == "evil.example"
        })
    };
    eventually("the log names the rule", refused).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rule_has_its_answer() {
    let homeserver = Homeserver::start().await;
    let rules: String = ["forbidden", "unauthorized", "tarpit"]
        .map(|answer| {
            format!(
                "[[federation.rules]]\nname = \"{answer}\"\naction = \"deny\"\n\
                 origins = [\"{answer}.example\"]\nanswer = \"{answer}\"\n"
            )
        })
        .concat();
    let vestibule = Vestibule::start(&homeserver, &rules).await;
    for (origin, expected, errcode, retry_after) in [
        ("forbidden.example", 403, "M_FORBIDDEN", None),
        ("unauthorized.example", 401, "M_UNAUTHORIZED", None),
        ("tarpit.example", 429, "M_LIMIT_EXCEEDED", Some("3600")),
    ] {
        let refused = vestibule.ask(Door::Federation, &profile(origin)).await;
        assert_eq!(refused.status, expected);
        assert_eq!(refused.json()["errcode"], errcode);
        assert_eq!(refused.header("retry-after"), retry_after);
    }
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_about_classes_sites_and_listeners() {
    let homeserver = Homeserver::start().await;
    let config = r#"
        listeners = [
            { address = "127.0.0.1:0", tls = false, profile = "both" },
            { address = "127.0.0.2:0", tls = false, profile = "both" },
        ]
        [[federation.rules]]
        name = "class"
        action = "deny"
        origins = ["class.example"]
        classes = ["fed_query", "fed_media"]
        [[federation.rules]]
        name = "listener"
        action = "deny"
        origins = ["listener.example"]
        listeners = ["127.0.0.2:0"]
        [[federation.rules]]
        name = "site"
        action = "deny"
        origins = ["site.example"]
        sites = ["second.example"]
        [[sites]]
        server_name = "example.com"
        homeserver = "$homeserver"
        hosts = ["matrix.example.com"]
        [[sites]]
        server_name = "second.example"
        homeserver = "$homeserver"
    "#;
    let vestibule = Vestibule::start(&homeserver, config).await;
    // The doors of this configuration, by their places.
    let (first, second) = (Door::Plain, Door::Tls);
    let ask = async |door, request: &Request| {
        let mut raw = vestibule.raw_without_tls(door).await;
        raw.ask(request).await.status
    };
    assert_eq!(ask(first, &profile("class.example")).await, 403);
    let send = from("class.example", Request::put(SEND, "{}"));
    assert_eq!(ask(first, &send).await, 200);
    assert_eq!(ask(first, &profile("listener.example")).await, 200);
    assert_eq!(ask(second, &profile("listener.example")).await, 403);
    let at_second = profile("site.example").host("second.example");
    assert_eq!(ask(first, &profile("site.example")).await, 200);
    assert_eq!(ask(first, &at_second).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_and_strangers_have_a_say_of_their_own() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "federation.ip_literals = \"deny\"").await;
    for (origin, expected) in [
        ("192.0.2.1", 403),
        ("192.0.2.1:8448", 403),
        ("[2001:db8::1]:8448", 403),
        ("nice.example", 200),
    ] {
        assert_eq!(status(&vestibule, &profile(origin)).await, expected);
    }
    vestibule.reload("federation.strangers = \"deny\"").unwrap();
    assert_eq!(status(&vestibule, &profile("nice.example")).await, 403);
    let version = Request::get("/_matrix/federation/v1/version");
    assert_eq!(status(&vestibule, &version).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_two_meanings_pass_no_rule() {
    let homeserver = Homeserver::start().await;
    let rules = "[[federation.rules]]\nname = \"spam\"\naction = \"deny\"\n\
                 origins = [\"evil.example\"]\nclasses = [\"fed_query\"]\n";
    let vestibule = Vestibule::start(&homeserver, rules).await;
    let (nice, evil) = (x_matrix("nice.example"), x_matrix("evil.example"));
    let twice = nice.replace("origin=", "origin=\"evil.example\",origin=");
    let reversed = evil.replace("origin=", "origin=\"nice.example\",origin=");
    let ambiguous = [
        vec![nice.as_str(), evil.as_str()],
        vec![evil.as_str(), nice.as_str()],
        vec![&twice],
        vec![&reversed],
        vec!["X-Matrix origin=\"nice.example", &evil],
    ];
    for headers in &ambiguous {
        let with_headers = |request: Request| {
            let add = |request: Request, header: &&str| request.field("Authorization", header);
            headers.iter().fold(request, add)
        };
        let refused = vestibule
            .ask(Door::Federation, &with_headers(Request::get(PROFILE)))
            .await;
        assert_eq!(refused.status, 400, "{headers:?}");
        assert_eq!(refused.json()["errcode"], "M_UNAUTHORIZED");
        // No rule is about this class.
        let send = with_headers(Request::put(SEND, "{}"));
        assert_eq!(status(&vestibule, &send).await, 200, "{headers:?}");
    }
    assert_eq!(homeserver.requests().len(), ambiguous.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_meant_for_another_server_is_refused_where_signatures_count() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let header = x_matrix("a.example").replace("example.com", "other.example");
    let astray = Request::get(PROFILE).field("Authorization", &header);
    assert_eq!(status(&vestibule, &astray).await, 200);
    vestibule
        .reload("federation.signatures = \"verify\"")
        .unwrap();
    let refused = vestibule.ask(Door::Federation, &astray).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["errcode"], "M_UNAUTHORIZED");
    assert_eq!(homeserver.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_refuses_nothing_and_tells_what_it_would() {
    let homeserver = Homeserver::start().await;
    let rules = "[[federation.rules]]\nname = \"tried\"\naction = \"deny\"\ndry_run = true\n\
                 origins = [\"*\"]\n[[federation.rules]]\nname = \"spam\"\naction = \"deny\"\n\
                 origins = [\"evil.example\"]\n";
    let vestibule = Vestibule::start(&homeserver, rules).await;
    assert_eq!(status(&vestibule, &profile("nice.example")).await, 200);
    assert_eq!(status(&vestibule, &profile("evil.example")).await, 403);
    let whole = rules.replace(
        "[[federation.rules]]\nname = \"spam\"",
        "[[federation.rules]]\nname = \"whole\"",
    );
    vestibule
        .reload(&format!("federation.dry_run = true\n{whole}"))
        .unwrap();
    assert_eq!(status(&vestibule, &profile("evil.example")).await, 200);
    assert_eq!(homeserver.requests().len(), 2);
    let counted = async |rule: &str, result: &str, expected: &str| {
        let labels = [
            &*format!("rule=\"{rule}\""),
            &*format!("result=\"{result}\""),
        ];
        vestibule
            .count("vestibule_origin_rules_total", &labels)
            .await
            == expected
    };
    eventually("each is counted", async || {
        counted("tried", "would_refuse", "1").await && counted("whole", "would_refuse", "1").await
    })
    .await;
    let tried = async || {
        let log = vestibule.access_log();
        let of = |rule: &str| log.iter().filter(|line| line["rule"] == rule).count();
        of("tried") == 1 && of("spam") == 1 && of("whole") == 1
    };
    eventually("the log tells the rules", tried).await;
    let log = vestibule.access_log();
    let line = log.iter().find(|line| line["rule"] == "tried").unwrap();
    assert_eq!(line["would_refuse"], "origin_forbidden");
    assert_eq!(line["origin"], "nice.example");
}

/// A rule that denies whom the list at `path` names.
fn by_file(path: &Path) -> String {
    format!(
        "[[federation.rules]]\nname = \"listed\"\naction = \"deny\"\nlists = [\"file\"]\n\
         [[federation.lists]]\nname = \"file\"\nfile = \"{}\"\nrefresh = \"1s\"\n",
        path.display()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_takes_effect_when_it_changes_and_stays_when_it_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deny.txt");
    fs::write(&path, "# ours\nevil.example\n").unwrap();
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, &by_file(&path)).await;
    assert_eq!(status(&vestibule, &profile("evil.example")).await, 403);
    let becomes = async |origin: &str, expected: u16| {
        let request = profile(origin);
        eventually("the list takes effect", async || {
            status(&vestibule, &request).await == expected
        })
        .await;
    };
    fs::write(&path, "[\"*.spam.example\"]").unwrap();
    becomes("a.spam.example", 403).await;
    becomes("evil.example", 200).await;

    fs::write(&path, "<html>").unwrap();
    let is_current = async || {
        let labels = &["list=\"file\""];
        vestibule
            .count("vestibule_list_last_read_successful", labels)
            .await
    };
    eventually("the mistake is seen", async || is_current().await == "0").await;
    assert_eq!(status(&vestibule, &profile("a.spam.example")).await, 403);
    let lists = vestibule.admin("/status").await.json()["lists"].clone();
    assert_eq!(lists[0]["name"], "file");
    assert_eq!(lists[0]["entries"], 1);
    let problem = lists[0]["problem"].as_str().unwrap();
    assert!(problem.contains("line 1 names no server"), "{problem}");
    // A reload keeps what is known of the list, whose definition is the same.
    let more = format!("federation.ip_literals = \"deny\"\n{}", by_file(&path));
    let refused = vestibule.reload(&more);
    assert!(refused.is_ok(), "{refused:?}");
    assert_eq!(status(&vestibule, &profile("a.spam.example")).await, 403);
    assert_eq!(status(&vestibule, &profile("192.0.2.1")).await, 403);
    fs::write(&path, "").unwrap();
    becomes("a.spam.example", 200).await;
    eventually("the mistake is mended", async || is_current().await == "1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_all_rules_or_none() {
    let homeserver = Homeserver::start().await;
    let rule = |origin: &str| {
        format!(
            "[[federation.rules]]\nname = \"spam\"\naction = \"deny\"\norigins = [\"{origin}\"]\n"
        )
    };
    let vestibule = Vestibule::start(&homeserver, &rule("evil.example")).await;
    let mut open = vestibule.raw(Door::Federation).await;
    assert_eq!(open.ask(&profile("evil.example")).await.status, 403);
    let missing = format!("{}lists = [\"none\"]\n", rule("other.example"));
    let refused = vestibule.reload(&missing).unwrap_err().to_string();
    assert!(refused.contains("there is no list \"none\""), "{refused}");
    let mut open = vestibule.raw(Door::Federation).await;
    assert_eq!(open.ask(&profile("evil.example")).await.status, 403);
    vestibule.reload(&rule("other.example")).unwrap();
    let mut open = vestibule.raw(Door::Federation).await;
    assert_eq!(open.ask(&profile("evil.example")).await.status, 200);
    assert_eq!(open.ask(&profile("other.example")).await.status, 403);
    let known = json!("origin_forbidden");
    let refused = async || {
        let log = vestibule.access_log();
        log.iter().filter(|line| line["refused"] == known).count() == 3
    };
    eventually("each refusal is in the log", refused).await;
}
