//! Keys that are configured.

use std::collections::HashMap;

use crate::matrix::ServerName;
use crate::matrix::signature::VerifyKey;

/// Keys of servers that are known from elsewhere. They are never looked up and do not expire, and
/// no other key of such a server counts.
#[derive(Clone, Debug, Default)]
pub struct PinnedKeys(HashMap<ServerName, Pinned>);

/// Those of one server.
#[derive(Clone, Debug, Default)]
pub(super) struct Pinned(Vec<(Box<str>, VerifyKey)>);

impl PinnedKeys {
    /// Adds a key of a server.
    pub fn add(&mut self, origin: ServerName, key_id: &str, key: VerifyKey) {
        let pinned = self.0.entry(origin).or_default();
        pinned.0.push((key_id.into(), key));
    }

    /// Those of a server, however its name is written; `None` where it has none.
    pub(super) fn of(&self, origin: &ServerName) -> Option<&Pinned> {
        // Most configurations have none.
        if self.0.is_empty() {
            return None;
        }
        self.0.get(origin)
    }
}

impl Pinned {
    /// The key of this id.
    pub(super) fn key(&self, key_id: &str) -> Option<VerifyKey> {
        let mut keys = self.0.iter();
        let (_, key) = keys.find(|(id, _)| **id == *key_id)?;
        Some(key.clone())
    }
}
