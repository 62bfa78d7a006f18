//! How long nothing may happen.

use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::alarm::Alarm;

/// Tells when nothing has happened for too long. One timer serves many waits: it is set anew only
/// when it fires, and finds that something happened meanwhile.
#[derive(Debug, Default)]
pub struct Idle(Alarm);

impl Idle {
    /// Ready when nothing has happened for `limit`, where `since` is when that began; none while
    /// something does.
    pub fn poll(
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
