//! The signing keys of a server (server-server API, "Retrieving server keys").

use base64::Engine;
use serde_json::Value;

use super::fault;
use super::findings::{Findings, Ledger, Names};
use super::http::Answer;
use super::report::Connection;
use super::text::printable;
use crate::matrix::BASE64;
use crate::matrix::canonical_json::canonical;
use crate::matrix::signature::{UnsoundKey, VerifyKey};

const HOUR: i64 = 3600 * 1000;
/// For so long others treat keys as valid at most.
const WEEK: i64 = 7 * 24 * HOUR;
/// Most keys that are looked at.
const MOST_KEYS: usize = 20;

/// Whose keys are wanted, and when.
pub(super) struct Asking<'a> {
    pub(super) server_name: &'a str,
    /// Seconds since 1970.
    pub(super) now: i64,
    pub(super) names: &'a Names,
}

/// Judges what one address answered, and notes the keys in its part of the report.
pub(super) fn judge(answer: &Answer, asking: &Asking<'_>, connection: &mut Connection) -> Findings {
    let mut findings = Findings::default();
    let at = &*connection.address.clone();
    let mut ledger = Ledger {
        at,
        names: asking.names,
        findings: &mut findings,
    };
    let Some(document) = answer.json() else {
        let summary = answer.summary();
        let seen = format!("{at} answers {summary} to GET /_matrix/key/v2/server");
        ledger.add(&fault::KEY_JSON, seen);
        return findings;
    };
    connection.keys_document = Some(Value::Object(document.clone()));
    let own = document.get("server_name").and_then(Value::as_str);
    connection.keys_server_name = own.map(printable);
    if own != Some(asking.server_name) {
        let own = printable(own.unwrap_or("no server"));
        ledger.add(
            &fault::KEY_SERVER_NAME,
            format!("{at} has the keys of {own}"),
        );
        return findings;
    }
    judge_keys(&document, asking.server_name, connection, &mut ledger);
    judge_time(&document, asking.now, connection, &mut ledger);
    findings
}

fn judge_keys(
    document: &serde_json::Map<String, Value>,
    server_name: &str,
    connection: &mut Connection,
    ledger: &mut Ledger<'_>,
) {
    let at = ledger.at;
    let mut signed = document.clone();
    signed.remove("signatures");
    signed.remove("unsigned");
    let message = canonical(&Value::Object(signed));
    let nothing = serde_json::Map::new();
    let keys = document
        .get("verify_keys")
        .and_then(Value::as_object)
        .unwrap_or(&nothing);
    let signatures = document
        .get("signatures")
        .and_then(|all| all.get(server_name));
    let ed25519 = keys
        .iter()
        .filter(|(id, _)| id.starts_with("ed25519:"))
        .take(MOST_KEYS);
    let mut count = 0;
    for (id, value) in ed25519 {
        count += 1;
        let shown = printable(id);
        let text = value.get("key").and_then(Value::as_str).unwrap_or_default();
        connection.keys.insert(shown.clone(), printable(text));
        let key = match sound_key(text) {
            Ok(key) => key,
            Err(UnsoundKey::Point) => {
                let seen = format!("{shown} at {at} is no sound key");
                ledger.add(&fault::KEY_POINT, seen);
                connection.key_signatures.insert(shown, false);
                continue;
            }
            Err(UnsoundKey::Banned) => {
                ledger.add(&fault::KEY_BANNED, format!("{shown} at {at}"));
                continue;
            }
        };
        let signature = signatures
            .and_then(|own| own.get(id))
            .and_then(Value::as_str);
        let is_signed = signature
            .and_then(|text| BASE64.decode(text).ok()?.try_into().ok())
            .is_some_and(|signature| key.verifies(message.as_bytes(), &signature));
        if !is_signed {
            let seen = format!("{shown} at {at} does not sign the document that it stands in");
            ledger.add(&fault::KEY_SIGNATURE, seen);
        }
        connection.key_signatures.insert(shown, is_signed);
    }
    if count == 0 {
        ledger.add(
            &fault::KEY_NONE,
            format!("{at} publishes no key `ed25519:...`"),
        );
    }
}

