//! When a certificate is ordered: decisions over times alone.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::folder::Record;
use crate::listen::certificates::CertificateName;

/// What is waited after a failure, and after the next ones in a row. Let's Encrypt forgives five
/// failures of a name in an hour; here there are four.
const WAITS: [Duration; 8] = [
    Duration::minutes(1),
    Duration::minutes(5),
    Duration::minutes(15),
    Duration::minutes(30),
    Duration::hours(1),
    Duration::hours(2),
    Duration::hours(4),
    Duration::hours(6),
];

/// The same while the authority is not reached at all, which costs it nothing: at boot the network
/// may not be up yet.
const UNREACHED: [Duration; 2] = [Duration::seconds(10), Duration::seconds(30)];

/// The least that is waited once an authority said that it was asked too often.
const RATE_LIMITED: Duration = Duration::hours(1);

/// The most that an authority can make us wait: an error of its must not end in an expired
/// certificate.
const LONGEST_WAIT: Duration = Duration::days(7);

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from: OffsetDateTime,
    pub(super) until: OffsetDateTime,
}

/// When an authority wants a certificate to be renewed (RFC 9773).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Window {
    /// Unix time.
    pub(super) start: i64,
    /// Unix time.
    pub(super) end: i64,
}

/// Spreads names, and the certificates of a name, over time: a fraction in 0..1 that is the same
/// after a restart and in every process.
pub(super) fn fraction(of: impl Hash) -> f64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    // 32 bits fit into a float.
    let high = u32::try_from(hasher.finish() >> 32).unwrap_or_default();
    f64::from(high) / (f64::from(u32::MAX) + 1.0)
}

/// When a certificate is due for renewal: at a moment of the authority's window, else when two
/// thirds of its life are over, less up to a twentieth of it. `fraction` says which moment.
pub(super) fn renewal(validity: Validity, window: Option<Window>, fraction: f64) -> OffsetDateTime {
    let life = validity.until - validity.from;
    let own = validity.from + life * 2 / 3 - (life / 20) * fraction;
    let Some(window) = window else {
        return own;
    };
    let (start, end) = (at(window.start), at(window.end));
    // A window that ends before it begins, or begins when all is over, is no advice.
    if start >= end || start >= validity.until {
        return own;
    }
    (start + (end - start) * fraction).min(validity.until - life / 10)
}

/// When a name is ordered or renewed next; `None` for at once.
pub(super) fn next(
    name: &CertificateName,
    validity: Option<Validity>,
    record: &Record,
) -> Option<OffsetDateTime> {
    let due = validity.map(|validity| {
        let fraction = fraction((name, validity.until.unix_timestamp()));
        renewal(validity, record.window, fraction)
    });
    due.max(record.next_attempt.map(at))
}

/// A Unix time; one that is no time is long ago.
pub(super) fn at(unix: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(unix).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// What is known of a failure that says how soon to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// The authority was not reached.
    Unreached,
    /// It was asked too often.
    RateLimited,
    /// Anything else.
    Otherwise,
}

/// How long to wait after `failures` in a row, of which the last may have brought a wish of the
/// authority. `fraction` spreads by a tenth.
pub(super) fn wait(
    failures: u32,
    last: Failed,
    asked_for: Option<Duration>,
    fraction: f64,
) -> Duration {
    let step = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let own = WAITS.get(step.min(WAITS.len() - 1)).copied();
    let own = own.unwrap_or(RATE_LIMITED);
    let least = match last {
        Failed::Unreached => UNREACHED.get(step).copied().unwrap_or(own),
        Failed::RateLimited => own.max(RATE_LIMITED),
        Failed::Otherwise => own,
    };
    let asked_for = asked_for.unwrap_or_default().min(LONGEST_WAIT);
    let wait = least.max(asked_for);
    // Later, never earlier than the authority asked for.
    wait + wait * (fraction / 10.0)
}

/// How urgent a certificate is that could not be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// There is time.
    Calm,
    /// It ends within a tenth of its life.
    Soon,
    /// Clients refuse it, or there is none.
    Down,
}

/// How urgent it is at `now` to renew what is there.
pub(super) fn urgency(validity: Option<Validity>, now: OffsetDateTime) -> Urgency {
    let Some(validity) = validity else {
        return Urgency::Down;
    };
    let left = validity.until - now;
    if left <= Duration::ZERO {
        Urgency::Down
    } else if left < (validity.until - validity.from) / 10 {
        Urgency::Soon
    } else {
        Urgency::Calm
    }
}

