//! For how long Synapse keeps what it learnt from `.well-known` (its `well_known_resolver.py`).

use crate::message::Fields;

const HOUR: u64 = 3600;
/// Synapse keeps nothing for a shorter time.
const SHORTEST: u64 = 300;
/// And nothing for longer.
const LONGEST: u64 = 48 * HOUR;
/// Where nothing is said; give or take a tenth.
const USUAL: u64 = 24 * HOUR;
/// What is no document counts for so long; give or take a tenth.
pub(in crate::federation) const FAILURE: u64 = HOUR;

/// For how long, and what is odd about how that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::federation) struct Lifetime {
    pub(in crate::federation) seconds: u64,
    pub(in crate::federation) oddity: Option<Oddity>,
}

/// What an operator may not have meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::federation) enum Oddity {
    /// Less than five minutes were asked for.
    Short,
    /// `max-age` is no plain number, and is ignored.
    Unreadable,
    /// More than 48 hours were asked for.
    Long,
}

/// What Synapse computes from the fields of a good answer, at `now` (seconds since 1970).
pub(in crate::federation) fn lifetime(fields: &Fields, now: i64) -> Lifetime {
    let mut max_age = None;
    let mut may_store = true;
    for directive in fields
        .all("cache-control")
        .flat_map(|value| value.split(|byte| *byte == b','))
    {
        let text = String::from_utf8_lossy(directive);
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.trim().to_owned())),
            None => (&*text, None),
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" => may_store = false,
            "max-age" => max_age = value,
            _ => {}
        }
    }
    if !may_store {
        return bounded(0);
    }
    let mut is_unreadable = false;
    if let Some(max_age) = max_age.filter(|text| !text.is_empty()) {
        match max_age.parse::<i64>() {
            Ok(seconds) => return bounded(seconds),
            Err(_) => is_unreadable = true,
        }
    }
    let said = fields.all("expires").next_back().map(|expires| {
        let date = std::str::from_utf8(expires)
            .ok()
            .and_then(|text| httpdate::parse_http_date(text).ok());
        let since = date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
        // What is no date has expired (RFC 9111, 5.3).
        since.map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX) - now
        })
    });
    let mut lifetime = match said {
        Some(seconds) => bounded(seconds),
        None => Lifetime {
            seconds: USUAL,
            oddity: None,
        },
    };
    if is_unreadable {
        lifetime.oddity = Some(Oddity::Unreadable);
    }
    lifetime
}

fn bounded(seconds: i64) -> Lifetime {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    Lifetime {
        seconds: seconds.clamp(SHORTEST, LONGEST),
        oddity: if seconds < SHORTEST {
            Some(Oddity::Short)
        } else {
            (seconds > LONGEST).then_some(Oddity::Long)
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Measured with Synapse 1.163.2.
    #[test]
    fn lifetimes_are_those_of_synapse() {
        let now = 1_000_000_000;
        let in_two_hours = "Sun, 09 Sep 2001 03:46:40 GMT";
        for (fields, seconds, oddity) in [
            (&[][..], USUAL, None),
            (&[("Cache-Control", "public, max-age=3600")], 3600, None),
            (&[("cache-control", "MAX-AGE=600")], 600, None),
            (&[("Cache-Control", "no-store")], 300, Some(Oddity::Short)),
            (&[("Cache-Control", "max-age=0")], 300, Some(Oddity::Short)),
            (&[("Cache-Control", "no-cache")], USUAL, None),
            (
                &[("Cache-Control", "max-age=\"600\"")],
                USUAL,
                Some(Oddity::Unreadable),
            ),
            (
                &[("Cache-Control", "max-age=604800")],
                LONGEST,
                Some(Oddity::Long),
            ),
            (&[("Expires", "0")], 300, Some(Oddity::Short)),
            (&[("Expires", in_two_hours)], 7200, None),
            (
                &[("Expires", in_two_hours), ("Cache-Control", "max-age=900")],
                900,
                None,
            ),
            (
                &[
                    ("Cache-Control", "max-age=900"),
                    ("Cache-Control", "max-age=901"),
                ],
                901,
                None,
            ),
        ] {
            let fields: Fields = fields.iter().copied().collect();
            let expected = Lifetime { seconds, oddity };
            assert_eq!(
                lifetime(&fields, now),
                expected,
                "{:?}",
                String::from_utf8_lossy(fields.wire())
            );
        }
    }
}
