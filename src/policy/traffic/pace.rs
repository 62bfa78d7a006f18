//! So much in a second, with some in advance: the generic cell rate algorithm.
//!
//! What comes too fast is told how long to wait, so a rate spreads requests and refuses only what
//! would have to wait for too long.

use std::collections::HashMap;
use std::time::Duration;

/// How many senders are remembered. Whoever else is too fast at the same time shares one place.
const MOST: usize = 16_384;
/// From one look for senders that can be forgotten to the next.
const SWEEP: Duration = Duration::from_secs(1);
/// The place of those for whom there is no room.
const OTHERS: u64 = 0;

/// How much in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Units a second; at least one.
    pub per_second: u64,
    /// Units at once, after a pause that was long enough.
    pub burst: u64,
}

/// The paces of many senders.
#[derive(Debug, Default)]
pub struct Pace {
    /// When a sender will have used up what it took so far.
    due: HashMap<u64, Duration>,
    swept: Duration,
}

impl Rate {
    /// How long `units` last.
    fn time_of(self, units: u64) -> Duration {
        let nanoseconds = u128::from(units) * 1_000_000_000 / u128::from(self.per_second.max(1));
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

impl Pace {
    /// Takes `units` for `sender` at `now`: how long to wait before they are used. `None`, and
    /// nothing is taken, where that is longer than `longest`.
    pub fn take(
        &mut self,
        sender: u64,
        (units, rate): (u64, Rate),
        now: Duration,
        longest: Duration,
    ) -> Option<Duration> {
        let place = self.place(sender, now);
        let due = self.due.get(&place).copied().unwrap_or(now).max(now);
        let cost = rate.time_of(units);
        // One unit at least passes after a pause, however small the burst.
        let ahead = rate.time_of(rate.burst).max(cost);
        let wait = (due + cost).saturating_sub(now + ahead);
        if wait > longest {
            return None;
        }
        if !cost.is_zero() {
            self.due.insert(place, due + cost);
        }
        Some(wait)
    }

    /// Takes what has been used already.
    pub fn charge(&mut self, sender: u64, (units, rate): (u64, Rate), now: Duration) {
        let place = self.place(sender, now);
        let due = self.due.entry(place).or_insert(now);
        *due = (*due).max(now).saturating_add(rate.time_of(units));
    }

    /// How many senders are remembered.
    pub fn senders(&self) -> usize {
        self.due.len()
    }

    /// Where a sender is kept. Those who have used up what they took are forgotten first.
    fn place(&mut self, sender: u64, now: Duration) -> u64 {
        if self.due.len() < MOST || self.due.contains_key(&sender) {
            return sender;
        }
        if now >= self.swept + SWEEP {
            self.swept = now;
            self.due.retain(|_, due| *due > now);
        }
        if self.due.len() < MOST {
            sender
        } else {
            OTHERS
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: Rate = Rate {
        per_second: 20,
        burst: 5,
    };
    const MINUTE: Duration = Duration::from_mins(1);

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn what_comes_at_once_is_spread_behind_the_burst() {
        let mut pace = Pace::default();
        let waits = (0..8).map(|_| pace.take(1, (1, RATE), at(0), MINUTE).unwrap());
        let expected = [0, 0, 0, 0, 0, 50, 100, 150].map(at);
        assert_eq!(waits.collect::<Vec<_>>(), expected);
        // Another is not concerned, and after a pause the burst is there again.
        assert_eq!(pace.take(2, (1, RATE), at(0), MINUTE), Some(at(0)));
        assert_eq!(pace.take(1, (1, RATE), at(400), MINUTE), Some(at(0)));
    }

    #[test]
    fn who_would_wait_for_too_long_takes_nothing() {
        let mut pace = Pace::default();
        for _ in 0..7 {
            assert!(pace.take(1, (1, RATE), at(0), at(100)).is_some());
        }
        for _ in 0..100 {
            assert_eq!(pace.take(1, (1, RATE), at(0), at(100)), None);
        }
        assert_eq!(pace.take(1, (1, RATE), at(50), at(100)), Some(at(100)));
    }

    #[test]
    fn bytes_are_paid_for_afterwards() {
        let rate = Rate {
            per_second: 1_000,
            burst: 2_000,
        };
        let mut pace = Pace::default();
        pace.charge(1, (5_000, rate), at(0));
        assert_eq!(pace.take(1, (0, rate), at(0), MINUTE), Some(at(3_000)));
        assert_eq!(pace.take(1, (0, rate), at(3_000), MINUTE), Some(at(0)));
    }

    #[test]
    fn senders_without_number_have_a_bounded_place() {
        let mut pace = Pace::default();
        for sender in 1..=3 * MOST as u64 {
            pace.charge(sender, (1_000, RATE), at(0));
        }
        assert_eq!(pace.senders(), MOST + 1);
        // Once they have paid they are forgotten.
        let later = at(2_000_000);
        assert_eq!(pace.take(99_999, (1, RATE), later, MINUTE), Some(at(0)));
        assert!(pace.senders() <= 2, "{}", pace.senders());
    }

    proptest! {
        #[test]
        fn no_more_passes_than_the_rate(gaps in prop::collection::vec(0u64..200, 1..200)) {
            let mut pace = Pace::default();
            let mut now = 0;
            let mut passed = Vec::new();
            for gap in gaps {
                now += gap;
                if let Some(wait) = pace.take(1, (1, RATE), at(now), at(500)) {
                    passed.push(at(now) + wait);
                }
            }
            for (index, from) in passed.iter().enumerate() {
                let second = passed[index..].iter().filter(|at| **at < *from + Duration::from_secs(1));
                prop_assert!(second.count() as u64 <= RATE.per_second + RATE.burst);
            }
        }
    }
}
