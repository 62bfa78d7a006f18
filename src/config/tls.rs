//! Where certificates come from.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::diagnostic::Diagnostic;
use super::section::Section;
use super::span::Spanned;

/// `tls = "internal"`, or a table whose `source` says where they come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "source", rename_all = "snake_case")]
#[schemars(transform = super::schema::source_or_table)]
pub enum Tls {
    /// Signed by a certificate authority of our own in the state folder: for
    /// laptops, tests and private federations that trust it.
    Internal,
    /// From files, which another program renews.
    Files {
        /// The certificates. A connection gets the one that names the host it
        /// asks for, else the first.
        certificates: Vec<CertificateFiles>,
    },
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

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    Internal,
    Files,
}

impl Tls {
    pub(super) fn read(root: &mut Section<'_>) -> Self {
        let Some(value) = root.take("tls") else {
            return Self::Internal;
        };
        if matches!(value.get_ref(), DeValue::Table(_)) {
            let section = root.section(value, "tls");
            return section.map_or(Self::Internal, Self::read_table);
        }
        let source: Option<Spanned<Source>> = root.leaf(value);
        if let Some(source) = source.filter(|source| matches!(**source, Source::Files)) {
            let problem = Diagnostic::new("which files?", source.span());
            root.report().add(problem.help(
                "write [tls], source = \"files\" and \
                 certificates = [{ certificate = \"/fullchain.pem\", key = \"/privkey.pem\" }]",
            ));
        }
        Self::Internal
    }

    fn read_table(mut section: Section<'_>) -> Self {
        let place = Some(section.span());
        let report = section.report();
        let source = section.required("source", "source = \"internal\" or \"files\"");
        if let Some(Source::Internal) = source {
            let message = "`certificates` has no effect with source = \"internal\"";
            section.refuse("certificates", message, "write source = \"files\"");
        }
        let before = report.len();
        let certificates = section.tables("certificates", CertificateFiles::read);
        let certificates = certificates.unwrap_or_default();
        section.finish();
        match source {
            Some(Source::Files) => {
                if certificates.is_empty() && report.len() == before {
                    let problem = Diagnostic::new("there is no certificate", place);
                    report.add(problem.help(
                        "write certificates = \
                         [{ certificate = \"/fullchain.pem\", key = \"/privkey.pem\" }]",
                    ));
                }
                Self::Files { certificates }
            }
            Some(Source::Internal) | None => Self::Internal,
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
