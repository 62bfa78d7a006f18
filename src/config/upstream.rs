//! A program behind us: its address and how its certificate is checked.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use toml::de::DeValue;

use super::diagnostic::Diagnostic;
use super::section::{Section, Value};
use super::span::Spanned;
use super::value::{Host, UpstreamAddress};

/// An address alone, or a table when it is `https` with a certificate that the
/// system does not know.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(transform = super::schema::or_address)]
pub struct Upstream {
    /// `http://host:port`, `https://host[:port]` or `unix:/path`; no path, no
    /// query.
    #[schemars(example = "https://synapse.internal:8448")]
    pub url: Spanned<UpstreamAddress>,
    /// A PEM file with the certificate authorities that vouch for an `https`
    /// address, instead of the system's.
    #[schemars(title = "path", example = "/etc/vestibule/internal-ca.pem")]
    pub ca: Option<Spanned<PathBuf>>,
    /// The name that the certificate of an `https` address must carry.
    /// Default: the host of the address.
    #[schemars(example = "synapse.internal")]
    pub tls_name: Option<Host>,
}

impl Upstream {
    pub(super) fn required(
        section: &mut Section<'_>,
        key: &'static str,
        help: &str,
    ) -> Option<Self> {
        if !section.has(key) {
            section.missing_key(key, help);
        }
        let value = section.take(key)?;
        Self::read(section, value, key)
    }

    pub(super) fn read<'a>(section: &Section<'a>, value: Value<'a>, key: &str) -> Option<Self> {
        if !matches!(value.get_ref(), DeValue::Table(_)) {
            let url = section.leaf(value)?;
            return Some(Self {
                url,
                ca: None,
                tls_name: None,
            });
        }
        let mut table = section.section(value, key)?;
        let report = table.report();
        let url: Option<Spanned<UpstreamAddress>> =
            table.required("url", "url = \"https://synapse.internal:8448\"");
        let ca = table.path("ca");
        let tls_name: Option<Spanned<Host>> = table.optional("tls_name");
        table.finish();
        let url = url?;
        if !matches!(*url, UpstreamAddress::Https { .. }) {
            let ca = ca.as_ref().map(|ca| ("ca", ca.span()));
            let tls_name = tls_name.as_ref().map(|name| ("tls_name", name.span()));
            for (key, span) in [ca, tls_name].into_iter().flatten() {
                let message = format!("`{key}` means nothing without TLS");
                let help =
                    format!("write an https:// address instead of \"{url}\", or leave `{key}` out");
                report.add(Diagnostic::new(message, span).help(help));
            }
        }
        if let Some(ca) = &ca {
            report.must_be_file(ca);
        }
        Some(Self {
            url,
            ca,
            tls_name: tls_name.map(Spanned::into_inner),
        })
    }
}

impl Serialize for Upstream {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.ca.is_none() && self.tls_name.is_none() {
            return self.url.serialize(serializer);
        }
        let mut table = serializer.serialize_struct("Upstream", 3)?;
        table.serialize_field("url", &self.url)?;
        if let Some(ca) = &self.ca {
            table.serialize_field("ca", ca)?;
        }
        if let Some(tls_name) = &self.tls_name {
            table.serialize_field("tls_name", tls_name)?;
        }
        table.end()
    }
}
