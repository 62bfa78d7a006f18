//! How many HTTP/2 streams a connection has open.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The open streams of one connection.
#[derive(Debug)]
pub(super) struct OpenStreams {
    count: AtomicUsize,
    /// When the last one ended; before the first, when the connection began.
    last_end: Mutex<Instant>,
}

impl OpenStreams {
    /// None is open yet.
    pub(super) fn new() -> Self {
        Self {
            count: AtomicUsize::new(0),
            last_end: Mutex::new(Instant::now()),
        }
    }

    /// Counts a stream until the guard is dropped.
    pub(super) fn open(self: &Arc<Self>) -> OpenStream {
        self.count.fetch_add(1, Ordering::Relaxed);
        OpenStream(Arc::clone(self))
    }

    pub(super) fn any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Since when no stream has been open.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let last_end = || *self.last_end.lock().unwrap_or_else(PoisonError::into_inner);
        (!self.any()).then(last_end)
    }
}

/// One open stream.
#[derive(Debug)]
pub(super) struct OpenStream(Arc<OpenStreams>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::Relaxed) == 1 {
            let mut last_end = self
                .0
                .last_end
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *last_end = Instant::now();
        }
    }
}
