//! What the document says.

use serde_json::Value;

use crate::matrix::ServerName;

/// Largest document that Synapse reads.
pub(in crate::federation) const LARGEST: usize = 50 << 10;

/// Why a document is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::federation) enum Useless {
    /// More than 50 KiB.
    #[error("it is larger than 50 KiB")]
    Large,
    /// Not a JSON object.
    #[error("it is no JSON object")]
    Json,
    /// No text under `m.server`.
    #[error("it has no text `m.server`")]
    Missing,
    /// `m.server` is no server name.
    #[error("its m.server is {0:?}: {1}")]
    Name(String, String),
}

/// Reads the document.
pub(in crate::federation) fn m_server(body: &[u8]) -> Result<ServerName, Useless> {
    if body.len() > LARGEST {
        return Err(Useless::Large);
    }
    let document: Value = serde_json::from_slice(body).map_err(|_| Useless::Json)?;
    let document = document.as_object().ok_or(Useless::Json)?;
    let text = document
        .get("m.server")
        .and_then(Value::as_str)
        .ok_or(Useless::Missing)?;
    text.parse()
        .map_err(|reason: crate::matrix::InvalidServerName| {
            Useless::Name(super::super::text::printable(text), reason.to_string())
        })
}

/// What was meant by an `m.server` with a scheme or a path.
pub(in crate::federation) fn suggestion(text: &str) -> Option<String> {
    let bare = text
        .trim()
        .trim_start_matches("https://")
        .trim_start_matches("http://");
    let bare = bare.split('/').next()?;
    let name: ServerName = bare.parse().ok()?;
    Some(match name.port() {
        Some(_) => name.to_string(),
        None => format!("{name}:443"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_as_strictly_as_others_do() {
        for (body, expected) in [
            (r#"{"m.server": "a.b:443", "x": 1}"#, "a.b:443"),
            (r#"{"m.server": "[::1]"}"#, "[::1]"),
        ] {
            assert_eq!(m_server(body.as_bytes()).unwrap().as_str(), expected);
        }
        assert_eq!(m_server(b"<html>"), Err(Useless::Json));
        assert_eq!(m_server(b"\"a\""), Err(Useless::Json));
        assert_eq!(m_server(b"{}"), Err(Useless::Missing));
        assert_eq!(m_server(br#"{"m.server": 1}"#), Err(Useless::Missing));
        assert_eq!(m_server(&vec![b' '; LARGEST + 1]), Err(Useless::Large));
        for text in ["https://a.b", "a.b/", "a.b:0", "b\\u00fccher.example", ""] {
            let body = format!(r#"{{"m.server": "{text}"}}"#);
            assert!(
                matches!(m_server(body.as_bytes()), Err(Useless::Name(..))),
                "{text}"
            );
        }
        assert_eq!(suggestion("https://a.b/").as_deref(), Some("a.b:443"));
        assert_eq!(
            suggestion("https://a.b:8443/x").as_deref(),
            Some("a.b:8443")
        );
        assert_eq!(suggestion("a b"), None);
    }
}
