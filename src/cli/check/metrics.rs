//! The last reports as Prometheus metrics.

use std::fmt::Write;
use std::time::Duration;

use crate::federation::{Finding, Report, Severity, Verdict};

/// A gauge: its name, its meaning, and its values in one report, each with further labels.
type Gauge = (
    &'static str,
    &'static str,
    fn(&Report) -> Vec<(String, f64)>,
);

/// All of them.
const GAUGES: [Gauge; 5] = [
    (
        "vestibule_check_ok",
        "Whether other servers reach this one.",
        |report| {
            vec![(
                String::new(),
                f64::from(u8::from(report.verdict != Verdict::Broken)),
            )]
        },
    ),
    (
        "vestibule_check_findings",
        "What was found, by the ids of docs/CHECK.md.",
        findings,
    ),
    (
        "vestibule_check_duration_seconds",
        "How long the check took.",
        |report| {
            vec![(
                String::new(),
                Duration::from_millis(report.took_ms).as_secs_f64(),
            )]
        },
    ),
    (
        "vestibule_check_timestamp_seconds",
        "When it was done.",
        |report| vec![(String::new(), whole(report.checked_at))],
    ),
    (
        "vestibule_check_certificate_expiry_timestamp_seconds",
        "When the first certificate expires.",
        expiry,
    ),
];

/// The text format, version 0.0.4.
pub(super) fn metrics(reports: &[Report]) -> String {
    let mut text = String::new();
    for (name, help, values) in GAUGES {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for report in reports {
            // Printable ASCII, as in the report.
            let server_name = report.server_name.replace(['"', '\\'], "_");
            for (labels, value) in values(report) {
                let _ = writeln!(
                    text,
                    "{name}{{server_name=\"{server_name}\"{labels}}} {value}"
                );
            }
        }
    }
    text
}

fn findings(report: &Report) -> Vec<(String, f64)> {
    let found = report
        .findings
        .iter()
        .filter(|finding| finding.severity > Severity::Info);
    let one = |finding: &Finding| {
        let severity = finding.severity.as_str();
        (
            format!(",id=\"{}\",severity=\"{severity}\"", finding.id),
            1.0,
        )
    };
    found.map(one).collect()
}

fn expiry(report: &Report) -> Vec<(String, f64)> {
    let leaves = report
        .connections
        .iter()
        .filter_map(|one| one.certificates.first());
    let first = leaves.map(|leaf| leaf.not_after.unsigned_abs()).min();
    first
        .map(|first| (String::new(), whole(first)))
        .into_iter()
        .collect()
}

/// Seconds since 1970 fit a double for millions of years.
#[expect(clippy::cast_precision_loss, reason = "metrics are doubles")]
fn whole(seconds: u64) -> f64 {
    seconds as f64
}
