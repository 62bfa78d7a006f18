//! A request's turn at an upstream, and who waits for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

use super::Upstream;
use crate::matrix::worker::Group;

/// A request that counts at an upstream for as long as this lives.
#[derive(Debug)]
pub struct Turn {
    upstream: Arc<Upstream>,
    group: Group,
    queue: Arc<Queue>,
}

impl Turn {
    pub(super) fn new(upstream: Arc<Upstream>, group: Group, queue: &Arc<Queue>) -> Self {
        upstream.load.begin(group);
        let queue = queue.clone();
        Self {
            upstream,
            group,
            queue,
        }
    }

    /// The upstream.
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.upstream.load.end(self.group);
        if self.queue.length() > 0 {
            self.queue.freed.notify_one();
        }
    }
}

/// The requests of one group that wait for a turn, the first to come the first to go.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: AtomicU32,
    freed: Notify,
}

impl Queue {
    /// How many wait.
    pub fn length(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A place in the queue; `None` where `most` wait already.
    pub fn join(self: &Arc<Self>, most: u32) -> Option<PlaceInQueue> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= most {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(PlaceInQueue(self.clone()))
    }
}

/// A place in a queue, given up when dropped.
#[derive(Debug)]
pub struct PlaceInQueue(Arc<Queue>);

impl PlaceInQueue {
    /// Ends when a turn may be free. A turn that ended since the last wait is not missed.
    pub async fn turn(&self) {
        self.0.freed.notified().await;
    }
}

impl Drop for PlaceInQueue {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        // Whoever leaves may have been the one that was told.
        if self.0.length() > 0 {
            self.0.freed.notify_one();
        }
    }
}
