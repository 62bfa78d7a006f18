//! Which server a federation request says that it comes from.

use super::ServerName;

/// The origin that the `Authorization: X-Matrix` headers of a request claim;
/// `None` where there is none, or where two readers might find two.
///
/// `authorization` are the values of all its `Authorization` headers; those of
/// other schemes do not count. Nobody has verified the claim: it is good for
/// keeping the transactions of a server together, and for nothing that a
/// stranger must not choose.
///
/// Synapse reads leniently, and where a header or a name comes twice the last
/// one counts (`authenticate_request` and `_parse_auth_header` of
/// `synapse/federation/transport/server/_base.py`). What is read here is a part
/// of that which has one meaning for everybody: `X-Matrix` and spaces, pairs
/// `name=value` with a comma and optional white space between them, values with
/// both quotes or none, nothing escaped, `origin` once in each header and the
/// same in all of them.
pub fn claimed_origin<'r>(authorization: impl IntoIterator<Item = &'r [u8]>) -> Option<ServerName> {
    let headers = authorization.into_iter();
    let mut origins = headers
        .filter_map(|h| h.strip_prefix(b"X-Matrix"))
        .map(origin);
    let first = origins.next()??;
    origins
        .all(|other| other.as_ref() == Some(&first))
        .then_some(first)
}

/// The origin in what follows the scheme.
fn origin(parameters: &[u8]) -> Option<ServerName> {
    let parameters = str::from_utf8(parameters).ok()?.strip_prefix(' ')?;
    let mut found = None;
    for pair in parameters.trim_start_matches(' ').split(',') {
        let (name, value) = pair.trim_matches([' ', '\t']).split_once('=')?;
        let value = unquoted(value)?;
        let is_token = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_token {
            return None;
        }
        if name.eq_ignore_ascii_case("origin") && found.replace(value).is_some() {
            return None;
        }
    }
    found?.parse().ok()
}

/// A value without its quotes.
fn unquoted(value: &str) -> Option<&str> {
    let inner = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => value,
    };
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\');
    inner.bytes().all(is_plain).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin_of(headers: &[&str]) -> Option<String> {
        claimed_origin(headers.iter().map(|h| h.as_bytes())).map(|name| name.as_str().to_owned())
    }

    #[test]
    fn headers_as_servers_write_them_name_the_origin() {
        for header in [
            // Synapse, ruma, and the specification's leave
            r#"X-Matrix origin="a.example",key="ed25519:k",sig="ab/+c",destination="b.example""#,
            r#"X-Matrix destination=b.example,key="ed25519:k",origin=a.example,sig=abc"#,
            "X-Matrix  ORIGIN=A.Example ,\tkey=ed25519:k , sig=abc==",
            "X-Matrix origin=a.example",
        ] {
            assert_eq!(
                origin_of(&[header]).as_deref(),
                Some("a.example"),
                "{header}"
            );
        }
        assert_eq!(
            origin_of(&[r#"X-Matrix origin="[::1]:8448",key=k,sig=s"#]).as_deref(),
            Some("[::1]:8448")
        );
    }

    #[test]
    fn several_headers_name_one_origin_or_none() {
        let (a, b) = (
            "X-Matrix origin=a.example,key=1",
            "X-Matrix origin=b.example",
        );
        assert_eq!(
            origin_of(&[a, "X-Matrix origin=A.EXAMPLE,key=2"]).unwrap(),
            "a.example"
        );
        assert_eq!(origin_of(&["Bearer t", a]).unwrap(), "a.example");
        assert_eq!(origin_of(&[a, b]), None);
        assert_eq!(origin_of(&[a, "X-Matrix key=2"]), None);
        assert_eq!(origin_of(&["Bearer t"]), None);
        assert_eq!(origin_of(&[]), None);
    }

    #[test]
    fn what_two_readers_may_read_differently_names_nobody() {
        for header in [
            "X-Matrix",
            "X-Matrix ",
            "X-Matrix key=k",
            "X-Matrixorigin=a.example",
            "X-Matrix\torigin=a.example",
            "x-matrix origin=a.example",
            "X-Matrix origin=a.example,origin=b.example",
            "X-Matrix origin=a.example,Origin=a.example",
            "X-Matrix origin=a.example,",
            "X-Matrix origin = a.example",
            "X-Matrix origin=a.example x=b",
            "X-Matrix origin=\"a.example",
            "X-Matrix origin=a.example\"",
            "X-Matrix origin=\"",
            "X-Matrix origin=\"a\\.example\"",
            "X-Matrix foo=\"x,origin=b.example,y\",origin=a.example",
            "X-Matrix origin=",
            "X-Matrix origin=a_b",
            "X-Matrix origin=a.example,key=\u{e9}",
            "X-Matrix origin=a.example\0",
        ] {
            assert_eq!(origin_of(&[header]), None, "{header:?}");
        }
    }
}
