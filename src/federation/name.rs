//! Is it a server name, and a good one?

use super::fault;
use super::findings::{Findings, Names};
use super::text::printable;
use crate::matrix::ServerName;

/// The server name that was meant, and what is odd about how it was written.
pub(super) fn judge(text: &str) -> (Option<ServerName>, Findings) {
    let shown = printable(text);
    let names = Names::new(&shown);
    let mut findings = Findings::default();
    let bare = match text.strip_suffix('.') {
        Some(bare) if !bare.is_empty() => {
            findings.add(
                &fault::NAME_TRAILING_DOT,
                format!("{shown} ends with a dot"),
                &names,
            );
            bare
        }
        _ => text,
    };
    let name: ServerName = match bare.parse() {
        Ok(name) => name,
        Err(reason) => {
            findings.add(&fault::NAME_INVALID, format!("{shown:?}: {reason}"), &names);
            return (None, findings);
        }
    };
    if name.as_str() != bare {
        findings.add(
            &fault::NAME_CASE,
            format!("{shown} has capital letters"),
            &names,
        );
    }
    if let Some(port) = name.port() {
        findings.add(
            &fault::NAME_PORT,
            format!("{shown} has the port {port}"),
            &names,
        );
    }
    (Some(name), findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged() {
        for (text, ids) in [
            ("example.org", &[][..]),
            ("Example.org", &["name.case"]),
            ("example.org.", &["name.trailing_dot"]),
            ("example.org:8448", &["name.port"]),
            ("a_b.org", &["name.invalid"]),
            ("https://example.org", &["name.invalid"]),
            ("", &["name.invalid"]),
            ("\x1b[2J", &["name.invalid"]),
        ] {
            let (_, findings) = judge(text);
            let found: Vec<_> = findings
                .into_sorted()
                .into_iter()
                .map(|one| one.id)
                .collect();
            assert_eq!(found, ids, "{text}");
        }
    }
}