#[cfg(test)]
mod tests {
    use super::Failed::{Otherwise, RateLimited, Unreached};
    use super::*;

    const DAY: i64 = 24 * 3600;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    fn validity(days: i64) -> Validity {
        Validity {
            from: at(0),
            until: at(days * DAY),
        }
    }

    #[test]
    fn renewal_is_at_two_thirds_or_when_the_authority_says() {
        let window = |start, end| {
            Some(Window {
                start: start * DAY,
                end: end * DAY,
            })
        };
        for (days, window, fraction, expected) in [
            (90, None, 0.0, 60.0),
            (90, None, 1.0, 55.5),
            // Six days, as of a profile for short lives.
            (6, None, 0.0, 4.0),
            (90, window(58, 60), 0.0, 58.0),
            (90, window(58, 60), 0.5, 59.0),
            // The authority revokes: the window has begun long ago.
            (90, window(-2, -1), 0.5, -1.5),
            // Never so late that one failure would be one too many.
            (90, window(80, 90), 1.0, 81.0),
            // No advice at all.
            (90, window(60, 58), 0.0, 60.0),
            (90, window(91, 92), 0.0, 60.0),
        ] {
            let expected = at(0) + Duration::days(1) * expected;
            let found = renewal(validity(days), window, fraction);
            assert_eq!(found, expected, "{days} days, {window:?}, {fraction}");
        }
    }

    #[test]
    fn waits_grow_and_never_undercut_the_authority() {
        let minutes = Duration::minutes;
        for (failures, last, asked_for, expected) in [
            (1, Otherwise, None, minutes(1)),
            (2, Otherwise, None, minutes(5)),
            (4, Otherwise, None, minutes(30)),
            (8, Otherwise, None, Duration::hours(6)),
            (1000, Otherwise, None, Duration::hours(6)),
            (1, Unreached, None, Duration::seconds(10)),
            (2, Unreached, None, Duration::seconds(30)),
            (3, Unreached, None, minutes(15)),
            (1, RateLimited, None, minutes(60)),
            (1, Otherwise, Some(minutes(3)), minutes(3)),
            (3, Otherwise, Some(minutes(3)), minutes(15)),
            (
                1,
                RateLimited,
                Some(Duration::hours(34)),
                Duration::hours(34),
            ),
            (1, RateLimited, Some(Duration::days(400)), Duration::days(7)),
        ] {
            let exact = wait(failures, last, asked_for, 0.0);
            assert_eq!(exact, expected, "{failures} {asked_for:?}");
            let spread = wait(failures, last, asked_for, 0.999);
            assert!(spread > expected && spread < expected * 1.1, "{spread}");
        }
    }

    #[test]
    fn no_more_than_five_failures_fall_into_an_hour() {
        let mut times = vec![Duration::ZERO];
        for failures in 1..20 {
            let last = *times.last().unwrap();
            times.push(last + wait(failures, Otherwise, None, 0.0));
        }
        for start in &times {
            let hour = *start..*start + Duration::hours(1);
            let count = times.iter().filter(|time| hour.contains(*time)).count();
            assert!(count <= 5, "{count} from {start}");
        }
    }

    #[test]
    fn urgency_rises_as_the_end_comes_near() {
        for (now, expected) in [
            (60 * DAY, Urgency::Calm),
            (81 * DAY, Urgency::Calm),
            (81 * DAY + 1, Urgency::Soon),
            (90 * DAY - 1, Urgency::Soon),
            (90 * DAY, Urgency::Down),
        ] {
            assert_eq!(urgency(Some(validity(90)), at(now)), expected, "{now}");
        }
        assert_eq!(urgency(None, at(0)), Urgency::Down);
    }

    #[test]
    fn names_are_spread_and_stay_where_they_are() {
        assert_eq!(fraction("a.test").to_bits(), fraction("a.test").to_bits());
        let low = (0..1000).filter(|n| fraction(n) < 0.5).count();
        assert!((400..600).contains(&low), "{low}");
        assert!((0..1000).all(|n| (0.0..1.0).contains(&fraction(n))));
    }
}
