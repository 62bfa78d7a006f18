//! `docs/METRICS.md`, written from the declarations.

use std::fmt::Write;

use super::declared::DECLARED;
use super::family::Declaration;

const INTRODUCTION: &str = "\
# Metrics

<!-- Generated from src/telemetry/metrics/declared.rs.
     Renew: UPDATE_REFERENCE=1 cargo test --lib metrics_reference -->

Vestibule shows these on the admin listener under `/metrics`, in Prometheus' text format
(by default `http://127.0.0.1:9180/metrics`). A series appears when it has been counted once.

Label values come from closed sets: names from the configuration (`site`, `upstream`, `listener`,
certificate `name`, `worker`) and fixed words (`class`, `method`, `status`, `reason`, `kind`, `version`,
`protocol`, `direction`). No user, room, token or address is ever a label. Names of other servers
are in `vestibule_origin_requests_total` alone, twenty at most at a time.
";

/// The reference of all metrics as Markdown: the text of `docs/METRICS.md`.
pub fn metrics_reference() -> String {
    let mut text = INTRODUCTION.to_owned();
    for declaration in DECLARED {
        // Writing to a string cannot fail.
        let _ = describe(&mut text, declaration);
    }
    text
}

fn describe(text: &mut String, declaration: &Declaration) -> std::fmt::Result {
    let kind = format!("{:?}", declaration.kind).to_lowercase();
    writeln!(text, "\n## `{}`\n", declaration.name)?;
    writeln!(text, "{}\n", declaration.summary())?;
    writeln!(text, "- type: {kind}")?;
    if !declaration.labels.is_empty() {
        writeln!(text, "- labels: `{}`", declaration.labels.join("`, `"))?;
    }
    if !declaration.buckets.is_empty() {
        let bounds: Vec<_> = declaration.buckets.iter().map(f64::to_string).collect();
        writeln!(text, "- buckets: {}", bounds.join(", "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_reference_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/METRICS.md");
        let fresh = metrics_reference();
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::write(path, &fresh).unwrap();
        }
        assert!(
            std::fs::read_to_string(path).is_ok_and(|text| text == fresh),
            "docs/METRICS.md is stale; run: UPDATE_REFERENCE=1 cargo test --lib metrics_reference"
        );
    }

    #[test]
    fn names_follow_the_conventions() {
        for declaration in DECLARED {
            let name = declaration.name;
            let help = declaration.summary();
            assert!(
                name.starts_with("vestibule_") || name.starts_with("process_"),
                "{name}"
            );
            let counts = format!("{:?}", declaration.kind) == "COUNTER";
            assert_eq!(name.ends_with("_total"), counts, "{name}");
            assert!(
                help.ends_with('.') && !help.contains("  "),
                "{name}: {help}"
            );
        }
    }
}
