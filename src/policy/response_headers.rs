//! What becomes of an upstream's fields on the way down.

use http::{Method, StatusCode};

use crate::message::Fields;

/// Fields of one connection, which a proxy never passes on (RFC 9110, 7.6.1). The framing of what
/// goes down is said anew.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

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

/// The fields that go down in place of `fields` of an upstream's answer.
pub fn for_downstream(status: StatusCode, fields: &Fields, hsts: Option<&[u8]>) -> Fields {
    let mut downstream = Fields::with_capacity(fields.len() + 1, fields.wire().len() + 64);
    let has_no_length = status.is_informational() || status == StatusCode::NO_CONTENT;
    let nominates = fields.contains("connection");
    let is_nominated = |name: &[u8]| {
        nominates
            && fields
                .elements("connection")
                .any(|token| token.eq_ignore_ascii_case(name))
            && !name.eq_ignore_ascii_case(b"content-length")
    };
    for (name, value) in fields.iter() {
        let is_hop = HOP_BY_HOP
            .iter()
            .any(|hop| hop.as_bytes().eq_ignore_ascii_case(name));
        // RFC 9110, 8.6: a length says something of a body, and these have none.
        let is_senseless = has_no_length && name.eq_ignore_ascii_case(b"content-length");
        if !is_hop && !is_nominated(name) && !is_senseless {
            downstream.push(name, value);
        }
    }
    if let Some(hsts) = hsts
        && !fields.contains("strict-transport-security")
    {
        downstream.push("Strict-Transport-Security", hsts);
    }
    downstream
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down(fields: &[(&str, &str)], hsts: Option<&str>) -> String {
        let fields: Fields = fields.iter().copied().collect();
        let down = for_downstream(StatusCode::OK, &fields, hsts.map(str::as_bytes));
        String::from_utf8(down.wire().to_vec()).unwrap()
    }

    #[test]
    fn fields_of_the_connection_go_no_further() {
        let fields = [
            ("Connection", "X-Hop, keep-alive, Content-Length"),
            ("X-Hop", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Content-Length", "3"),
            ("Transfer-Encoding", "chunked"),
            ("Server", "Synapse"),
        ];
        assert_eq!(
            down(&fields, None),
            "Content-Length: 3\r\nServer: Synapse\r\n"
        );
    }

    #[test]
    fn an_answer_that_can_have_no_body_has_no_length() {
        let fields: Fields = [("Content-Length", "0")].into_iter().collect();
        for (status, kept) in [(100, 0), (204, 0), (200, 1), (304, 1)] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                for_downstream(status, &fields, None).len(),
                kept,
                "{status}"
            );
        }
    }

    #[test]
    fn hsts_is_added_once() {
        assert_eq!(
            down(&[], Some("max-age=1")),
            "Strict-Transport-Security: max-age=1\r\n"
        );
        let there = [("strict-transport-security", "max-age=2")];
        assert_eq!(
            down(&there, Some("max-age=1")),
            "strict-transport-security: max-age=2\r\n"
        );
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
