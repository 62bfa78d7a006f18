//! Whether this process wants traffic.

use std::sync::atomic::{AtomicU8, Ordering};

/// What a load balancer should know of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadyState {
    /// The listeners are not all open yet.
    Starting,
    /// Requests are served.
    Ready,
    /// The process is stopping: requests end, new connections are not taken.
    Draining,
}

impl ReadyState {
    /// The word shown by `/readyz`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

/// The state, shared by who starts and stops the process and who tells of it.
/// It only moves forward: what drains never becomes ready again.
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

impl Readiness {
    /// Begins as [`ReadyState::Starting`].
    pub fn new() -> Self {
        Self(AtomicU8::new(STARTING))
    }

    /// All listeners are open. Without effect once draining has begun.
    pub fn set_ready(&self) {
        self.0.fetch_max(READY, Ordering::AcqRel);
    }

    /// The process has begun to stop.
    pub fn set_draining(&self) {
        self.0.fetch_max(DRAINING, Ordering::AcqRel);
    }

    /// The state now.
    pub fn state(&self) -> ReadyState {
        match self.0.load(Ordering::Acquire) {
            STARTING => ReadyState::Starting,
            READY => ReadyState::Ready,
            _ => ReadyState::Draining,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_forward_only() {
        let readiness = Readiness::new();
        assert_eq!(readiness.state(), ReadyState::Starting);
        readiness.set_ready();
        assert_eq!(readiness.state(), ReadyState::Ready);
        readiness.set_draining();
        readiness.set_ready();
        assert_eq!(readiness.state(), ReadyState::Draining);
    }
}
