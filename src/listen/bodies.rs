//! What the proxy tells the connection about the request bodies that it waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Counts the request bodies that are awaited on one connection, and what has been taken of them.
///
/// HTTP/2 hides from the connection which streams still owe a body. The proxy says it here, and
/// the connection ends a client that owes one and sends none of it.
#[derive(Debug, Default)]
pub struct Bodies {
    pending: AtomicUsize,
    taken: AtomicU64,
}

impl Bodies {
    /// Notes that a request body is awaited until the returned guard is dropped.
    pub(super) fn pending(self: &Arc<Self>) -> PendingBody {
        self.pending.fetch_add(1, Ordering::Relaxed);
        PendingBody(Arc::clone(self))
    }

    /// Whether any body is awaited.
    pub(super) fn any(&self) -> bool {
        self.pending.load(Ordering::Relaxed) > 0
    }

    /// Notes that `bytes` of a body reached the proxy.
    ///
    /// What has arrived and was not taken waits for the upstream, and the client is not to blame.
    pub(super) fn received(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes of bodies that the proxy has taken since the connection began.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

/// A request body that is awaited. Drop it when some of it has come, or the request is over.
#[derive(Debug)]
pub(super) struct PendingBody(Arc<Bodies>);

impl Drop for PendingBody {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}
