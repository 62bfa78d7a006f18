//! The documents below `/.well-known/matrix`.
//!
//! Server-server API "Resolving server names", client-server API "Well-known
//! URIs" and "Server contact information", and the policy server's public keys.

use bytes::Bytes;
use serde_json::{Map, Value, json};

/// One of the documents that live at a server name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Document {
    /// Where other servers reach the homeserver.
    Server,
    /// Where clients reach the homeserver.
    Client,
    /// Whom to contact about the server.
    Support,
    /// The public key of the policy server.
    PolicyServer,
}

impl Document {
    /// Every document.
    pub const ALL: [Self; 4] = [
        Self::Server,
        Self::Client,
        Self::Support,
        Self::PolicyServer,
    ];

    /// The path, which a request must name exactly.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Server => "/.well-known/matrix/server",
            Self::Client => "/.well-known/matrix/client",
            Self::Support => "/.well-known/matrix/support",
            Self::PolicyServer => "/.well-known/matrix/policy_server",
        }
    }

    /// The document at a raw path (no query).
    pub fn at(path: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.path().as_bytes() == path)
    }
}

/// What [`Document::Server`] says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Server {
    /// `host[:port]`; without a port peers look for SRV records, then port 8448.
    pub m_server: String,
    /// Further keys; they never replace the one above.
    pub extra: Map<String, Value>,
}

/// What [`Document::Client`] says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Client {
    /// The base URL of the client-server API.
    pub base_url: String,
    /// The base URL of the identity server.
    pub identity_server: Option<String>,
    /// Further keys; they never replace those above.
    pub extra: Map<String, Value>,
}

/// What [`Document::Support`] says: contacts or a page, at least one of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Support {
    /// Whom to contact.
    pub contacts: Vec<Contact>,
    /// The URL of a page for users who need help.
    pub support_page: Option<String>,
    /// Further keys; they never replace those above.
    pub extra: Map<String, Value>,
}

/// Somebody responsible for the server, with at least one address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contact {
    /// `m.role.admin`, `m.role.security`, `m.role.moderator`, `m.role.dpo` or one of one's own.
    pub role: String,
    /// A Matrix user id.
    pub matrix_id: Option<String>,
    /// An e-mail address.
    pub email_address: Option<String>,
}

/// What [`Document::PolicyServer`] says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyServer {
    /// The Ed25519 public key, in unpadded base64.
    pub ed25519: String,
    /// Further keys; they never replace the one above.
    pub extra: Map<String, Value>,
}

impl Server {
    /// The document.
    pub fn document(&self) -> Value {
        let mut document = Map::new();
        document.insert("m.server".into(), json!(self.m_server));
        with_extra(document, &self.extra)
    }
}

impl Client {
    /// The document.
    pub fn document(&self) -> Value {
        let mut document = Map::new();
        document.insert("m.homeserver".into(), json!({ "base_url": self.base_url }));
        if let Some(base_url) = &self.identity_server {
            document.insert("m.identity_server".into(), json!({ "base_url": base_url }));
        }
        with_extra(document, &self.extra)
    }
}

impl Support {
    /// The document.
    pub fn document(&self) -> Value {
        let mut document = Map::new();
        if !self.contacts.is_empty() {
            let contacts = self.contacts.iter().map(Contact::document).collect();
            document.insert("contacts".into(), Value::Array(contacts));
        }
        if let Some(page) = &self.support_page {
            document.insert("support_page".into(), json!(page));
        }
        with_extra(document, &self.extra)
    }
}

impl Contact {
    fn document(&self) -> Value {
        let mut document = Map::new();
        document.insert("role".into(), json!(self.role));
        if let Some(id) = &self.matrix_id {
            document.insert("matrix_id".into(), json!(id));
        }
        if let Some(address) = &self.email_address {
            document.insert("email_address".into(), json!(address));
        }
        Value::Object(document)
    }
}

impl PolicyServer {
    /// The document.
    pub fn document(&self) -> Value {
        let mut document = Map::new();
        document.insert("public_keys".into(), json!({ "ed25519": self.ed25519 }));
        with_extra(document, &self.extra)
    }
}

fn with_extra(mut document: Map<String, Value>, extra: &Map<String, Value>) -> Value {
    for (key, value) in extra {
        document.entry(key).or_insert_with(|| value.clone());
    }
    Value::Object(document)
}

