//! What becomes of an upstream's response headers on the way down.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    STRICT_TRANSPORT_SECURITY, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, StatusCode};

use super::HeaderEdits;

/// Fields of one connection, which a proxy never passes on (RFC 9110 7.6.1).
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    TE,
    TRAILER,
    UPGRADE,
];

/// Fields that `Connection` may not remove by naming them.
const NOT_NOMINABLE: [HeaderName; 2] = [CONTENT_LENGTH, TRANSFER_ENCODING];

/// Which methods see an upstream's 308 as 301.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rewrite308 {
    /// Every method.
    #[default]
    All,
    /// GET and HEAD, whose meaning a 301 cannot change.
    Get,
    /// None.
    Off,
}

impl Rewrite308 {
    /// The status that goes down for `status` of the upstream.
    ///
    /// Older federation clients do not follow 308 (synapse#8098).
    pub fn apply(self, status: StatusCode, method: &Method) -> StatusCode {
        let applies = match self {
            Self::All => true,
            Self::Get => matches!(*method, Method::GET | Method::HEAD),
            Self::Off => false,
        };
        if status == StatusCode::PERMANENT_REDIRECT && applies {
            StatusCode::MOVED_PERMANENTLY
        } else {
            status
        }
    }
}

/// The edits for an ordinary response (not 1xx).
pub fn for_downstream(headers: &HeaderMap, hsts: Option<&HeaderValue>) -> HeaderEdits {
    let mut edits = HeaderEdits::default();
    edits.remove.extend(nominated(headers));
    edits.remove.extend(
        HOP_BY_HOP
            .into_iter()
            .filter(|name| headers.contains_key(name)),
    );
    if let Some(hsts) = hsts
        && !headers.contains_key(STRICT_TRANSPORT_SECURITY)
    {
        edits.set.push((STRICT_TRANSPORT_SECURITY, hsts.clone()));
    }
    edits
}

/// The fields that `Connection` names as its own.
fn nominated(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|token| HeaderName::try_from(token.trim()).ok())
        .filter(|name| headers.contains_key(name) && !NOT_NOMINABLE.contains(name))
}

/// Whether the framing of an upstream's response is one that HTTP allows:
/// never `Transfer-Encoding` beside `Content-Length`, nor any of them twice,
/// nor a coding other than `chunked`.
pub fn framing_is_sound(headers: &HeaderMap) -> bool {
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (lengths, codings.next(), codings.next()) {
        (0, Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (0 | 1, None, _) => true,
        (_, _, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn fields_of_the_connection_go_no_further() {
        let headers = map(&[
            ("connection", "X-Hop, keep-alive, Content-Length"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("content-length", "3"),
            ("server", "Synapse"),
        ]);
        let mut removed = for_downstream(&headers, None).remove;
        removed.sort_by_key(ToString::to_string);
        removed.dedup();
        assert_eq!(removed, ["connection", "keep-alive", "x-hop"]);
    }

    #[test]
    fn hsts_is_added_once() {
        let hsts = HeaderValue::from_static("max-age=1");
        assert_eq!(for_downstream(&map(&[]), Some(&hsts)).set.len(), 1);
        let there = map(&[("strict-transport-security", "max-age=2")]);
        assert!(for_downstream(&there, Some(&hsts)).set.is_empty());
    }

    #[test]
    fn framing_that_two_readers_could_read_differently_is_unsound() {
        for (lines, sound) in [
            (&[][..], true),
            (&[("content-length", "3")][..], true),
            (&[("transfer-encoding", "Chunked")][..], true),
            (
                &[("content-length", "3"), ("content-length", "3")][..],
                false,
            ),
            (
                &[("content-length", "3"), ("transfer-encoding", "chunked")][..],
                false,
            ),
            (&[("transfer-encoding", "gzip, chunked")][..], false),
            (
                &[
                    ("transfer-encoding", "chunked"),
                    ("transfer-encoding", "chunked"),
                ][..],
                false,
            ),
        ] {
            assert_eq!(framing_is_sound(&map(lines)), sound, "{lines:?}");
        }
    }

    #[test]
    fn a_308_becomes_301_where_configured() {
        let down =
            |rule: Rewrite308, method| rule.apply(StatusCode::PERMANENT_REDIRECT, &method).as_u16();
        assert_eq!(down(Rewrite308::All, Method::PUT), 301);
        assert_eq!(down(Rewrite308::Get, Method::PUT), 308);
        assert_eq!(down(Rewrite308::Get, Method::HEAD), 301);
        assert_eq!(down(Rewrite308::Off, Method::GET), 308);
        assert_eq!(Rewrite308::All.apply(StatusCode::FOUND, &Method::GET), 302);
    }
}
