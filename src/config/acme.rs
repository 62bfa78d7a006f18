//! Certificates by ACME: from whom, and how.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::section::Section;
use super::span::Spanned;
use super::value::HttpUrl;

/// What is asked where nothing is written.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// How certificates are ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Acme {
    /// Whom to ask, in this order: the next one is asked where one is out of
    /// order or does not issue. Default: Let's Encrypt. Asking one means
    /// agreeing to its terms of service.
    pub authorities: Vec<AcmeAuthority>,
    /// How the authority may check that a name is ours; of several, each try
    /// takes another one.
    #[schemars(example = ["tls-alpn-01"])]
    pub challenges: Vec<AcmeChallenge>,
    /// The kind of key that certificates are for.
    pub key_type: KeyType,
    /// Where the authority may write to, if it does such things.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(title = "mail address", example = "admin@example.com")]
    pub contact: Option<String>,
}

/// A certificate authority that speaks ACME (RFC 8555).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AcmeAuthority {
    /// The URL of its directory; `https` only.
    #[schemars(example = "https://acme-staging-v02.api.letsencrypt.org/directory")]
    pub directory: Spanned<HttpUrl>,
    /// A PEM file with the authorities that vouch for that URL, instead of the
    /// system's: for a private authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(title = "path", example = "/etc/vestibule/acme-ca.pem")]
    pub ca: Option<Spanned<PathBuf>>,
    /// The profile to order, one of those that the authority offers, such as
    /// `"shortlived"`. Default: the authority's choice; for an IP address
    /// `"shortlived"` where it is offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(title = "name", example = &"shortlived")]
    pub profile: Option<String>,
    /// The account at the authority that ours is bound to, where it asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_account: Option<ExternalAccount>,
}

/// An external account binding, as the authority gave it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExternalAccount {
    /// The key identifier.
    #[schemars(title = "id", example = "kid-1")]
    pub id: String,
    /// A file with the MAC key, in base64url.
    #[schemars(title = "path", example = "/etc/vestibule/external-account.key")]
    pub key_file: Spanned<PathBuf>,
}

/// How an authority checks that a name is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AcmeChallenge {
    /// A TLS handshake on port 443 of the name.
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    /// A request to port 80 of the name.
    #[serde(rename = "http-01")]
    Http01,
}

/// A kind of key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyType {
    /// ECDSA on P-256: small, fast, and known to every client that speaks TLS 1.2.
    #[default]
    Ecdsa,
    /// RSA with 2048 bits.
    Rsa,
}

impl Default for Acme {
    fn default() -> Self {
        Self {
            authorities: vec![AcmeAuthority::lets_encrypt()],
            challenges: vec![AcmeChallenge::TlsAlpn01, AcmeChallenge::Http01],
            key_type: KeyType::default(),
            contact: None,
        }
    }
}

impl Acme {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let authorities = section.place("authorities");
        let challenges = section.place("challenges");
        let acme = Self {
            authorities: section
                .tables("authorities", AcmeAuthority::read)
                .unwrap_or(default.authorities),
            challenges: section.list("challenges").unwrap_or(default.challenges),
            key_type: section.or("key_type", default.key_type),
            contact: section.optional("contact"),
        };
        let report = section.report();
        if let Some((span, 0)) = authorities {
            let problem = Diagnostic::new("there is no authority", Some(span));
            report.add(problem.help("leave `authorities` out for Let's Encrypt"));
        }
        if let Some((span, 0)) = challenges {
            let problem = Diagnostic::new("there is no challenge", Some(span));
            report.add(problem.help("leave `challenges` out for both"));
        }
        acme
    }
}

impl AcmeAuthority {
    fn lets_encrypt() -> Self {
        Self {
            directory: HttpUrl::fixed(LETS_ENCRYPT).into(),
            ca: None,
            profile: None,
            external_account: None,
        }
    }

    fn read(mut section: Section<'_>) -> Option<Self> {
        let report = section.report();
        let directory: Option<Spanned<HttpUrl>> =
            section.required("directory", &format!("directory = \"{LETS_ENCRYPT}\""));
        if let Some(url) = directory.as_ref().filter(|url| !url.is_https()) {
            let problem = Diagnostic::new(format!("\"{}\" is not https", **url), url.span());
            report.add(problem.help("ACME is spoken over https only (RFC 8555, 6.1)"));
        }
        let ca = section.path("ca");
        if let Some(ca) = &ca {
            report.must_be_file(ca);
        }
        let profile = section.optional("profile");
        let external_account = section.table("external_account", ExternalAccount::read);
        section.finish();
        Some(Self {
            directory: directory?,
            ca,
            profile,
            external_account: external_account.flatten(),
        })
    }
}

impl ExternalAccount {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let id = section.required("id", "id = \"the key identifier\"");
        if !section.has("key_file") {
            section.missing_key("key_file", "key_file = \"/path/to/external-account.key\"");
        }
        let key_file = section.path("key_file");
        if let Some(file) = &key_file {
            section.report().must_be_file(file);
        }
        section.finish();
        Some(Self {
            id: id?,
            key_file: key_file?,
        })
    }
}
