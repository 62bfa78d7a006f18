//! Contents of files that are looked at from time to time.

/// Tells new contents from those that are known, once nobody writes to them any more. Contents are
/// known by a fingerprint.
#[derive(Debug)]
pub struct Settling {
    judged: u64,
    /// Of contents that were seen once. They count when they are the same at the next look: files
    /// that belong together are written one after the other.
    fresh: Option<u64>,
}

impl Settling {
    /// What was `found` first is known.
    pub fn new(found: u64) -> Self {
        Self {
            judged: found,
            fresh: None,
        }
    }

    /// Whether what is `found` now is new, and the same as at the last look. True once for each.
    pub fn has_changed(&mut self, found: u64) -> bool {
        if found == self.judged {
            self.fresh = None;
            return false;
        }
        if self.fresh.replace(found) != Some(found) {
            return false;
        }
        *self = Self::new(found);
        true
    }
}
