//! How long a server is let be of which nothing new was found.

use super::NoKey;

const SECOND: u64 = 1000;
/// The longest pause.
const LONGEST: u64 = 600 * SECOND;
/// The longest of a server that has keys: it may have got another one meanwhile.
const LONGEST_OF_KNOWN: u64 = 60 * SECOND;
/// How long it is remembered how often nothing was found.
const REMEMBERED: u64 = 3600 * SECOND;

/// A time in which a server is not looked up. Times are milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    from: u64,
    until: u64,
    /// How often nothing was found in a row.
    times: u32,
    /// Why it is let be.
    pub(super) reason: NoKey,
}

impl Pause {
    /// The pause after a lookup that ended `now` for this `reason`; twice as long as the one
    /// before it.
    pub(super) fn after(reason: NoKey, has_keys: bool, before: Option<&Self>, now: u64) -> Self {
        let before = before.filter(|before| now.saturating_sub(before.until) < REMEMBERED);
        let times = before.map_or(0, |before| before.times.saturating_add(1));
        let (first, longest) = match reason {
            // It says nothing of the server, and the homeserver may be back soon.
            NoKey::Failed => (5 * SECOND, 5 * SECOND),
            // The homeserver goes on asking, and may have the key by then.
            NoKey::Late => (15 * SECOND, LONGEST),
            NoKey::Absent | NoKey::Rejected | NoKey::Address | NoKey::Busy | NoKey::NotPinned => {
                (60 * SECOND, LONGEST)
            }
        };
        let (first, longest) = if has_keys {
            (first.min(15 * SECOND), longest.min(LONGEST_OF_KNOWN))
        } else {
            (first, longest)
        };
        let length = first.saturating_mul(1 << times.min(10)).min(longest);
        Self {
            from: now,
            until: now.saturating_add(length),
            times,
            reason,
        }
    }

    /// Whether it lasts. A clock that was set back ends it.
    pub(super) fn holds(&self, now: u64) -> bool {
        (self.from..self.until).contains(&now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds of pauses that follow each other at once.
    fn lengths(reason: NoKey, has_keys: bool) -> Vec<u64> {
        let mut before: Option<Pause> = None;
        let mut now = 1_000_000;
        let mut lengths = Vec::new();
        for _ in 0..6 {
            let pause = Pause::after(reason, has_keys, before.as_ref(), now);
            lengths.push((pause.until - now) / SECOND);
            now = pause.until;
            before = Some(pause);
        }
        lengths
    }

    #[test]
    fn pauses_grow_and_those_of_known_servers_are_short() {
        for (reason, has_keys, expected) in [
            (NoKey::Absent, false, [60, 120, 240, 480, 600, 600]),
            (NoKey::Rejected, false, [60, 120, 240, 480, 600, 600]),
            (NoKey::Late, false, [15, 30, 60, 120, 240, 480]),
            (NoKey::Failed, false, [5; 6]),
            (NoKey::Absent, true, [15, 30, 60, 60, 60, 60]),
            (NoKey::Failed, true, [5; 6]),
        ] {
            assert_eq!(lengths(reason, has_keys), expected, "{reason:?} {has_keys}");
        }
    }

    #[test]
    fn a_pause_ends_and_is_forgotten() {
        let now = 1_000_000_000;
        let first = Pause::after(NoKey::Absent, false, None, now);
        assert!(first.holds(now) && first.holds(now + 59_999));
        assert!(!first.holds(now + 60_000) && !first.holds(now - 1));
        let later = now + 60_000 + REMEMBERED;
        let again = Pause::after(NoKey::Absent, false, Some(&first), later);
        assert_eq!(again.until, later + 60_000);
    }
}
