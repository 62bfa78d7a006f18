//! The document by which a server publishes its keys (server-server API, "Publishing Keys").

use base64::Engine as _;
use serde_json::{Map, Value};

use super::BASE64;
use super::canonical_json::canonical;
use super::signature::{UnsoundKey, VerifyKey};

/// A document in which a server publishes its keys. None of them has been looked at.
#[derive(Debug)]
pub struct KeyDocument<'a> {
    document: &'a Map<String, Value>,
    signatures: Option<&'a Value>,
    /// What the signatures are of.
    signed: String,
}

/// Why a key proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is no key that proves anything.
    #[error(transparent)]
    Unsound(#[from] UnsoundKey),
    /// It does not sign the document: whoever wrote that need not have its private half.
    #[error("it does not sign the document that it stands in")]
    Unsigned,
}

impl<'a> KeyDocument<'a> {
    /// The document, where it says to be of `server_name`.
    pub fn new(document: &'a Map<String, Value>, server_name: &str) -> Option<Self> {
        let own = document.get("server_name").and_then(Value::as_str);
        if own != Some(server_name) {
            return None;
        }
        let mut signed = document.clone();
        signed.remove("signatures");
        signed.remove("unsigned");
        Some(Self {
            document,
            signatures: document
                .get("signatures")
                .and_then(|all| all.get(server_name)),
            signed: canonical(&Value::Object(signed)),
        })
    }

    /// Until when its keys are valid, in milliseconds since 1970; 0 where it does not say.
    pub fn valid_until(&self) -> u64 {
        let until = self.document.get("valid_until_ts").and_then(Value::as_u64);
        until.unwrap_or(0)
    }

    /// The ids of the ed25519 keys that it has.
    pub fn key_ids(&self) -> impl Iterator<Item = &'a str> {
        let keys = self.document.get("verify_keys").and_then(Value::as_object);
        let ids = keys.into_iter().flat_map(Map::keys).map(String::as_str);
        ids.filter(|id| id.starts_with("ed25519:"))
    }

    /// A key as it is written; empty where it is not there.
    pub fn text(&self, id: &str) -> &'a str {
        let keys = self.document.get("verify_keys");
        let key = keys.and_then(|keys| keys.get(id)?.get("key")?.as_str());
        key.unwrap_or_default()
    }

    /// The key of this id, where it is sound and signs the document.
    pub fn key(&self, id: &str) -> Result<VerifyKey, Unusable> {
        let bytes: Option<[u8; 32]> = decoded(self.text(id));
        let key = VerifyKey::new(&bytes.ok_or(UnsoundKey::Point)?)?;
        let signature = self.signatures.and_then(|own| own.get(id)?.as_str());
        let signature: Option<[u8; 64]> = signature.and_then(decoded);
        match signature {
            Some(signature) if key.verifies(self.signed.as_bytes(), &signature) => Ok(key),
            _ => Err(Unusable::Unsigned),
        }
    }

    /// Whether the server says to use this key no more: it signs no request then.
    pub fn is_old(&self, id: &str) -> bool {
        let old = self.document.get("old_verify_keys");
        old.is_some_and(|old| old.get(id).is_some())
    }
}

fn decoded<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    BASE64.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};
    use serde_json::json;

    use super::*;

    fn signing_key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    /// A document of `a.test` with the key 1, which signs it.
    fn document() -> Value {
        let key = signing_key(1);
        let mut document = json!({
            "server_name": "a.test",
            "valid_until_ts": 1_800_000_000_000_u64,
            "verify_keys": { "ed25519:1": { "key": BASE64.encode(key.verifying_key().as_bytes()) } },
            "old_verify_keys": { "ed25519:0": { "key": "", "expired_ts": 1 } },
        });
        let signature = key.sign(canonical(&document).as_bytes()).to_bytes();
        document["signatures"] = json!({
            "a.test": { "ed25519:1": BASE64.encode(signature) },
            "notary.test": { "ed25519:x": "AAAA" },
        });
        document["unsigned"] = json!({ "age": 1 });
        document
    }

    fn key(document: &Value, id: &str) -> Result<VerifyKey, Unusable> {
        let document = document.as_object().unwrap();
        KeyDocument::new(document, "a.test").unwrap().key(id)
    }

    #[test]
    fn a_document_that_a_server_has_signed_has_its_keys() {
        let document = document();
        let expected = *signing_key(1).verifying_key().as_bytes();
        assert_eq!(key(&document, "ed25519:1").unwrap().as_bytes(), &expected);
        let read = KeyDocument::new(document.as_object().unwrap(), "a.test").unwrap();
        assert_eq!(read.valid_until(), 1_800_000_000_000);
        assert_eq!(read.key_ids().collect::<Vec<_>>(), ["ed25519:1"]);
        assert!(read.is_old("ed25519:0") && !read.is_old("ed25519:1"));
        assert_eq!(read.text("ed25519:2"), "");
        for other in ["A.test", "b.test", "a.test:8448"] {
            assert!(KeyDocument::new(document.as_object().unwrap(), other).is_none());
        }
    }

    #[test]
    fn whatever_was_changed_the_key_is_not_believed() {
        let point = Err(Unusable::Unsound(UnsoundKey::Point));
        let other = BASE64.encode(signing_key(2).verifying_key().as_bytes());
        let banned = "l/O9hxMVKB6Lg+3Hqf0FQQZhVESQcMzbPN1Cz2nM3og";
        for (pointer, value, expected) in [
            ("/valid_until_ts", json!(1), Err(Unusable::Unsigned)),
            ("/old_verify_keys", json!({}), Err(Unusable::Unsigned)),
            ("/signatures", json!({}), Err(Unusable::Unsigned)),
            ("/signatures/a.test", json!([]), Err(Unusable::Unsigned)),
            (
                "/signatures/a.test/ed25519:1",
                json!("AAAA"),
                Err(Unusable::Unsigned),
            ),
            (
                "/verify_keys/ed25519:1/key",
                json!(other),
                Err(Unusable::Unsigned),
            ),
            ("/verify_keys/ed25519:1/key", json!("AAAA"), point.clone()),
            ("/verify_keys/ed25519:1/key", json!(7), point.clone()),
            (
                "/verify_keys/ed25519:1/key",
                json!(BASE64.encode([0; 32])),
                point.clone(),
            ),
            (
                "/verify_keys/ed25519:1/key",
                json!(banned),
                Err(Unusable::Unsound(UnsoundKey::Banned)),
            ),
            ("/verify_keys", json!("x"), point),
        ] {
            let mut changed = document();
            *changed.pointer_mut(pointer).unwrap() = value.clone();
            assert_eq!(key(&changed, "ed25519:1"), expected, "{pointer} {value}");
        }
    }

    #[test]
    fn a_key_beside_one_that_signs_has_to_sign_as_well() {
        let mut document = document();
        let other = BASE64.encode(signing_key(2).verifying_key().as_bytes());
        document["verify_keys"]["ed25519:2"] = json!({ "key": other });
        document["signatures"] = json!({});
        let mut signed = document.clone();
        signed.as_object_mut().unwrap().remove("signatures");
        signed.as_object_mut().unwrap().remove("unsigned");
        let signature = signing_key(1)
            .sign(canonical(&signed).as_bytes())
            .to_bytes();
        document["signatures"] = json!({ "a.test": { "ed25519:1": BASE64.encode(signature) } });
        assert!(key(&document, "ed25519:1").is_ok());
        assert_eq!(key(&document, "ed25519:2"), Err(Unusable::Unsigned));
    }
}
