//! How the keys of other servers are had.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::diagnostic::Diagnostic;
use crate::config::section::Section;
use crate::config::span::Spanned;
use crate::config::value::{Count, InvalidValue, Timeout, text_value};
use crate::matrix::signature::{UnsoundKey, VerifyKey};
use crate::matrix::{BASE64, ServerName};

/// How the keys of other servers are had, by which their requests are verified. The site's own
/// homeserver is asked for them; nothing goes out from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Keys {
    /// Keys that are remembered; each takes about 500 bytes. Most servers have one.
    pub remembered: Count,
    /// Lookups under way at the same time. One client address has an eighth of them at most, and a
    /// quarter is for servers of which keys are known.
    pub lookups: Count,
    /// Lookups a minute for one IPv4 address or one IPv6 /64 network, for servers whose key is not
    /// known. Beyond it the key stays unknown.
    pub lookups_per_address: Count,
    /// Lookups for one of these at once, after a time without any.
    pub burst_per_address: Count,
    /// How long a request waits for a key with `signatures = "enforce"`.
    pub wait: Timeout,
}

/// A key of a server that is known from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PinnedKey {
    /// The server name. All keys of it have to be written here.
    #[schemars(example = "partner.example")]
    pub origin: Spanned<ServerName>,
    /// The id of the key.
    #[schemars(example = "ed25519:a_XyZ1")]
    pub key_id: KeyId,
    /// The key, as the server publishes it.
    #[schemars(example = "6yhHGKhCiXTSEN2ksjV7kX/N6rBQZ3Xb+M7LlC6NS+s")]
    pub key: PublicKey,
}

/// The id of a signing key: `ed25519:` and a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyId(Box<str>);

/// A public key that proves something, in unpadded base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyKey);

impl Default for Keys {
    fn default() -> Self {
        Self {
            remembered: Count::new(65_536),
            lookups: Count::new(32),
            lookups_per_address: Count::new(20),
            burst_per_address: Count::new(60),
            wait: Timeout::seconds(10),
        }
    }
}

impl Keys {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let keys = Self {
            remembered: section.or("remembered", default.remembered),
            lookups: section.or("lookups", default.lookups),
            lookups_per_address: section.or("lookups_per_address", default.lookups_per_address),
            burst_per_address: section.or("burst_per_address", default.burst_per_address),
            wait: section.or("wait", default.wait),
        };
        section.finish();
        keys
    }
}

impl PinnedKey {
    pub(super) fn read_all(federation: &mut Section<'_>) -> Vec<Self> {
        let pinned = federation.tables("pinned_keys", Self::read);
        let pinned = pinned.unwrap_or_default();
        for (position, one) in pinned.iter().enumerate() {
            let mut before = pinned.iter().take(position);
            if before.any(|other| *other.origin == *one.origin && other.key_id == one.key_id) {
                let message = format!("{} of \"{}\" is written twice", one.key_id, *one.origin);
                let problem = Diagnostic::new(message, one.origin.span());
                let problem = problem.help("write one key for each `key_id` of a server");
                federation.report().add(problem);
            }
        }
        pinned
    }

    fn read(mut section: Section<'_>) -> Option<Self> {
        let origin = section.required("origin", "origin = \"partner.example\"");
        let key_id = section.required("key_id", "key_id = \"ed25519:a_XyZ1\"");
        let key = section.required("key", "key = \"the key in base64\"");
        section.finish();
        Some(Self {
            origin: origin?,
            key_id: key_id?,
            key: key?,
        })
    }
}

impl KeyId {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | ',');
        let version = text.strip_prefix("ed25519:").unwrap_or_default();
        if version.is_empty() || text.len() > 128 || !version.chars().all(is_plain) {
            let message = format!("{text:?} is not the id of a signing key");
            let help = "write \"ed25519:\" and the version, as the server publishes it";
            return Err(InvalidValue::new(message, help));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(KeyId, "KeyId", "ed25519:version", "the id of a signing key");

impl PublicKey {
    /// The key itself.
    pub fn verify_key(&self) -> &VerifyKey {
        &self.0
    }
}

impl FromStr for PublicKey {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let bytes = BASE64.decode(text).ok();
        let Some(bytes) = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) else {
            return Err(InvalidValue::new(
                format!("{text:?} is not an Ed25519 public key"),
                "write the 32 bytes in base64, as `verify_keys` of the server's \
                 /_matrix/key/v2/server has them",
            ));
        };
        VerifyKey::new(&bytes).map(Self).map_err(|reason| {
            let help = match reason {
                UnsoundKey::Point => "whoever has this key can be anybody: write the server's own",
                UnsoundKey::Banned => "the server has to make a new key, and use that one",
            };
            InvalidValue::new(format!("{text:?} proves nothing: {reason}"), help)
        })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0.as_bytes()))
    }
}

text_value!(
    PublicKey,
    "PublicKey",
    "base64",
    "an Ed25519 public key in base64"
);
