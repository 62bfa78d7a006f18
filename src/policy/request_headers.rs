//! What becomes of a request's headers on the way up.
//!
//! Everything passes as it came (`Host`, every `Authorization`, order and case
//! included) except what only the front door may say, and what belongs to one
//! connection. pingora strips the hop-by-hop fields of requests itself.

use http::header::{COOKIE, EXPECT, HeaderMap, HeaderName, HeaderValue, UPGRADE};

use super::ClientAddress;

/// The header that carries our request id; Synapse logs it when
/// `request_id_header` in its listener names it.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Fields that only a front door may set; a client's own are dropped.
const RESERVED: [HeaderName; 7] = [
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-rewrite-url"),
];

/// Changes to a set of headers: removals first, then settings.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Fields to remove, every line of them.
    pub remove: Vec<HeaderName>,
    /// Fields to set, in place of any that were there.
    pub set: Vec<(HeaderName, HeaderValue)>,
}

/// The edits for a request that goes upstream.
pub fn for_upstream(
    headers: &HeaderMap,
    client: ClientAddress,
    request_id: &HeaderValue,
) -> HeaderEdits {
    let mut edits = HeaderEdits::default();
    edits.remove.extend(
        RESERVED
            .into_iter()
            .filter(|name| headers.contains_key(name)),
    );
    edits
        .remove
        .extend(headers.keys().filter(|name| is_alias(name)).cloned());
    if let Ok(address) = HeaderValue::try_from(client.ip().to_string()) {
        edits.set.push((FORWARDED_FOR, address));
    }
    let scheme = if client.is_https() { "https" } else { "http" };
    edits
        .set
        .push((FORWARDED_PROTO, HeaderValue::from_static(scheme)));
    edits.set.push((REQUEST_ID, request_id.clone()));
    if let Some(cookie) = joined_cookies(headers) {
        edits.set.push((COOKIE, cookie));
    }
    edits
}

/// Whether `name` is one of ours for upstreams that read `_` as `-`, as CGI and WSGI do.
fn is_alias(name: &HeaderName) -> bool {
    let ours = [FORWARDED_FOR, FORWARDED_PROTO, REQUEST_ID];
    let name = name.as_str();
    name.contains('_') && {
        let name = name.replace('_', "-");
        RESERVED.iter().chain(&ours).any(|our| our.as_str() == name)
    }
}

/// HTTP/2 may split `Cookie` into crumbs; HTTP/1.1 knows one line only
/// (RFC 9113 8.2.3).
fn joined_cookies(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut crumbs = headers.get_all(COOKIE).iter();
    let mut joined = crumbs.next()?.as_bytes().to_vec();
    let mut count = 1;
    for crumb in crumbs {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
        count += 1;
    }
    if count == 1 {
        return None;
    }
    HeaderValue::from_bytes(&joined).ok()
}

/// Whether `Upgrade` asks for a WebSocket and for nothing else.
pub fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let mut asked = headers.get_all(UPGRADE).iter();
    let first = asked.next();
    asked.next().is_none()
        && first.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Whether `Expect` asks for nothing but `100-continue` (RFC 9110 10.1.1).
pub fn expectation_is_known(headers: &HeaderMap) -> bool {
    headers
        .get_all(EXPECT)
        .iter()
        .all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::TrustedProxies;

    fn edits(headers: &HeaderMap) -> HeaderEdits {
        let peer = Some("192.0.2.1".parse().unwrap());
        let client = ClientAddress::new(peer, true, headers, &TrustedProxies::default());
        for_upstream(headers, client, &HeaderValue::from_static("id"))
    }

    #[test]
    fn the_clients_own_forwarding_headers_are_replaced_or_dropped() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "6.6.6.6".parse().unwrap());
        headers.append("x-real-ip", "6.6.6.6".parse().unwrap());
        headers.append("forwarded", "for=6.6.6.6".parse().unwrap());
        let edits = edits(&headers);
        assert_eq!(edits.remove, ["forwarded", "x-real-ip"]);
        assert_eq!(edits.set[0].1, "192.0.2.1");
        assert_eq!(edits.set[1].1, "https");
        assert_eq!(edits.set[2].1, "id");
        assert_eq!(edits.set.len(), 3);
    }

    #[test]
    fn what_others_read_as_a_forwarding_header_is_dropped() {
        let mut headers = HeaderMap::new();
        for name in ["x_forwarded_for", "x-forwarded_proto", "x_real-ip", "x_y"] {
            headers.append(name, "6.6.6.6".parse().unwrap());
        }
        let mut removed = edits(&headers).remove;
        removed.sort_by_key(ToString::to_string);
        assert_eq!(
            removed,
            ["x-forwarded_proto", "x_forwarded_for", "x_real-ip"]
        );
    }

    #[test]
    fn cookie_crumbs_are_joined() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", "a=1".parse().unwrap());
        assert_eq!(joined_cookies(&headers), None);
        headers.append("cookie", "b=2".parse().unwrap());
        assert_eq!(joined_cookies(&headers).unwrap(), "a=1; b=2");
    }

    #[test]
    fn a_websocket_is_asked_for_alone() {
        for (lines, asked) in [
            (&[][..], false),
            (&["websocket"][..], true),
            (&["WebSocket"][..], true),
            (&["h2c"][..], false),
            (&["h2c, websocket"][..], false),
            (&["websocket", "h2c"][..], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("upgrade", HeaderValue::from_static(line));
            }
            assert_eq!(asks_for_websocket(&headers), asked, "{lines:?}");
        }
    }

    #[test]
    fn only_100_continue_may_be_expected() {
        let mut headers = HeaderMap::new();
        assert!(expectation_is_known(&headers));
        headers.insert("expect", "100-Continue".parse().unwrap());
        assert!(expectation_is_known(&headers));
        headers.append("expect", "200-ok".parse().unwrap());
        assert!(!expectation_is_known(&headers));
    }
}