/// A document as it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The JSON.
    pub body: Bytes,
    /// A strong entity tag, with its quotes. It depends on the body alone, so
    /// every replica and every version says the same.
    pub etag: String,
}

impl Rendered {
    /// Serializes a document.
    pub fn new(document: &Value) -> Self {
        let body = Bytes::from(document.to_string());
        let etag = format!("\"{:016x}\"", fnv1a(&body));
        Self { body, etag }
    }
}

/// Whether an `If-None-Match` value names `etag`, so that the answer is a 304
/// (RFC 9110, 13.1.2: the comparison is weak).
pub fn is_named_by(etag: &str, if_none_match: &str) -> bool {
    if_none_match
        .split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// FNV-1a with 64 bits: stable for ever, and no peer gains by a collision.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extra(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn documents_live_at_exact_paths() {
        for document in Document::ALL {
            assert_eq!(Document::at(document.path().as_bytes()), Some(document));
        }
        for path in [
            "/.well-known/matrix/serverx",
            "/.well-known/matrix/server/",
            "/.well-known/matrix/",
            "/.well-known/matrix//server",
            "/.well-known/matrix/%73erver",
            "/.WELL-KNOWN/matrix/server",
        ] {
            assert_eq!(Document::at(path.as_bytes()), None, "{path}");
        }
    }

    #[test]
    fn typed_keys_come_first_and_extra_ones_never_replace_them() {
        let client = Client {
            base_url: "https://m.example.com".into(),
            identity_server: Some("https://id.example.com".into()),
            extra: extra(json!({ "m.homeserver": 1, "io.element.e2ee": { "default": true } })),
        };
        assert_eq!(
            client.document().to_string(),
            r#"{"m.homeserver":{"base_url":"https://m.example.com"},"m.identity_server":{"base_url":"https://id.example.com"},"io.element.e2ee":{"default":true}}"#
        );
        let server = Server {
            m_server: "m.example.com:443".into(),
            extra: extra(json!({ "org.example": 1 })),
        };
        assert_eq!(
            server.document().to_string(),
            r#"{"m.server":"m.example.com:443","org.example":1}"#
        );
    }

    #[test]
    fn what_is_not_given_is_left_out() {
        let client = Client {
            base_url: "https://m.example.com".into(),
            ..Client::default()
        };
        assert_eq!(
            client.document(),
            json!({ "m.homeserver": { "base_url": "https://m.example.com" } })
        );
        let support = Support {
            contacts: vec![Contact {
                role: "m.role.admin".into(),
                email_address: Some("a@b.c".into()),
                ..Contact::default()
            }],
            ..Support::default()
        };
        assert_eq!(
            support.document(),
            json!({ "contacts": [{ "role": "m.role.admin", "email_address": "a@b.c" }] })
        );
        let page = Support {
            support_page: Some("https://example.com/help".into()),
            ..Support::default()
        };
        assert_eq!(
            page.document(),
            json!({ "support_page": "https://example.com/help" })
        );
        let policy = PolicyServer {
            ed25519: "abc".into(),
            ..PolicyServer::default()
        };
        assert_eq!(
            policy.document(),
            json!({ "public_keys": { "ed25519": "abc" } })
        );
    }

    #[test]
    fn entity_tag_depends_on_the_bytes_alone() {
        let rendered = Rendered::new(&json!({ "m.server": "a:443" }));
        assert_eq!(&rendered.body[..], br#"{"m.server":"a:443"}"#);
        assert_eq!(
            rendered.etag,
            Rendered::new(&json!({ "m.server": "a:443" })).etag
        );
        assert_ne!(
            rendered.etag,
            Rendered::new(&json!({ "m.server": "b:443" })).etag
        );
        // Published test vectors of FNV-1a.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn if_none_match_compares_weakly_and_takes_lists() {
        let rendered = Rendered::new(&json!({}));
        let etag = rendered.etag.as_str();
        for value in [etag, "*", &format!("W/{etag}"), &format!("\"x\", {etag}")] {
            assert!(is_named_by(etag, value), "{value}");
        }
        for value in ["", "\"x\"", etag.trim_matches('"')] {
            assert!(!is_named_by(etag, value), "{value}");
        }
    }
}
