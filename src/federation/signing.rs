//! Signing requests in the name of a server (server-server API, "Request Authentication").

use std::fmt;
use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use serde_json::{Value, json};

use crate::matrix::BASE64;
use crate::matrix::canonical_json::canonical;

/// A server's own signing key.
pub struct SigningKey {
    id: String,
    pair: Ed25519KeyPair,
}

/// Why a file holds no signing key.
#[derive(Debug, thiserror::Error)]
pub enum UnusableKey {
    /// It cannot be read.
    #[error("cannot read it: {0}")]
    Read(#[from] std::io::Error),
    /// It has another form.
    #[error("it has no line `ed25519 VERSION SEED`, as Synapse writes it")]
    Malformed,
}

impl SigningKey {
    /// Reads a file as Synapse writes it (`signing_key_path`); its first key counts.
    pub fn read(path: &Path) -> Result<Self, UnusableKey> {
        Self::parse(&std::fs::read_to_string(path)?)
    }

    /// Reads `ed25519 VERSION SEED`.
    pub fn parse(text: &str) -> Result<Self, UnusableKey> {
        let mut lines = text.lines().map(str::split_whitespace);
        let found = lines.find_map(
            |mut words| match (words.next(), words.next(), words.next()) {
                (Some("ed25519"), Some(version), Some(seed)) => Some((version, seed)),
                _ => None,
            },
        );
        let (version, seed) = found.ok_or(UnusableKey::Malformed)?;
        let seed = BASE64.decode(seed).map_err(|_| UnusableKey::Malformed)?;
        let pair =
            Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| UnusableKey::Malformed)?;
        Ok(Self {
            id: format!("ed25519:{version}"),
            pair,
        })
    }

    /// Its id: `ed25519:a_abcd`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public half, in unpadded base64.
    pub fn public(&self) -> String {
        BASE64.encode(self.pair.public_key().as_ref())
    }

    /// Signs a text; the signature in unpadded base64.
    pub(super) fn sign(&self, text: &str) -> String {
        BASE64.encode(self.pair.sign(text.as_bytes()).as_ref())
    }

    /// The value of `Authorization` for a request of `server_name` to itself.
    pub(super) fn authorization(
        &self,
        server_name: &str,
        method: &str,
        target: &str,
        content: Option<&Value>,
    ) -> String {
        let mut signed = json!({
            "destination": server_name,
            "method": method,
            "origin": server_name,
            "uri": target,
        });
        if let (Some(content), Some(signed)) = (content, signed.as_object_mut()) {
            signed.insert("content".to_owned(), content.clone());
        }
        let signature = self.sign(&canonical(&signed));
        let id = &self.id;
        format!(
            "X-Matrix origin=\"{server_name}\",key=\"{id}\",sig=\"{signature}\",destination=\"{server_name}\""
        )
    }
}

/// The id only.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.id).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the specification's test vectors (appendices, "Cryptographic Test Vectors").
    const SEED: &str = "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1";

    #[test]
    fn signs_as_the_test_vectors_of_the_specification() {
        let key = SigningKey::parse(&format!("ed25519 1 {SEED}\n")).unwrap();
        assert_eq!(key.id(), "ed25519:1");
        assert_eq!(
            key.sign(&canonical(&json!({"one": 1, "two": "Two"}))),
            "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw"
        );
    }

    #[test]
    fn what_is_no_key_is_told() {
        for text in [
            "",
            "ed25519 a",
            "ed25519 a !!",
            "rsa 1 AAAA",
            "ed25519 a AAAA",
        ] {
            assert!(SigningKey::parse(text).is_err(), "{text}");
        }
    }
}
