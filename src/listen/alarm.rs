//! One timer that a polled stream arms only while it waits.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A timer of pingora's 10 ms wheel, armed at the first wait and kept until it fires.
#[derive(Default)]
pub(super) struct Alarm(Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>);

impl Alarm {
    /// Ready when the armed timer has fired. One that is not armed is armed for `after`.
    ///
    /// A timer may be older than the wait that polls it, so whoever it wakes looks at the clock.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, after: Duration) -> Poll<()> {
        let timer = self
            .0
            .get_or_insert_with(|| Box::pin(pingora_timeout::sleep(after)));
        let fired = timer.as_mut().poll(cx);
        if fired.is_ready() {
            self.0 = None;
        }
        fired
    }

    /// Drops the timer: what waits no more keeps none.
    pub(super) fn disarm(&mut self) {
        self.0 = None;
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Alarm").field(&self.0.is_some()).finish()
    }
}
