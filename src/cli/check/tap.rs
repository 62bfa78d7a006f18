//! The report in the Test Anything Protocol, version 14: one test for each group of checks.

use std::fmt::Write;

use crate::federation::{Outcome, Report};

/// All groups, with what was found as comments.
pub(super) fn tap(report: &Report) -> String {
    let mut text = format!("TAP version 14\n1..{}\n", report.checks.len());
    for (number, check) in report.checks.iter().enumerate() {
        let is_ok = if check.outcome == Outcome::Failed {
            "not ok"
        } else {
            "ok"
        };
        let directive = match &check.reason {
            Some(reason) => format!(" # SKIP {reason}"),
            None => String::new(),
        };
        let _ = writeln!(text, "{is_ok} {} - {}{directive}", number + 1, check.id);
        let own = report
            .findings
            .iter()
            .filter(|one| one.id.split('.').next() == Some(&check.id));
        for finding in own {
            let severity = finding.severity.as_str();
            let _ = writeln!(
                text,
                "# {severity} {}: {}",
                finding.id,
                finding.seen.join("; ")
            );
            let _ = writeln!(text, "#   fix: {}", finding.remedy);
        }
    }
    text
}