fn sound_key(text: &str) -> Result<VerifyKey, UnsoundKey> {
    let bytes = BASE64.decode(text).map_err(|_| UnsoundKey::Point)?;
    VerifyKey::new(&bytes.try_into().map_err(|_| UnsoundKey::Point)?)
}

fn judge_time(
    document: &serde_json::Map<String, Value>,
    now: i64,
    connection: &mut Connection,
    ledger: &mut Ledger<'_>,
) {
    let at = ledger.at;
    let until = document
        .get("valid_until_ts")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    connection.keys_valid_until = Some(until);
    let left = until.saturating_sub(now.saturating_mul(1000));
    let hours = |left: i64| left.abs() / HOUR;
    if left <= 0 {
        let seen = format!("the keys at {at} expired {} h ago", hours(left));
        ledger.add(&fault::KEY_EXPIRED, seen);
    } else if left < HOUR {
        let seen = format!("the keys at {at} expire in {} minutes", left / 60_000);
        ledger.add(&fault::KEY_EXPIRING, seen);
    } else if left > WEEK {
        let seen = format!("the keys at {at} are valid for {} days", hours(left) / 24);
        ledger.add(&fault::KEY_LONG, seen);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::federation::signing::SigningKey;
    use crate::message::Fields;

    const NOW: i64 = 1_800_000_000;

    fn judged(document: &Value) -> Vec<String> {
        let answer = Answer {
            status: 200,
            fields: Fields::default(),
            body: Bytes::from(document.to_string()),
        };
        let mut connection = Connection::default();
        let names = Names::new("a.test");
        let asking = Asking {
            server_name: "a.test",
            now: NOW,
            names: &names,
        };
        judge(&answer, &asking, &mut connection)
            .into_sorted()
            .into_iter()
            .map(|finding| finding.id)
            .collect()
    }

    /// A document with one key that signs it.
    fn document(until: i64) -> Value {
        let key =
            SigningKey::parse("ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1").unwrap();
        let mut document = json!({
            "server_name": "a.test",
            "valid_until_ts": until,
            "verify_keys": { "ed25519:1": { "key": key.public() } },
            "old_verify_keys": {},
        });
        let signature = key.sign(&canonical(&document));
        document["signatures"] = json!({ "a.test": { "ed25519:1": signature } });
        document
    }

    #[test]
    fn a_good_document_has_no_fault() {
        assert!(judged(&document((NOW + 86_400) * 1000)).is_empty());
    }

    #[test]
    fn each_fault_has_its_name() {
        assert_eq!(judged(&document((NOW - 7200) * 1000)), ["key.expired"]);
        assert_eq!(judged(&document((NOW + 60) * 1000)), ["key.expiring"]);
        assert_eq!(judged(&document((NOW + 30 * 86_400) * 1000)), ["key.long"]);
        let good = document((NOW + 86_400) * 1000);
        let changed = |pointer: &str, value: Value| {
            let mut changed = good.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            judged(&changed)
        };
        assert_eq!(
            changed("/server_name", json!("b.test")),
            ["key.server_name"]
        );
        assert_eq!(
            changed("/old_verify_keys", json!({"x": 1})),
            ["key.signature"]
        );
        assert_eq!(changed("/verify_keys", json!({})), ["key.none"]);
        assert_eq!(
            changed("/verify_keys/ed25519:1/key", json!("AAAA")),
            ["key.point"]
        );
        let zero = BASE64.encode([0; 32]);
        assert_eq!(
            changed("/verify_keys/ed25519:1/key", json!(zero)),
            ["key.point"]
        );
        let banned = "l/O9hxMVKB6Lg+3Hqf0FQQZhVESQcMzbPN1Cz2nM3og=";
        let banned = changed("/verify_keys/ed25519:1/key", json!(banned));
        assert_eq!(banned, ["key.banned"]);
        assert_eq!(judged(&json!([])), ["key.json"]);
    }
}
