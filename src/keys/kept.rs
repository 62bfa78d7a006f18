//! What is remembered of one server.

use std::cmp::Reverse;

use crate::matrix::server_keys::KeyDocument;
use crate::matrix::signature::VerifyKey;

const MINUTE: u64 = 60 * 1000;
/// For how long a key counts at most after it was looked up (server-server API, "Publishing
/// Keys").
const LONGEST: u64 = 7 * 24 * 60 * MINUTE;
/// From one question for a newer document to the next that nothing but the time calls for.
const BETWEEN: u64 = 10 * MINUTE;
/// Keys of one server. Most have one.
const MOST_KEYS: usize = 8;

/// The keys of one server. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept(Vec<KeptKey>);

/// A key, and how long it counts.
#[derive(Clone, Debug)]
pub(super) struct KeptKey {
    id: Box<str>,
    pub(super) key: VerifyKey,
    /// As the document says that it stands in.
    pub(super) published_until: u64,
    /// As it counts here.
    until: u64,
    /// When it was last asked for.
    asked: u64,
}

impl KeptKey {
    /// Whether it is time to ask for a newer document: half of the time is over.
    pub(super) fn is_due(&self, now: u64) -> bool {
        let half = self.until.saturating_sub(self.asked) / 2;
        now >= self.asked.saturating_add(half.max(BETWEEN))
    }

    /// Whether it may be asked for again, where there is a reason to.
    pub(super) fn may_be_asked(&self, now: u64) -> bool {
        now >= self.asked.saturating_add(MINUTE)
    }
}

impl Kept {
    /// How many keys there are, those that have expired among them.
    pub(super) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// A key that counts now.
    pub(super) fn key(&self, id: &str, now: u64) -> Option<&KeptKey> {
        let mut keys = self.0.iter();
        keys.find(|key| *key.id == *id && now <= key.until)
    }

    /// What is known after a question for the key `wanted` that brought `documents` of the server.
    ///
    /// A key that signs its document counts. What an older document says changes nothing of what
    /// a newer one has said.
    #[must_use]
    pub(super) fn with(&self, documents: &[KeyDocument<'_>], wanted: &str, now: u64) -> Self {
        let mut kept = self.clone();
        for document in documents {
            kept.read(document, wanted, now);
        }
        let keys = &mut kept.0;
        for key in keys.iter_mut().filter(|key| *key.id == *wanted) {
            key.asked = now;
        }
        keys.sort_by_key(|key| (*key.id != *wanted, Reverse(key.published_until)));
        keys.truncate(MOST_KEYS);
        kept
    }

    fn read(&mut self, document: &KeyDocument<'_>, wanted: &str, now: u64) {
        let published_until = document.valid_until();
        if published_until < now {
            return;
        }
        let is_wanted = |id: &&str| *id == wanted;
        let others = document.key_ids().filter(|id| *id != wanted);
        let ids = document.key_ids().filter(is_wanted).take(1).chain(others);
        let mut is_signed = false;
        for id in ids.take(MOST_KEYS) {
            let Ok(key) = document.key(id) else {
                continue;
            };
            is_signed = true;
            if document.is_old(id) {
                continue;
            }
            self.put(KeptKey {
                id: id.into(),
                key,
                published_until,
                until: published_until.min(now.saturating_add(LONGEST)),
                asked: now,
            });
        }
        if is_signed {
            self.0
                .retain(|key| key.published_until > published_until || !document.is_old(&key.id));
        }
    }

    fn put(&mut self, new: KeptKey) {
        match self.0.iter_mut().find(|known| known.id == new.id) {
            Some(known) if known.published_until > new.published_until => {}
            Some(known) => *known = new,
            None => self.0.push(new),
        }
    }
}

#[cfg(test)]
mod tests;
