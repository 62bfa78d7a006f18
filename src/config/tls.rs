//! Where certificates come from, and how TLS is spoken.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::acme::Acme;
use super::diagnostic::Diagnostic;
use super::section::Section;
use super::span::Spanned;

/// `tls = "acme"` or `tls = "internal"`, or a table whose `source` says where
/// they come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(transform = super::schema::source_or_table)]
pub struct Tls {
    /// Where they come from.
    #[serde(flatten)]
    pub source: CertificateSource,
    /// Certificates from files, which another program renews. A connection gets the one that names
    /// the host it asks for, else the first. With source `"acme"`, a name that none of these has at
    /// start is ordered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateFiles>,
    /// What a client gets that asks for no name, or for one that no certificate
    /// has.
    pub unknown_names: UnknownNames,
    /// A file with 32 secret bytes or more (`openssl rand -out FILE 64`), from which the keys of
    /// session tickets follow: whoever shares it resumes each other's sessions, across restarts
    /// too. A new secret is taken up within seconds, and the old one still opens what it sealed.
    /// Default: keys that are made at start and known to this process alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(title = "path", example = "/etc/vestibule/tickets.secret")]
    pub ticket_secret: Option<Spanned<PathBuf>>,
}

/// Where certificates come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum CertificateSource {
    /// Ordered and renewed by itself, for every name of the sites (ACME).
    Acme(Acme),
    /// Signed by a certificate authority of our own in the state folder: for
    /// laptops, tests and private federations that trust it.
    Internal,
    /// From files alone, those in `certificates`.
    Files,
}

/// What a client gets whose name no certificate has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownNames {
    /// The first certificate: some federation peers send no name, and it is for
    /// them to say whether a certificate will do.
    #[default]
    FirstCertificate,
    /// No connection (the TLS alert `unrecognized_name`).
    Refuse,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CertificateFiles {
    /// A PEM file: the certificate, then those that lead to the authority.
    #[schemars(
        title = "path",
        example = "/etc/letsencrypt/live/example.com/fullchain.pem"
    )]
    pub certificate: Spanned<PathBuf>,
    /// A PEM file with the private key.
    #[schemars(
        title = "path",
        example = "/etc/letsencrypt/live/example.com/privkey.pem"
    )]
    pub key: Spanned<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    Acme,
    Internal,
    Files,
}

/// Keys that mean something with one source only.
const OF_ACME: [&str; 4] = ["authorities", "challenges", "key_type", "contact"];

impl Default for Tls {
    fn default() -> Self {
        Self::of(CertificateSource::Acme(Acme::default()))
    }
}

impl Tls {
    fn of(source: CertificateSource) -> Self {
        Self {
            source,
            certificates: Vec::new(),
            unknown_names: UnknownNames::default(),
            ticket_secret: None,
        }
    }

    pub(super) fn read(root: &mut Section<'_>) -> Self {
        let Some(value) = root.take("tls") else {
            return Self::default();
        };
        if matches!(value.get_ref(), DeValue::Table(_)) {
            let section = root.section(value, "tls");
            return section.map_or_else(Self::default, Self::read_table);
        }
        let source: Option<Spanned<Source>> = root.leaf(value);
        match source.as_deref() {
            Some(Source::Internal) => Self::of(CertificateSource::Internal),
            Some(Source::Acme) | None => Self::default(),
            Some(Source::Files) => {
                let span = source.and_then(|source| source.span());
                let problem = Diagnostic::new("which files?", span);
                root.report().add(problem.help(
                    "write [tls], source = \"files\" and \
                     certificates = [{ certificate = \"/fullchain.pem\", key = \"/privkey.pem\" }]",
                ));
                Self::default()
            }
        }
    }

    fn read_table(mut section: Section<'_>) -> Self {
        let place = Some(section.span());
        let report = section.report();
        let source = section.required("source", "source = \"acme\", \"internal\" or \"files\"");
        if source == Some(Source::Internal) {
            let message = "`certificates` has no effect with source = \"internal\"";
            section.refuse(
                "certificates",
                message,
                "write source = \"files\" or \"acme\"",
            );
        }
        if matches!(source, Some(Source::Internal | Source::Files)) {
            for key in OF_ACME {
                let message = format!("`{key}` has an effect only with source = \"acme\"");
                section.refuse(key, &message, "write source = \"acme\", or leave it out");
            }
        }
        let before = report.len();
        let certificates = section.tables("certificates", CertificateFiles::read);
        let certificates = certificates.unwrap_or_default();
        if source == Some(Source::Files) && certificates.is_empty() && report.len() == before {
            let problem = Diagnostic::new("there is no certificate", place);
            report.add(problem.help(
                "write certificates = \
                 [{ certificate = \"/fullchain.pem\", key = \"/privkey.pem\" }]",
            ));
        }
        let acme = Acme::read(&mut section);
        let unknown_names = section.or("unknown_names", UnknownNames::default());
        let ticket_secret = section.path("ticket_secret");
        if let Some(file) = &ticket_secret {
            report.must_be_file(file);
        }
        section.finish();
        let source = match source {
            Some(Source::Files) => CertificateSource::Files,
            Some(Source::Internal) => CertificateSource::Internal,
            Some(Source::Acme) | None => CertificateSource::Acme(acme),
        };
        Self {
            source,
            certificates,
            unknown_names,
            ticket_secret,
        }
    }
}

impl CertificateFiles {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let certificate = required_file(&mut section, "certificate");
        let key = required_file(&mut section, "key");
        section.finish();
        Some(Self {
            certificate: certificate?,
            key: key?,
        })
    }
}

fn required_file(section: &mut Section<'_>, key: &'static str) -> Option<Spanned<PathBuf>> {
    if !section.has(key) {
        section.missing_key(key, &format!("{key} = \"/path/to/{key}.pem\""));
    }
    let file = section.path(key)?;
    section.report().must_be_file(&file);
    Some(file)
}
