//! How long a connection may have nothing to do.

use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::alarm::Alarm;

/// Ends a connection that has had nothing to do for too long. One timer serves many waits: it is
/// set anew only when it fires, and finds that there was something to do meanwhile.
#[derive(Debug, Default)]
pub(super) struct Idle(Alarm);

impl Idle {
    /// Ready when there has been nothing to do for `limit`, where `since` is when that began; none
    /// while there is something.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        since: Option<Instant>,
        limit: Duration,
    ) -> Poll<()> {
        loop {
            let idle = since.map_or(Duration::ZERO, |since| since.elapsed());
            let left = limit.saturating_sub(idle);
            if left.is_zero() {
                return Poll::Ready(());
            }
            ready!(self.0.poll(cx, left));
        }
    }
}
