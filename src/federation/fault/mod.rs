//! Every fault that a check can find: what it is called, how bad it is, why it matters, and the
//! line that mends it.
//!
//! `docs/CHECK.md` is generated from these tables.

mod client;
mod discovery;
mod federation;
mod transport;

use std::fmt::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::findings::Names;

pub use client::*;
pub use discovery::*;
pub use federation::*;
pub use transport::*;

/// How bad a finding is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing, and no fault.
    Info,
    /// Works today, with some servers, or in part.
    Warning,
    /// Some server or client cannot reach this one.
    Error,
}

impl Severity {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One kind of fault.
#[derive(Debug)]
pub struct Fault {
    /// Its name, which never changes: `tls.chain.incomplete`.
    pub id: &'static str,
    /// How bad it is, where the finding itself does not know better.
    pub severity: Severity,
    /// Why it matters.
    pub why: &'static str,
    /// The line that mends it; `{names}` are those of the server.
    pub remedy: &'static str,
}

/// Declares faults as constants, and lists them.
macro_rules! faults {
    ($list:ident: $($name:ident $severity:ident $id:literal $why:literal $remedy:literal)+) => {
        $(
            #[doc = concat!("`", $id, "`: see `docs/CHECK.md`.")]
            pub const $name: Fault = Fault {
                id: $id,
                severity: Severity::$severity,
                why: $why,
                remedy: $remedy,
            };
        )+
        pub(in crate::federation) static $list: &[&Fault] = &[$(&$name),+];
    };
}
use faults;

/// Every fault, in the order of the report.
pub fn all() -> impl Iterator<Item = &'static Fault> {
    [DISCOVERY, TRANSPORT, FEDERATION, CLIENT]
        .into_iter()
        .flatten()
        .copied()
}

/// The groups of faults: the first words of their ids.
pub(super) fn groups() -> impl Iterator<Item = &'static str> {
    CHAPTERS.iter().map(|(group, _)| *group)
}

/// All of them as a Markdown document.
pub fn markdown() -> String {
    let mut text = include_str!("preamble.md").to_owned();
    let names = Names::placeholders();
    let mut chapter = "";
    for fault in all() {
        let begins = fault.id.split('.').next().unwrap_or_default();
        if begins != chapter {
            chapter = begins;
            let title = CHAPTERS.iter().find(|(name, _)| *name == chapter);
            text.push_str("\n## ");
            text.push_str(title.map_or(chapter, |(_, title)| title));
            text.push('\n');
        }
        let Fault { id, why, .. } = fault;
        let severity = fault.severity.as_str();
        let remedy = names.fill(fault.remedy);
        let _ = write!(
            text,
            "\n### `{id}`\n\n{severity}: {why}.\n\nRemedy: `{remedy}`\n"
        );
    }
    text
}

/// What the first word of an id stands for.
const CHAPTERS: &[(&str, &str)] = &[
    ("name", "The server name"),
    ("dns", "Addresses"),
    ("wk", "`/.well-known/matrix/server`"),
    ("srv", "SRV records"),
    ("addr", "Connecting"),
    ("tls", "TLS"),
    ("http", "HTTP"),
    ("ver", "The version"),
    ("key", "Signing keys"),
    ("path", "Paths"),
    ("json", "Errors"),
    ("auth", "Authorization"),
    ("limits", "Limits"),
    ("sig", "Signed requests"),
    ("client", "Clients"),
    ("support", "The support document"),
    ("fwd", "What the homeserver believes of the connection"),
    ("leak", "What should not be open"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_have_a_chapter() {
        let mut seen = HashSet::new();
        for fault in all() {
            assert!(seen.insert(fault.id), "{} comes twice", fault.id);
            let chapter = fault.id.split('.').next().unwrap();
            assert!(
                CHAPTERS.iter().any(|(name, _)| *name == chapter),
                "{chapter} has no title"
            );
            assert!(!fault.why.ends_with('.'), "{}", fault.id);
        }
    }

    #[test]
    fn every_name_in_a_remedy_is_known() {
        let names = Names::new("example.org");
        for fault in all() {
            let filled = names.fill(fault.remedy);
            let left = filled.find('{').and_then(|at| {
                let rest = filled.get(at + 1..)?;
                let end = rest.find('}')?;
                rest.get(..end)
            });
            let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(
                left.is_none_or(|text| text.is_empty() || !is_name(text)),
                "{}: {filled}",
                fault.id
            );
        }
    }

    #[test]
    fn the_document_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CHECK.md");
        let written = markdown();
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::write(path, &written).unwrap();
        }
        assert!(
            std::fs::read_to_string(path).unwrap_or_default() == written,
            "docs/CHECK.md is stale: UPDATE_REFERENCE=1 cargo test --lib the_document_is_up"
        );
    }
}
