//! A server whose keys are asked for, and the documents that it publishes.

use base64::Engine as _;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Map, Value, json};

use crate::matrix::BASE64;
use crate::matrix::canonical_json::canonical;

fn signing_key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

/// The public key of this number; its id is `ed25519:` and the number.
pub(in crate::keys) fn public(number: u8) -> [u8; 32] {
    *signing_key(number).verifying_key().as_bytes()
}

/// What a server publishes.
#[derive(Clone, Debug)]
pub(in crate::keys) struct Published<'a> {
    pub(in crate::keys) server: &'a str,
    /// The numbers of its keys; each signs.
    pub(in crate::keys) keys: &'a [u8],
    /// The numbers of those that it had before.
    pub(in crate::keys) old: &'a [u8],
    /// Milliseconds since 1970.
    pub(in crate::keys) valid_until: u64,
}

impl Published<'_> {
    /// The document.
    pub(in crate::keys) fn document(&self) -> Map<String, Value> {
        let entry = |number: &u8| {
            let key = BASE64.encode(public(*number));
            let value = json!({ "key": key, "expired_ts": 1 });
            (format!("ed25519:{number}"), value)
        };
        let keys: Map<_, _> = self.keys.iter().map(entry).collect();
        let old: Map<_, _> = self.old.iter().map(entry).collect();
        let unsigned = json!({
            "server_name": self.server,
            "valid_until_ts": self.valid_until,
            "verify_keys": keys,
            "old_verify_keys": old,
        });
        let text = canonical(&unsigned);
        let sign = |number: &u8| {
            let signature = signing_key(*number).sign(text.as_bytes()).to_bytes();
            (
                format!("ed25519:{number}"),
                Value::from(BASE64.encode(signature)),
            )
        };
        let signatures: Map<_, _> = self.keys.iter().map(sign).collect();
        let mut document = unsigned.as_object().unwrap().clone();
        document.insert("signatures".to_owned(), json!({ self.server: signatures }));
        document
    }
}
