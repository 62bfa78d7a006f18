//! What becomes of a request's fields on the way up.
//!
//! Everything passes as it came (`Host`, every `Authorization`, order and spelling included)
//! except what only the front door may say, and what belongs to one connection.

use std::io::Write;

use super::ClientAddress;
use crate::message::{Fields, Protocol, RequestHead};

/// The field that carries our request id; Synapse logs it when `request_id_header` in its
/// listener names it.
pub const REQUEST_ID: &str = "X-Request-ID";

const FORWARDED_FOR: &str = "X-Forwarded-For";
const FORWARDED_PROTO: &str = "X-Forwarded-Proto";

/// Fields that only a front door may set; a client's own are dropped.
const RESERVED: [&str; 10] = [
    FORWARDED_FOR,
    FORWARDED_PROTO,
    REQUEST_ID,
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// Fields of one connection, which a proxy never passes on (RFC 9110, 7.6.1). The framing of what
/// goes up is said anew.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Fields that `Connection` cannot take away by naming them.
const NOT_NOMINABLE: [&str; 4] = ["authorization", "content-length", "cookie", "host"];

/// Longest name that is looked at as an alias of a reserved one.
const LONGEST_RESERVED: usize = 32;

/// The fields that go upstream in place of `fields`. `host` stands in where the client names none:
/// HTTP/1.0 knows no `Host`, HTTP/1.1 demands one.
pub fn for_upstream(
    fields: &Fields,
    client: ClientAddress,
    request_id: &str,
    host: Option<&str>,
) -> Fields {
    let mut upstream = Fields::with_capacity(fields.len() + 4, fields.wire().len() + 160);
    if let Some(host) = host
        && !fields.contains("host")
    {
        upstream.push("Host", host);
    }
    let nominates = fields.contains("connection");
    let mut has_cookie = false;
    for (name, value) in fields.iter() {
        if is_one_of(name, &HOP_BY_HOP)
            || is_reserved(name)
            || (nominates && is_nominated(fields, name))
        {
            continue;
        }
        if name.eq_ignore_ascii_case(b"cookie") {
            // HTTP/2 may split it into crumbs; HTTP/1.1 knows one line only (RFC 9113, 8.2.3).
            if !has_cookie {
                upstream.push(name, joined_cookies(fields, value));
            }
            has_cookie = true;
            continue;
        }
        upstream.push(name, value);
    }
    let mut address = Vec::with_capacity(40);
    // Writing into memory cannot fail.
    drop(write!(address, "{}", client.ip()));
    upstream.push(FORWARDED_FOR, address);
    let scheme = if client.is_https() { "https" } else { "http" };
    upstream.push(FORWARDED_PROTO, scheme);
    upstream.push(REQUEST_ID, request_id);
    upstream
}

fn is_one_of(name: &[u8], names: &[&str]) -> bool {
    names
        .iter()
        .any(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

/// Whether `name` is one of ours, also for upstreams that read `_` as `-`, as CGI and WSGI do.
fn is_reserved(name: &[u8]) -> bool {
    if is_one_of(name, &RESERVED) {
        return true;
    }
    if name.len() > LONGEST_RESERVED || !name.contains(&b'_') {
        return false;
    }
    let name: Vec<u8> = name
        .iter()
        .map(|&b| if b == b'_' { b'-' } else { b })
        .collect();
    is_one_of(&name, &RESERVED)
}

/// Whether `Connection` names the field as its own.
fn is_nominated(fields: &Fields, name: &[u8]) -> bool {
    let mut tokens = fields.elements("connection");
    tokens.any(|token| token.eq_ignore_ascii_case(name)) && !is_one_of(name, &NOT_NOMINABLE)
}

/// All cookies as one line; `first` is the first.
fn joined_cookies(fields: &Fields, first: &[u8]) -> Vec<u8> {
    let mut joined = first.to_vec();
    for crumb in fields.all("cookie").skip(1) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb);
    }
    joined
}

/// Whether a request opens a WebSocket: by HTTP/1.1, without a body, and `Upgrade` asks for nothing
/// else (RFC 6455, 4.1).
pub fn asks_for_websocket(head: &RequestHead) -> bool {
    let fields = &head.fields;
    let has_body = fields.contains("transfer-encoding")
        || fields
            .first("content-length")
            .is_some_and(|length| length != b"0");
    let mut asked = fields.all("upgrade");
    let first = asked.next();
    head.protocol == Protocol::Http11
        && !has_body
        && asked.next().is_none()
        && first.is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
}

/// Whether `Expect` asks for nothing but `100-continue` (RFC 9110, 10.1.1).
pub fn expectation_is_known(fields: &Fields) -> bool {
    fields
        .all("expect")
        .all(|value| value.eq_ignore_ascii_case(b"100-continue"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::TrustedProxies;

    fn upstream(fields: &[(&str, &str)]) -> String {
        let fields: Fields = fields.iter().copied().collect();
        let peer = Some("192.0.2.1".parse().unwrap());
        let client = ClientAddress::new(peer, true, &fields, &TrustedProxies::default());
        let upstream = for_upstream(&fields, client, "id", Some("example.org"));
        String::from_utf8(upstream.wire().to_vec()).unwrap()
    }

    const OURS: &str =
        "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Request-ID: id\r\n";

    #[test]
    fn the_clients_own_forwarding_fields_are_replaced_or_dropped() {
        let fields = [
            ("Host", "a"),
            ("x-forwarded-for", "6.6.6.6"),
            ("X-Real-IP", "6.6.6.6"),
            ("forwarded", "for=6.6.6.6"),
            ("x-request-id", "theirs"),
            ("Accept", "*/*"),
        ];
        assert_eq!(
            upstream(&fields),
            format!("Host: a\r\nAccept: */*\r\n{OURS}")
        );
    }

    #[test]
    fn what_others_read_as_a_forwarding_field_is_dropped() {
        let fields = [
            ("host", "a"),
            ("x_forwarded_for", "6.6.6.6"),
            ("x-forwarded_proto", "http"),
            ("X_Real-IP", "6.6.6.6"),
            ("x_y", "1"),
        ];
        assert_eq!(upstream(&fields), format!("host: a\r\nx_y: 1\r\n{OURS}"));
    }

    #[test]
    fn a_request_without_host_gets_the_server_names() {
        assert_eq!(upstream(&[]), format!("Host: example.org\r\n{OURS}"));
    }

    #[test]
    fn fields_of_the_connection_go_no_further_and_it_takes_no_credentials() {
        let fields = [
            ("Host", "a"),
            ("Connection", "X-Hop, Authorization, host"),
            ("connection", "Cookie,content-length, X-Forwarded-For"),
            ("X-Hop", "1"),
            ("TE", "trailers"),
            ("Upgrade", "h2c"),
            ("Transfer-Encoding", "chunked"),
            ("Authorization", "X-Matrix a"),
            ("Authorization", "X-Matrix b"),
            ("Content-Length", "3"),
            ("Cookie", "a=1"),
        ];
        let kept = "Host: a\r\nAuthorization: X-Matrix a\r\nAuthorization: X-Matrix b\r\n\
            Content-Length: 3\r\nCookie: a=1\r\n";
        assert_eq!(upstream(&fields), format!("{kept}{OURS}"));
    }

    #[test]
    fn cookie_crumbs_are_joined() {
        let fields = [
            ("host", "a"),
            ("cookie", "a=1"),
            ("x", "y"),
            ("cookie", "b=2"),
        ];
        let expected = format!("host: a\r\ncookie: a=1; b=2\r\nx: y\r\n{OURS}");
        assert_eq!(upstream(&fields), expected);
    }

    #[test]
    fn a_websocket_is_asked_for_alone() {
        let websocket = ("Upgrade", "websocket");
        for (fields, asked) in [
            (&[][..], false),
            (&[websocket][..], true),
            (&[("upgrade", "WebSocket")][..], true),
            (&[websocket, ("Content-Length", "0")][..], true),
            (&[websocket, ("Content-Length", "5")][..], false),
            (&[websocket, ("Transfer-Encoding", "chunked")][..], false),
            (&[("Upgrade", "h2c")][..], false),
            (&[("Upgrade", "h2c, websocket")][..], false),
            (&[websocket, ("Upgrade", "h2c")][..], false),
        ] {
            let mut head = RequestHead {
                method: http::Method::GET,
                target: "/".into(),
                protocol: Protocol::Http11,
                fields: fields.iter().copied().collect(),
            };
            assert_eq!(asks_for_websocket(&head), asked, "{fields:?}");
            head.protocol = Protocol::Http10;
            assert!(!asks_for_websocket(&head));
        }
    }

    #[test]
    fn only_100_continue_may_be_expected() {
        for (lines, known) in [
            (&[][..], true),
            (&["100-Continue"][..], true),
            (&["100-continue", "200-ok"][..], false),
        ] {
            let fields = lines.iter().map(|line| ("Expect", line)).collect();
            assert_eq!(expectation_is_known(&fields), known, "{lines:?}");
        }
    }
}
