//! How long to wait for a peer: a grace that waiting spends and bytes refill.

use std::time::{Duration, Instant};

/// The least that a peer must move once its grace is spent.
const BYTES_PER_SECOND: u64 = 1024;

/// A peer's credit. Waiting for it spends the credit, each KiB it moves pays a second back, up
/// to the grace. So a stall is ended after the grace, and a peer below 1 KiB/s soon after it.
///
/// Only time in which we wait for the peer counts, never time in which we do not ask.
#[derive(Debug)]
pub(super) struct Patience {
    grace: Duration,
    /// What waiting has cost, less what bytes have paid back.
    spent: Duration,
    waiting_since: Option<Instant>,
    seen: u64,
}

impl Patience {
    pub(super) fn new(grace: Duration) -> Self {
        Self {
            grace,
            spent: Duration::ZERO,
            waiting_since: None,
            seen: 0,
        }
    }

    /// Begins anew with full credit; `total` is what the peer has moved so far.
    pub(super) fn reset(&mut self, total: u64) {
        self.spent = Duration::ZERO;
        self.waiting_since = None;
        self.seen = total;
    }

    /// Notes that we wait for the peer, which has moved `total` bytes so far. Gives what credit
    /// is left; zero when it is spent.
    pub(super) fn wait(&mut self, now: Instant, total: u64) -> Duration {
        self.account(now, total);
        self.waiting_since = Some(now);
        self.grace.saturating_sub(self.spent)
    }

    /// Notes that we no longer wait.
    pub(super) fn stop(&mut self, now: Instant, total: u64) {
        self.account(now, total);
        self.waiting_since = None;
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.waiting_since.is_some()
    }

    fn account(&mut self, now: Instant, total: u64) {
        if let Some(since) = self.waiting_since {
            let waited = now.saturating_duration_since(since);
            self.spent = self.spent.saturating_add(waited);
        }
        let moved = total.saturating_sub(self.seen);
        self.seen = total;
        let refill = Duration::from_millis(moved.saturating_mul(1000) / BYTES_PER_SECOND);
        self.spent = self.spent.saturating_sub(refill);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    /// Seconds until a peer that moves `rate` bytes each second is given up, at most 1000.
    fn lasts(rate: u64) -> u64 {
        let start = Instant::now();
        let mut patience = Patience::new(GRACE);
        (0..1000)
            .find(|s| {
                patience
                    .wait(start + Duration::from_secs(*s), rate * s)
                    .is_zero()
            })
            .unwrap_or(1000)
    }

    #[test]
    fn ends_a_stall_after_the_grace_and_a_slow_peer_soon_after() {
        assert_eq!(lasts(0), 30);
        assert_eq!(lasts(512), 60);
        assert_eq!(lasts(1024), 1000);
        assert_eq!(lasts(1 << 20), 1000);
    }

    #[test]
    fn many_bytes_buy_no_more_than_the_grace() {
        let start = Instant::now();
        let mut patience = Patience::new(GRACE);
        patience.wait(start, 0);
        assert_eq!(patience.wait(start, 1 << 30), GRACE);
        assert!(patience.wait(start + GRACE, 1 << 30).is_zero());
    }

    #[test]
    fn time_without_asking_is_free() {
        let start = Instant::now();
        let mut patience = Patience::new(GRACE);
        patience.wait(start, 0);
        patience.stop(start + Duration::from_secs(1), 0);
        let later = start + Duration::from_secs(500);
        assert_eq!(patience.wait(later, 0), Duration::from_secs(29));
    }
}
