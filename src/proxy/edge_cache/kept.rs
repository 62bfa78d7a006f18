//! One document that is kept.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;

use super::Kind;
use crate::message::{Fields, ResponseHead};
use crate::policy::{Freshness, Standing};

/// The greatest age at which a document is given out while the homeserver is down.
const OLDEST: Duration = Duration::from_hours(24);

/// A whole answer.
#[derive(Debug)]
pub(super) struct Whole {
    /// Its head, with the length of the body for framing.
    pub head: ResponseHead,
    /// Its body.
    pub body: Bytes,
}

/// An answer that may be given to others than who asked for it.
#[derive(Debug)]
pub(super) struct Kept {
    pub whole: Whole,
    freshness: Freshness,
    /// When it was asked for.
    asked: Instant,
    /// The names of the request's fields that it depends on (`Vary`).
    varies_by: Vec<Box<str>>,
    /// Those fields, as they were sent.
    varied: Fields,
    /// When what it says ends to be true.
    ends: Option<SystemTime>,
}

impl Whole {
    pub(super) fn new(head: &ResponseHead, body: Bytes) -> Self {
        let is_framing = |name: &[u8]| {
            name.eq_ignore_ascii_case(b"content-length")
                || name.eq_ignore_ascii_case(b"transfer-encoding")
        };
        let others = head.fields.iter().filter(|(name, _)| !is_framing(name));
        let mut fields: Fields = others.collect();
        fields.push("Content-Length", body.len().to_string());
        let status = head.status;
        Self {
            head: ResponseHead { status, fields },
            body,
        }
    }
}

impl Kept {
    /// The answer to a request with the fields `request` that was sent at `asked`; given back
    /// where it is not one for everybody.
    ///
    /// `no-store` and `no-cache` do not keep it from being kept: it is then given out while the
    /// homeserver is down, and only then.
    pub(super) fn new(
        kind: Kind,
        request: &Fields,
        whole: Whole,
        asked: Instant,
    ) -> Result<Self, Whole> {
        let fields = &whole.head.fields;
        let is_private = fields.elements("cache-control").any(|directive| {
            let name = directive.get(..7).unwrap_or_default();
            name.eq_ignore_ascii_case(b"private")
        });
        // Nothing else was asked for than the document as it is.
        let is_coded = fields.contains("content-encoding");
        let is_for_all = whole.head.status == StatusCode::OK
            && !is_private
            && !is_coded
            && !fields.contains("set-cookie");
        let (Some(varies_by), true) = (varies_by(fields), is_for_all) else {
            return Err(whole);
        };
        let is_varied = |name: &[u8]| {
            let mut names = varies_by.iter();
            names.any(|varied| varied.as_bytes().eq_ignore_ascii_case(name))
        };
        let varied = request.iter().filter(|(name, _)| is_varied(name)).collect();
        let ends = match kind {
            Kind::Keys => valid_until(&whole.body),
            Kind::Other => Some(None),
        };
        let Some(ends) = ends else {
            return Err(whole);
        };
        let freshness = Freshness::of(fields);
        let others = fields
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case(b"age"));
        let fields = others.collect();
        let head = ResponseHead {
            status: whole.head.status,
            fields,
        };
        Ok(Self {
            whole: Whole {
                head,
                body: whole.body,
            },
            freshness,
            asked,
            varies_by,
            varied,
            ends,
        })
    }

    /// How it stands.
    pub(super) fn standing(&self, now: Instant) -> Standing {
        self.freshness
            .standing(now.saturating_duration_since(self.asked))
    }

    /// Its age in seconds.
    pub(super) fn age(&self, now: Instant) -> u64 {
        let held = now.saturating_duration_since(self.asked);
        self.freshness.age(held).as_secs()
    }

    /// Whether it may be given out at all.
    pub(super) fn is_alive(&self, now: Instant, time: SystemTime) -> bool {
        let held = now.saturating_duration_since(self.asked);
        self.freshness.age(held) < OLDEST && self.ends.is_none_or(|ends| time < ends)
    }

    /// Whether it is the answer to a request with these fields as well.
    pub(super) fn suits(&self, request: &Fields) -> bool {
        let mut names = self.varies_by.iter();
        names.all(|name| request.all(name).eq(self.varied.all(name)))
    }
}

