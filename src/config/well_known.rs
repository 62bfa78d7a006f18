//! The documents below `/.well-known/matrix`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::json::JsonMap;
use super::section::Section;
use super::span::Spanned;
use super::support::Support;
use super::value::{Age, HttpUrl, InvalidValue, text_value};
use crate::matrix::ServerName;

/// The documents below `/.well-known/matrix`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WellKnown {
    /// Who answers.
    pub serve: Serve,
    /// How long clients and servers may keep the documents.
    pub max_age: Age,
    /// `/.well-known/matrix/client`: where clients find the homeserver.
    pub client: ClientDocument,
    /// `/.well-known/matrix/server`: further keys beside `m.server`, which comes
    /// from `delegate`. Keys with dots stand in quotes.
    #[serde(skip_serializing_if = "JsonMap::is_empty")]
    #[schemars(example = serde_json::json!({ "org.example.key": true }))]
    pub server: JsonMap,
    /// `/.well-known/matrix/support`: whom to ask. Default: 404.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support: Option<Support>,
    /// `/.well-known/matrix/policy_server`: the key of a policy server on this
    /// host. Default: 404.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_server: Option<PolicyServer>,
}

/// Who answers below `/.well-known/matrix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Serve {
    /// Vestibule, also while Synapse is down.
    Vestibule,
    /// Synapse (`serve_server_wellknown`, `extra_well_known_client_content`).
    Homeserver,
}

/// The client document. Any further key with a dot in it, in quotes, goes into
/// the document as it is: `"io.element.e2ee" = { default = true }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ClientDocument {
    /// `m.homeserver`: the `https://` URL that clients use. Default: the host of
    /// `delegate` with its port unless that is 443 or 8448, else the host of
    /// `server_name`.
    #[schemars(example = "https://matrix.example.com")]
    pub base_url: HttpUrl,
    /// `m.identity_server`: an `https://` URL. Default: not in the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "https://vector.im")]
    pub identity_server: Option<HttpUrl>,
    /// Further keys, as they go into the document.
    #[serde(flatten)]
    pub extra: JsonMap,
}

/// The policy server document (client-server API, "Policy Servers").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PolicyServer {
    /// The public key that the policy server signs with: unpadded base64.
    #[schemars(example = "6yhHGKhCiXTSEN2ksjV7kX/N6rBQZ3Xb+M7LlC6NS+s")]
    pub ed25519: Ed25519Key,
}

/// An Ed25519 public key as unpadded base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ed25519Key(Box<str>);

impl WellKnown {
    /// `address` is what clients use when nothing else is written.
    pub(super) fn read(mut section: Section<'_>, address: Option<&Spanned<ServerName>>) -> Self {
        let serve = section.or("serve", Serve::Vestibule);
        if serve == Serve::Homeserver {
            for key in ["server", "support", "policy_server"] {
                let message = format!("`{key}` has no effect with serve = \"homeserver\"");
                section.refuse(key, &message, "leave it out, or leave `serve` out");
            }
        }
        let well_known = Self {
            serve,
            max_age: section.or("max_age", Age::seconds(3600)),
            client: section.table_or_default("client", |keys| ClientDocument::read(keys, address)),
            server: section
                .table("server", read_server_document)
                .unwrap_or_default(),
            support: section.table("support", Support::read).flatten(),
            policy_server: section.table("policy_server", PolicyServer::read).flatten(),
        };
        section.finish();
        well_known
    }
}

impl ClientDocument {
    fn read(mut section: Section<'_>, address: Option<&Spanned<ServerName>>) -> Self {
        let help = "write base_url and identity_server";
        let typed = "is written by a key of its own";
        section.refuse("m.homeserver", &format!("`m.homeserver` {typed}"), help);
        section.refuse(
            "m.identity_server",
            &format!("`m.identity_server` {typed}"),
            help,
        );
        let base_url = https_url(&mut section, "base_url");
        let identity_server = https_url(&mut section, "identity_server");
        let extra = section.extra(|key| key.contains('.'));
        section.finish();
        Self {
            base_url: base_url.unwrap_or_else(|| default_base_url(address)),
            identity_server,
            extra,
        }
    }
}

fn default_base_url(address: Option<&Spanned<ServerName>>) -> HttpUrl {
    let Some(address) = address else {
        // The site has no name: that is already reported.
        return HttpUrl::https("localhost", None);
    };
    // 8448 speaks federation only, unless a listener says otherwise.
    let port = address.port().filter(|port| !matches!(port, 443 | 8448));
    HttpUrl::https(address.host(), port)
}

fn https_url(section: &mut Section<'_>, key: &'static str) -> Option<HttpUrl> {
    let url: Spanned<HttpUrl> = section.optional(key)?;
    let problem = match () {
        () if !url.is_https() => "is not https",
        () if url.has_query_or_fragment() => "carries a query or fragment",
        () => return Some(url.into_inner()),
    };
    let problem = Diagnostic::new(format!("\"{url}\" {problem}"), url.span());
    let help = "write an https:// URL that paths can be appended to";
    section.report().add(problem.help(help));
    None
}

fn read_server_document(mut section: Section<'_>) -> JsonMap {
    let message = "`m.server` is written by `delegate` of the site";
    let help = "write delegate = \"matrix.example.com:443\" among the keys of the site";
    section.refuse("m.server", message, help);
    let extra = section.extra(|key| key.contains('.'));
    section.finish();
    extra
}

impl PolicyServer {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let ed25519 = section.required("ed25519", "ed25519 = \"(43 letters of base64)\"");
        section.finish();
        Some(Self { ed25519: ed25519? })
    }
}

impl Ed25519Key {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Ed25519Key {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let is_base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
        if text.len() == 43 && text.bytes().all(is_base64) {
            return Ok(Self(text.into()));
        }
        Err(InvalidValue::new(
            format!("{text:?} is not an Ed25519 public key"),
            "write the 32 bytes as 43 letters of base64, without \"=\" at the end",
        ))
    }
}

impl fmt::Display for Ed25519Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(
    Ed25519Key,
    "Ed25519Key",
    "unpadded base64",
    "an Ed25519 key in base64"
);
