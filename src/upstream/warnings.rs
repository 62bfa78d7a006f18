//! One warning a second is enough: an upstream that is down fails every
//! request, and the access log and the metrics have each of them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The least time between two warnings about one upstream.
const PAUSE: Duration = Duration::from_secs(1);

/// When an upstream was last warned about.
#[derive(Debug, Default)]
pub struct Warnings(Mutex<Option<Instant>>);

impl Warnings {
    /// Whether it is time for another warning.
    pub fn is_due(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warns_once_a_second() {
        let (warnings, start) = (Warnings::default(), Instant::now());
        let after = |ms| start + Duration::from_millis(ms);
        let due = [0, 10, 999, 1000, 1500, 2000].map(|ms| warnings.is_due(after(ms)));
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
