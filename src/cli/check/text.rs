//! The report for a person: read in ten seconds.

use crate::federation::{
    Connection, Finding, Outcome, Report, Severity, SrvRecord, Verdict, WellKnown,
};

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const GREEN: &str = "\x1b[1;32m";
const BLUE: &str = "\x1b[1;34m";
const RESET: &str = "\x1b[0m";

/// What is wrong, why, and the line that mends it; then what was seen.
pub(super) fn text(report: &Report, is_coloured: bool) -> String {
    let mut text = String::new();
    let paint = |colour: &'static str, words: &str| {
        if is_coloured {
            format!("{colour}{words}{RESET}")
        } else {
            words.to_owned()
        }
    };
    let verdict = match report.verdict {
        Verdict::Healthy => paint(GREEN, "federation works"),
        Verdict::Warnings => paint(YELLOW, "federation works, with warnings"),
        Verdict::Broken => paint(RED, "federation is broken"),
    };
    let seconds = Seconds(report.took_ms);
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    line(format!(
        "{}: {verdict} {}",
        paint(BOLD, &report.server_name),
        paint(DIM, &format!("({seconds})"))
    ));
    for Finding {
        id,
        severity,
        seen,
        why,
        remedy,
    } in &report.findings
    {
        let colour = match severity {
            Severity::Error => RED,
            Severity::Warning => YELLOW,
            Severity::Info => BLUE,
        };
        line(String::new());
        line(format!(
            "{} {}",
            paint(colour, severity.as_str()),
            paint(BOLD, id)
        ));
        for one in seen {
            line(format!("   seen  {one}"));
        }
        line(format!("    why  {why}"));
        line(format!("    fix  {}", paint(BOLD, remedy)));
    }
    line(String::new());
    for one in way(report) {
        line(paint(DIM, &one));
    }
    text
}

/// The way that was taken, step by step.
fn way(report: &Report) -> Vec<String> {
    let discovery = &report.discovery;
    let steps = discovery
        .steps
        .iter()
        .map(|step| format!("step {:<4} {}", step.number, step.outcome));
    let mut lines: Vec<String> = steps.collect();
    lines.extend(discovery.well_known.iter().map(well_known));
    for srv in &discovery.srv {
        let record = |record: &SrvRecord| {
            let SrvRecord {
                priority,
                weight,
                port,
                target,
            } = record;
            let kept = kept(srv.ttl.map(u64::from));
            format!(
                "  {} SRV {priority} {weight} {port} {target}{kept}",
                srv.name
            )
        };
        lines.extend(srv.records.iter().map(record));
    }
    for target in &discovery.targets {
        if let Some(ttl) = target.ttl {
            let count = target.addresses.len();
            let plural = if count == 1 { "" } else { "es" };
            let host = &target.host;
            let kept = kept(Some(ttl.into()));
            lines.push(format!("  {host:<24} {count} address{plural}{kept}"));
        }
    }
    lines.extend(report.connections.iter().map(connection));
    if let Some(version) = &report.version {
        lines.push(format!("homeserver {} {}", version.name, version.version));
    }
    if let Some(notary) = &report.notary {
        let count = notary.keys.len();
        let plural = if count == 1 { "" } else { "s" };
        let said = match &notary.problem {
            Some(problem) => problem.clone(),
            None => format!("knows {count} signing key{plural}"),
        };
        lines.push(format!("notary     {} {said}", notary.name));
    }
    if let Some(base_url) = &report.client_base_url {
        lines.push(format!("clients    {base_url}"));
    }
    for (word, outcome) in [("passed", Outcome::Passed), ("skipped", Outcome::Skipped)] {
        let ids = report
            .checks
            .iter()
            .filter(|check| check.outcome == outcome);
        let ids: Vec<_> = ids.map(|check| check.id.as_str()).collect();
        if !ids.is_empty() {
            lines.push(format!("{word:<10} {}", ids.join(" ")));
        }
    }
    lines
}

fn well_known(known: &WellKnown) -> String {
    let said = match (&known.m_server, &known.problem) {
        (Some(m_server), None) => format!("m.server {m_server}"),
        (Some(m_server), Some(problem)) => format!("m.server {m_server}; {problem}"),
        (None, problem) => problem.clone().unwrap_or_default(),
    };
    let kept = kept(known.cached_for);
    let way = match known.hops.len() {
        0 | 1 => String::new(),
        _ => format!(", by way of {}", known.hops.join(" -> ")),
    };
    format!("  {:<24} {said}{kept}{way}", known.address)
}

fn kept(seconds: Option<u64>) -> String {
    seconds.map_or_else(String::new, |seconds| format!(", kept for {seconds} s"))
}

fn connection(one: &Connection) -> String {
    let tls = one.tls_version.as_deref().unwrap_or("no TLS");
    let count = one.keys.len();
    let plural = if count == 1 { "" } else { "s" };
    let said = match &one.problem {
        Some(problem) => problem.clone(),
        None => format!("{tls}, {count} signing key{plural}"),
    };
    format!("  {:<24} {said}", one.address)
}

/// Milliseconds, shown as seconds.
struct Seconds(u64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{} s", self.0 / 1000, self.0 % 1000 / 100)
    }
}
