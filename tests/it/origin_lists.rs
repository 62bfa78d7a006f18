//! Lists of servers on web servers and in policy rooms: taken up, kept, and never half.

use std::fs;
use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::authority::Authority;
use crate::support::{Answer, Door, Homeserver, Request, Vestibule, eventually};

const STATE: &str = "/_matrix/client/v3/rooms/%21bans%3Aexample%2Ecom/state";
const ALIAS: &str = "/_matrix/client/v3/directory/room/%23bans%3Aexample%2Ecom";

fn profile(origin: &str) -> Request {
    let signature = "A".repeat(86);
    let header = format!("X-Matrix origin={origin},key=ed25519:a,sig={signature}");
    let target = "/_matrix/federation/v1/query/profile?user_id=@a:example.com";
    Request::get(target).field("Authorization", &header)
}

/// Waits until `origin` is answered with `status`.
async fn becomes(vestibule: &Vestibule, origin: &str, status: u16) {
    let request = profile(origin);
    eventually("the list takes effect", async || {
        vestibule.ask(Door::Federation, &request).await.status == status
    })
    .await;
}

async fn reads(vestibule: &Vestibule, result: &str) -> f64 {
    let result = format!("result=\"{result}\"");
    vestibule
        .metric("vestibule_list_reads_total", &[&result])
        .await
}

/// A rule that denies whom a list names, and the list.
fn denied_by(list: &str) -> String {
    format!(
        "[[federation.rules]]\nname = \"listed\"\naction = \"deny\"\nlists = [\"coc\"]\n\
         [[federation.lists]]\nname = \"coc\"\nrefresh = \"1s\"\n{list}\n"
    )
}

/// A web server with a list, and what reads it.
struct Web {
    server: Homeserver,
    folder: TempDir,
    ca: String,
}

