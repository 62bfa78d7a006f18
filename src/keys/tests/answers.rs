//! What the homeserver may answer, and what becomes of it.

use serde_json::{Map, Value, json};

use super::*;

fn signed(server: &str, keys: &[u8], old: &[u8], valid_until: u64) -> Map<String, Value> {
    let published = Published {
        server,
        keys,
        old,
        valid_until,
    };
    published.document()
}

/// Documents without the key 1 of `a.test`, and what is said of them.
fn forged() -> Vec<(&'static str, Map<String, Value>, NoKey)> {
    let until = now() + HOUR;
    let good = signed("a.test", &[1], &[], until);
    let changed = |pointer: &str, value: Value| {
        let mut document = Value::from(good.clone());
        *document.pointer_mut(pointer).unwrap() = value;
        document.as_object().unwrap().clone()
    };
    let of_another = signed("b.test", &[1], &[], until);
    let mut renamed = of_another.clone();
    renamed.insert("server_name".to_owned(), "a.test".into());
    let mut signed_by_another = good.clone();
    signed_by_another.insert("signatures".to_owned(), of_another["signatures"].clone());
    vec![
        ("of another server", of_another, NoKey::Absent),
        ("renamed", renamed, NoKey::Rejected),
        ("signed by another", signed_by_another, NoKey::Rejected),
        (
            "longer",
            changed("/valid_until_ts", json!(until + 1)),
            NoKey::Rejected,
        ),
        (
            "other key",
            changed("/verify_keys/ed25519:1/key", json!("AAAA")),
            NoKey::Rejected,
        ),
        (
            "unsigned",
            changed("/signatures", json!({})),
            NoKey::Rejected,
        ),
        (
            "expired",
            signed("a.test", &[1], &[], now() - 1000),
            NoKey::Absent,
        ),
        ("old", signed("a.test", &[2], &[1], until), NoKey::Absent),
        (
            "old and new",
            signed("a.test", &[1, 2], &[1], until),
            NoKey::Rejected,
        ),
        (
            "without a time",
            changed("/valid_until_ts", json!("soon")),
            NoKey::Absent,
        ),
        (
            "without keys",
            changed("/verify_keys", json!([])),
            NoKey::Absent,
        ),
    ]
}

#[tokio::test]
async fn what_the_server_itself_has_not_signed_is_no_key() {
    for (name, document, expected) in forged() {
        let asker = Asker::new().await;
        let answer = json!({ "server_keys": [document] }).to_string();
        asker.stub.answers(200, &answer);
        assert_eq!(asker.look_up("a.test", 1).await, Err(expected), "{name}");
        assert!(!asker.is_known("a.test", 1), "{name}");
        let result = expected.as_str();
        asker.counted(&format!(
            "vestibule_key_lookups_total{{result=\"{result}\"}} 1"
        ));
    }
}

#[tokio::test]
async fn of_many_documents_the_newest_are_read() {
    let asker = Asker::new().await;
    let until = now() + HOUR;
    let mut documents: Vec<_> = (2..30)
        .map(|number| signed("a.test", &[number], &[], now() - u64::from(number) * HOUR))
        .collect();
    documents.insert(7, signed("a.test", &[1], &[], until));
    documents.push(signed("b.test", &[3], &[], until));
    asker.stub.has("a.test", documents);
    assert_eq!(asker.look_up("a.test", 1).await, Ok(public(1)));
    asker.counted("vestibule_server_keys 1");
}

#[tokio::test]
async fn an_answer_that_is_none_says_nothing_of_the_server() {
    for (status, body) in [
        (200, "no JSON"),
        (200, "{}"),
        (200, r#"{"server_keys": [7]}"#),
        (404, r#"{"errcode": "M_UNRECOGNIZED"}"#),
        (500, ""),
    ] {
        let asker = Asker::new().await;
        asker.stub.answers(status, body);
        assert_eq!(
            asker.look_up("a.test", 1).await,
            Err(NoKey::Failed),
            "{status} {body}"
        );
        // Nor is it asked again at once.
        assert_eq!(
            asker.look_up("a.test", 1).await,
            Err(NoKey::Failed),
            "{status} {body}"
        );
        assert_eq!(asker.stub.lookups(), 1);
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    let asker = Asker::new().await;
    let mut document = signed("a.test", &[1], &[], now() + HOUR);
    document.insert("unsigned".to_owned(), "x".repeat(200 << 10).into());
    asker.stub.has("a.test", vec![document]);
    assert_eq!(asker.look_up("a.test", 1).await, Err(NoKey::Rejected));
}

#[tokio::test]
async fn a_homeserver_that_is_away_has_no_keys() {
    let mut asker = Asker::new().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = crate::upstream::Address::Socket(nobody.local_addr().unwrap());
    drop(nobody);
    asker.stub.homeserver = homeserver::homeserver(address);
    assert_eq!(asker.look_up("a.test", 1).await, Err(NoKey::Failed));
}

#[tokio::test]
async fn a_key_is_waited_for_as_long_as_is_configured() {
    let asker = Asker::with(|settings| settings.wait = Duration::from_millis(20)).await;
    asker.publishes("a.test", &[1], &[]);
    asker.stub.is_open.send_replace(false);
    assert_eq!(asker.look_up("a.test", 1).await, Err(NoKey::Late));
    asker.counted("vestibule_key_waits 0");
    // It goes on meanwhile.
    asker.stub.was_asked(1).await;
    asker.stub.is_open.send_replace(true);
    asker.landed().await;
    assert!(asker.is_known("a.test", 1));
}