/// The names in `Vary`; `None` where it names all.
fn varies_by(answer: &Fields) -> Option<Vec<Box<str>>> {
    // Codings are never asked for: see `Question`.
    let is_sent = |name: &&[u8]| !name.eq_ignore_ascii_case(b"accept-encoding");
    let names = answer.elements("vary").filter(is_sent).map(|name| {
        let name = str::from_utf8(name).ok().filter(|name| *name != "*")?;
        Some(name.into())
    });
    names.collect()
}

#[derive(Deserialize)]
struct KeyDocument {
    valid_until_ts: u64,
}

/// When the keys of a document end to be valid, in milliseconds since 1970 as it says.
#[expect(clippy::option_option, reason = "as `ends`, and whether there is one")]
fn valid_until(body: &[u8]) -> Option<Option<SystemTime>> {
    let document: KeyDocument = serde_json::from_slice(body).ok()?;
    let since_1970 = Duration::from_millis(document.valid_until_ts);
    Some(SystemTime::UNIX_EPOCH.checked_add(since_1970))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(kind: Kind, fields: &[(&str, &str)], body: &str) -> Option<Kept> {
        let head = ResponseHead {
            status: StatusCode::OK,
            fields: fields.iter().copied().collect(),
        };
        let request = [("Origin", "https://a"), ("X", "1")].into_iter().collect();
        let whole = Whole::new(&head, Bytes::copy_from_slice(body.as_bytes()));
        Kept::new(kind, &request, whole, Instant::now()).ok()
    }

    #[test]
    fn what_is_not_for_everybody_is_not_kept() {
        for fields in [
            ("Set-Cookie", "a=1"),
            ("Vary", "Origin, *"),
            ("Cache-Control", "max-age=1, private"),
            ("Cache-Control", "Private=\"x\""),
            ("Content-Encoding", "gzip"),
        ] {
            assert!(kept(Kind::Other, &[fields], "{}").is_none(), "{fields:?}");
        }
        assert!(kept(Kind::Other, &[("Cache-Control", "no-store")], "{}").is_some());
    }

    #[test]
    fn it_suits_requests_that_are_alike_where_it_varies() {
        let document = kept(Kind::Other, &[("Vary", "origin,Accept-Encoding")], "{}").unwrap();
        for (fields, expected) in [
            (&[("origin", "https://a"), ("x", "2")][..], true),
            (
                &[("origin", "https://a"), ("accept-encoding", "gzip")],
                true,
            ),
            (&[("origin", "https://b")], false),
            (&[("origin", "https://a"), ("origin", "https://a")], false),
            (&[], false),
        ] {
            let request = fields.iter().copied().collect();
            assert_eq!(document.suits(&request), expected, "{fields:?}");
        }
    }

    #[test]
    fn keys_are_given_out_no_longer_than_they_are_valid() {
        assert!(kept(Kind::Keys, &[], "{}").is_none());
        let now = Instant::now();
        let time = SystemTime::now();
        let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let end = since_1970 + Duration::from_mins(1);
        let body = format!("{{\"valid_until_ts\": {}}}", end.as_millis());
        let document = kept(Kind::Keys, &[], &body).unwrap();
        let at = |seconds| time + Duration::from_secs(seconds);
        assert!(document.is_alive(now, at(50)));
        assert!(!document.is_alive(now, at(61)));
    }

    #[test]
    fn nothing_is_given_out_for_longer_than_a_day() {
        let fresh = kept(Kind::Other, &[("Cache-Control", "max-age=999999")], "{}").unwrap();
        let (now, time) = (Instant::now(), SystemTime::now());
        assert!(fresh.is_alive(now, time));
        assert!(!fresh.is_alive(now + OLDEST, time));
        let old = kept(Kind::Other, &[("Age", "86400")], "{}").unwrap();
        assert!(!old.is_alive(now, time));
    }

    #[test]
    fn the_length_is_that_of_the_body_and_the_age_is_told_anew() {
        let fields = [("Age", "7"), ("Transfer-Encoding", "chunked"), ("A", "b")];
        let document = kept(Kind::Other, &fields, "{}").unwrap();
        let wire = document.whole.head.fields.wire();
        assert_eq!(wire, b"A: b\r\nContent-Length: 2\r\n");
        assert_eq!(document.age(Instant::now()), 7);
    }
}