impl Web {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let ca = authority.write(folder.path()).display().to_string();
        let server = Homeserver::start_tls(&authority, "127.0.0.1").await;
        Self { server, folder, ca }
    }

    fn config(&self, more: &str) -> String {
        let url = self.server.url();
        denied_by(&format!(
            "url = \"{url}/deny.txt\"\nca = \"{}\"\n{more}",
            self.ca
        ))
    }

    fn holds(&self, text: &str, etag: &str) {
        let headers = [("ETag", etag), ("Content-Type", "text/plain")];
        let answer = Answer::with(200, &headers, text.as_bytes());
        self.server.route("GET", "/deny.txt", answer);
    }

    fn answers(&self, status: u16) {
        let answer = match status {
            304 => Answer::raw("HTTP/1.1 304 Not Modified\r\n\r\n"),
            status => Answer::with(status, &[], b"nothing.example"),
        };
        self.server.route("GET", "/deny.txt", answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_on_a_web_server_is_asked_for_by_its_etag_and_outlives_it() {
    let web = Web::start().await;
    web.holds("evil.example\n", "\"one\"");
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, &web.config("")).await;
    becomes(&vestibule, "evil.example", 403).await;
    web.answers(304);
    eventually("it is the same", async || {
        reads(&vestibule, "same").await >= 1.0
    })
    .await;
    let asked = web.server.last_request();
    assert_eq!(asked.header("if-none-match").as_deref(), Some("\"one\""));
    assert_eq!(asked.header("authorization"), None);
    becomes(&vestibule, "evil.example", 403).await;

    web.holds("*.evil.example\n", "\"two\"");
    becomes(&vestibule, "a.evil.example", 403).await;
    becomes(&vestibule, "evil.example", 200).await;
    for (status, text) in [(500, None), (302, None), (200, Some("a b\n"))] {
        let failed = reads(&vestibule, "failed").await;
        match text {
            Some(text) => web.holds(text, "\"bad\""),
            None => web.answers(status),
        }
        let again = async || reads(&vestibule, "failed").await > failed;
        eventually("it fails", again).await;
        becomes(&vestibule, "a.evil.example", 403).await;
    }
    let copy = vestibule.state().join("lists/coc.json");
    let copy: Value = serde_json::from_slice(&fs::read(copy).unwrap()).unwrap();
    assert_eq!(copy["names"], json!(["*.evil.example"]));

    // A restart while the web server is away.
    let config = web.config("");
    let state = tempfile::tempdir().unwrap();
    fs::create_dir(state.path().join("lists")).unwrap();
    fs::write(state.path().join("lists/coc.json"), copy.to_string()).unwrap();
    vestibule.stop();
    vestibule.ended().await;
    web.server.kill().await;
    let again = Vestibule::start_in(state, homeserver.url(), &config).await;
    let refused = again
        .ask(Door::Federation, &profile("a.evil.example"))
        .await;
    assert_eq!(refused.status, 403, "from the first request on");
    let status = again.admin("/status").await.json();
    assert_eq!(status["lists"][0]["source"], "url");
    assert_eq!(status["lists"][0]["entries"], 1);
    drop(web.folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_be_signed_is_taken_with_the_right_signature_only() {
    let pair = Ed25519KeyPair::generate().unwrap();
    let other = Ed25519KeyPair::generate().unwrap();
    let key = BASE64_STANDARD_NO_PAD.encode(pair.public_key().as_ref());
    let web = Web::start().await;
    let sign = |pair: &Ed25519KeyPair, text: &str| pair.sign(text.as_bytes()).as_ref().to_vec();
    let serve = |text: &str, signature: &[u8]| {
        web.holds(text, &format!("\"{}\"", text.trim()));
        let answer = Answer::with(200, &[], signature);
        web.server.route("GET", "/deny.txt.sig", answer);
    };
    serve("evil.example\n", &sign(&pair, "evil.example\n"));
    let homeserver = Homeserver::start().await;
    let config = web.config(&format!("public_key = \"{key}\""));
    let vestibule = Vestibule::start(&homeserver, &config).await;
    becomes(&vestibule, "evil.example", 403).await;
    let new = "new.example\n";
    for signature in [
        sign(&other, new),
        sign(&pair, "evil.example\n"),
        Vec::new(),
        b"not base64!".to_vec(),
    ] {
        let failed = reads(&vestibule, "failed").await;
        serve(new, &signature);
        let again = async || reads(&vestibule, "failed").await > failed;
        eventually("it is refused", again).await;
        becomes(&vestibule, "evil.example", 403).await;
        becomes(&vestibule, "new.example", 200).await;
    }
    let in_base64 = BASE64_STANDARD.encode(sign(&pair, new)) + "\n";
    serve(new, in_base64.as_bytes());
    becomes(&vestibule, "new.example", 403).await;
    becomes(&vestibule, "evil.example", 200).await;
}

fn ban(key: &str, entity: &str) -> Value {
    let content = json!({ "entity": entity, "recommendation": "m.ban", "reason": "spam" });
    json!({ "type": "m.policy.rule.server", "state_key": key, "content": content })
}

/// What reads the room through the homeserver.
fn by_room(folder: &Path) -> String {
    let token = folder.join("token");
    fs::write(&token, "syt_secret\n").unwrap();
    denied_by(&format!(
        "room = \"#bans:example.com\"\naccess_token_file = \"{}\"",
        token.display()
    ))
}

fn in_room(homeserver: &Homeserver, state: &Value) {
    homeserver.route("GET", STATE, Answer::json(200, &state.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn bans_of_a_policy_room_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let homeserver = Homeserver::start().await;
    let room = json!({ "room_id": "!bans:example.com", "servers": [] });
    homeserver.route("GET", ALIAS, Answer::json(200, &room.to_string()));
    let member = json!({ "type": "m.room.member", "state_key": "@a:b", "content": {} });
    in_room(
        &homeserver,
        &json!([member, ban("1", "Evil.example"), ban("2", "*")]),
    );
    let vestibule = Vestibule::start(&homeserver, &by_room(folder.path())).await;
    becomes(&vestibule, "evil.example", 403).await;
    becomes(&vestibule, "nice.example", 200).await;
    let asked = homeserver.requests();
    let asked = asked.iter().find(|it| it.target() == STATE).unwrap();
    let token = asked.header("authorization");
    assert_eq!(token.as_deref(), Some("Bearer syt_secret"));
    let skipped = vestibule.admin("/status").await.json()["lists"][0]["skipped"].clone();
    assert_eq!(skipped, 1, "what names everybody");

    in_room(
        &homeserver,
        &json!([ban("1", "Evil.example"), ban("3", "n?ce*.example")]),
    );
    becomes(&vestibule, "nice.example", 403).await;
    let lifted = json!({ "type": "m.policy.rule.server", "state_key": "3", "content": {} });
    in_room(&homeserver, &json!([ban("1", "Evil.example"), lifted]));
    becomes(&vestibule, "nice.example", 200).await;
    for (status, body) in [(403, "{}"), (500, "{}"), (200, "{}")] {
        let failed = reads(&vestibule, "failed").await;
        homeserver.route("GET", STATE, Answer::json(status, body));
        let again = async || reads(&vestibule, "failed").await > failed;
        eventually("it fails", again).await;
        becomes(&vestibule, "evil.example", 403).await;
    }
    let problem = vestibule.admin("/status").await.json()["lists"][0]["problem"].clone();
    let problem = problem.as_str().unwrap();
    assert!(problem.contains("no state of a room"), "{problem}");
    let metrics = vestibule.admin("/metrics").await.text();
    assert!(!metrics.contains("syt_secret") && metrics.contains("list=\"coc\""));
}
