//! How much an upstream has to do.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::matrix::worker::Group;

/// The requests in progress at one upstream, in all and of each group.
#[derive(Debug, Default)]
pub struct Load {
    total: AtomicU32,
    by_group: [AtomicU32; Group::ALL.len()],
}

impl Load {
    /// Requests in progress.
    pub fn total(&self) -> u32 {
        self.total.load(Ordering::Relaxed)
    }

    /// Requests of `group` in progress.
    pub fn of(&self, group: Group) -> u32 {
        self.by_group
            .get(group as usize)
            .map_or(0, |load| load.load(Ordering::Relaxed))
    }

    pub(super) fn begin(&self, group: Group) {
        self.total.fetch_add(1, Ordering::Relaxed);
        if let Some(load) = self.by_group.get(group as usize) {
            load.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn end(&self, group: Group) {
        self.total.fetch_sub(1, Ordering::Relaxed);
        if let Some(load) = self.by_group.get(group as usize) {
            load.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
