//! How many HTTP/2 streams a connection has open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// The open streams of one connection.
#[derive(Debug, Default)]
pub(super) struct OpenStreams {
    count: AtomicUsize,
    idle: Notify,
}

impl OpenStreams {
    /// Counts a stream until the guard is dropped.
    pub(super) fn open(self: &Arc<Self>) -> OpenStream {
        self.count.fetch_add(1, Ordering::Relaxed);
        OpenStream(Arc::clone(self))
    }

    pub(super) fn any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Ends when no stream has been open for `idle`. To be begun anew with every stream.
    pub(super) async fn idle_for(&self, idle: Duration) {
        while self.any() {
            self.idle.notified().await;
        }
        pingora_timeout::sleep(idle).await;
    }
}

/// One open stream.
#[derive(Debug)]
pub(super) struct OpenStream(Arc<OpenStreams>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.idle.notify_one();
        }
    }
}
