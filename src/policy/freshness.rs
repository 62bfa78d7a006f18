//! For how long an answer may be used again, as its fields say (RFC 9111, RFC 5861).

use std::time::Duration;

use crate::message::Fields;

/// What an answer's fields say about using it for other requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// How old it was when it came (`Age`).
    age: Duration,
    /// The age up to which it is as good as new: `s-maxage`, else `max-age`. Zero where each use
    /// has to be asked for.
    lifetime: Duration,
    /// For how long after that it may be used while a new one is fetched.
    while_revalidating: Duration,
}

/// How an answer stands at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As good as new.
    Fresh,
    /// May be used once more while a new one is fetched.
    Revalidate,
    /// Not to be used without asking.
    Stale,
}

impl Freshness {
    /// Reads the fields of an answer.
    ///
    /// `no-store`, `no-cache` and `private` leave nothing, and neither does a number that is none.
    /// Heuristics and `Expires` are not known here: what says nothing in `Cache-Control` is not
    /// used again. `must-revalidate` and `proxy-revalidate` forbid `stale-while-revalidate`;
    /// `s-maxage` does not, as Synapse sends both.
    pub fn of(fields: &Fields) -> Self {
        let age = fields.first("age").and_then(number).unwrap_or_default();
        let is_forbidden = ["no-store", "no-cache", "private"]
            .iter()
            .any(|name| directive(fields, name).is_some());
        if is_forbidden {
            return Self {
                age,
                ..Self::default()
            };
        }
        let seconds = |name| directive(fields, name).map(|value| number(value).unwrap_or_default());
        let lifetime = seconds("s-maxage").or_else(|| seconds("max-age"));
        let must_revalidate = ["must-revalidate", "proxy-revalidate"]
            .iter()
            .any(|name| directive(fields, name).is_some());
        let while_revalidating = seconds("stale-while-revalidate").filter(|_| !must_revalidate);
        Self {
            age,
            lifetime: lifetime.unwrap_or_default(),
            while_revalidating: while_revalidating.unwrap_or_default(),
        }
    }

    /// Its age, `held` after the request for it was sent.
    pub fn age(&self, held: Duration) -> Duration {
        self.age.saturating_add(held)
    }

    /// How it stands, `held` after the request for it was sent.
    pub fn standing(&self, held: Duration) -> Standing {
        let age = self.age(held);
        if age < self.lifetime {
            Standing::Fresh
        } else if age < self.lifetime.saturating_add(self.while_revalidating) {
            Standing::Revalidate
        } else {
            Standing::Stale
        }
    }
}

/// Whether a request wants an answer that is new: browsers ask so when a page is loaded anew.
pub fn wants_new(request: &Fields) -> bool {
    let has = |name| directive(request, name).is_some();
    let is_zero = |value| number(value) == Some(Duration::ZERO);
    has("no-cache")
        || has("no-store")
        || directive(request, "max-age").is_some_and(is_zero)
        || request
            .elements("pragma")
            .any(|pragma| pragma == b"no-cache")
}

/// The value of a directive of `Cache-Control`, empty where it has none.
fn directive<'f>(fields: &'f Fields, name: &str) -> Option<&'f [u8]> {
    fields.elements("cache-control").find_map(|element| {
        let mut parts = element.splitn(2, |byte| *byte == b'=');
        let called = parts.next()?.trim_ascii();
        let value = parts.next().unwrap_or_default().trim_ascii();
        called
            .eq_ignore_ascii_case(name.as_bytes())
            .then_some(value)
    })
}

/// Seconds, also in quotes, which are not allowed and yet seen.
fn number(value: &[u8]) -> Option<Duration> {
    let unquoted = value
        .strip_prefix(b"\"")
        .and_then(|v| v.strip_suffix(b"\""));
    let digits = unquoted.unwrap_or(value);
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let digits = str::from_utf8(digits).ok().filter(|_| is_number)?;
    // What is too large for a number is large (RFC 9111, 1.2.2).
    let seconds = digits.parse::<u32>().unwrap_or(u32::MAX);
    Some(Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freshness(cache_control: &[&str]) -> (u64, u64) {
        let fields: Fields = cache_control.iter().map(|v| ("cache-control", v)).collect();
        let found = Freshness::of(&fields);
        (found.lifetime.as_secs(), found.while_revalidating.as_secs())
    }

    #[test]
    fn cache_control_is_read_as_a_shared_cache_reads_it() {
        for (lines, expected) in [
            (&[][..], (0, 0)),
            // Of Synapse: /versions, and everything else.
            (
                &["public, max-age=600, s-maxage=3600, stale-while-revalidate=600"],
                (3600, 600),
            ),
            (&["no-cache, no-store, must-revalidate"], (0, 0)),
            (&["max-age=600"], (600, 0)),
            (&["Max-Age=600", "S-MAXAGE=5"], (5, 0)),
            (&["max-age=\"600\""], (600, 0)),
            (&["max-age=600, private"], (0, 0)),
            (&["max-age=600, private=\"x, y\""], (0, 0)),
            (&["max-age=600", "no-store"], (0, 0)),
            (&["s-maxage=60, no-cache"], (0, 0)),
            (&["s-maxage=x, max-age=60"], (0, 0)),
            (&["max-age=-1"], (0, 0)),
            (&["max-age"], (0, 0)),
            (&["max-age="], (0, 0)),
            (&["max-age=99999999999999999999"], (u32::MAX.into(), 0)),
            (
                &["max-age=1, stale-while-revalidate=2, must-revalidate"],
                (1, 0),
            ),
            (
                &["max-age=1, stale-while-revalidate=2, proxy-revalidate"],
                (1, 0),
            ),
            (&["xmax-age=1, max-agex=1"], (0, 0)),
        ] {
            assert_eq!(freshness(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn an_answer_ages_from_the_age_it_came_with() {
        let fields: Fields = [
            ("Age", "10"),
            ("Cache-Control", "max-age=60, stale-while-revalidate=30"),
        ]
        .into_iter()
        .collect();
        let found = Freshness::of(&fields);
        for (held, standing) in [
            (0, Standing::Fresh),
            (49, Standing::Fresh),
            (50, Standing::Revalidate),
            (79, Standing::Revalidate),
            (80, Standing::Stale),
        ] {
            let held = Duration::from_secs(held);
            assert_eq!(found.standing(held), standing, "{held:?}");
        }
        assert_eq!(found.age(Duration::from_secs(5)).as_secs(), 15);
    }

    #[test]
    fn a_request_may_want_a_new_answer() {
        for (field, expected) in [
            (("Cache-Control", "no-cache"), true),
            (("cache-control", "x, No-Store"), true),
            (("Cache-Control", "max-age=0"), true),
            (("Cache-Control", "max-age=10"), false),
            (("Pragma", "no-cache"), true),
            (("Pragma", "x"), false),
        ] {
            assert_eq!(
                wants_new(&[field].into_iter().collect()),
                expected,
                "{field:?}"
            );
        }
    }
}
