//! What all observations mean together: each fault once, by its cause.

use super::context::Failure;
use super::discovery::Discovered;
use super::fault::{self, Severity};
use super::findings::{Finding, Findings, Names};
use super::probe::address::Reached;
use super::probe::client;
use super::report::{Check, Outcome, Report};

/// The names that discovery brought.
pub(super) fn names_of(discovered: &Discovered, names: &Names) -> Names {
    let mut names = names.clone();
    let plan = &discovered.plan;
    names.set("tls_name", plan.tls_name.clone());
    names.set("delegated", plan.tls_name.clone());
    names.set("host_header", plan.host_header.clone());
    if let Some(target) = discovered.targets.first() {
        names.set("target", format!("{}:{}", target.host, target.port));
        names.set("port", target.port.to_string());
        names.set("asked", target.host.clone());
        let addresses = target.addresses.found.iter().map(ToString::to_string);
        names.set("addresses", addresses.collect::<Vec<_>>().join(", "));
    }
    names
}

/// Puts everything together.
pub(super) fn conclude(
    discovered: &Discovered,
    reached: &[Reached],
    of_api: Findings,
    client: client::Checked,
    names: &Names,
) -> Findings {
    let names = &names_of(discovered, names);
    let mut findings = Findings::default();
    let mut of_server = Findings::default();
    for one in reached {
        of_server.extend(one.findings.clone());
    }
    judge_dead(discovered, reached, names, &mut of_server);
    judge_consistency(reached, names, &mut of_server);
    of_server.extend(of_api);
    let is_broken = !of_server.are_harmless();
    let has_cause = discovered
        .well_known
        .as_ref()
        .is_some_and(|outcome| !outcome.is_absent && outcome.delegated.is_none());
    // A broken document sends everybody to port 8448, and what is wrong there follows from it.
    if has_cause && is_broken {
        findings.extend(raised(discovered.findings.clone()));
    } else {
        findings.extend(discovered.findings.clone());
        // Where no look-up is answered, that is one fault.
        if findings.has("dns.failed") {
            findings.remove(&fault::SRV_FAILED);
        }
        findings.extend(of_server);
    }
    join_clients(&mut findings, reached, client);
    findings
}

/// A broken `.well-known` that nothing makes up for.
fn raised(findings: Findings) -> Findings {
    let mut raised = Findings::default();
    let is_cause =
        |finding: &Finding| finding.id.starts_with("wk.") && !finding.id.starts_with("wk.cache");
    for mut finding in findings.into_sorted() {
        if is_cause(&finding) {
            finding.severity = Severity::Error;
        }
        raised.insert(finding);
    }
    raised
}

/// Addresses that nobody answers at.
fn judge_dead(
    discovered: &Discovered,
    reached: &[Reached],
    names: &Names,
    findings: &mut Findings,
) {
    let is_dead = |one: &Reached| matches!(one.failure, Some(Failure::Connect(_)));
    let lives = |one: &Reached| !is_dead(one) && !matches!(one.failure, Some(Failure::Private(_)));
    let some_live = reached.iter().any(lives);
    let is_delegated = is_delegated(discovered);
    let name = &discovered.plan.tls_name;
    if !some_live && is_delegated && discovered.is_port_implied && reached.iter().any(is_dead) {
        let seen = format!("m.server is {name}, without a port, and nobody answers on 8448");
        findings.add(&fault::WK_BODY_PORT, seen, names);
        return;
    }
    for one in reached {
        let at = one.place.address;
        let names = names
            .with("address", at.ip().to_string())
            .with("port", at.port().to_string());
        if matches!(one.failure, Some(Failure::Private(_))) {
            let is_literal = name.parse::<std::net::IpAddr>().is_ok();
            let fault = if is_literal && is_delegated {
                &fault::WK_BODY_PRIVATE
            } else {
                &fault::DNS_PRIVATE
            };
            findings.add(fault, format!("{at} is a private address"), &names);
        } else if let Some(Failure::Connect(reason)) = &one.failure {
            // Where this machine has no IPv6, nothing is known.
            let is_unknown = at.is_ipv6() && some_live && reason.ends_with("from here");
            let fault = if at.is_ipv6() && some_live {
                &fault::ADDR_IPV6
            } else {
                &fault::ADDR_DEAD
            };
            if !is_unknown {
                findings.add(fault, format!("{at}: {reason}"), &names);
            }
        }
    }
}

fn is_delegated(discovered: &Discovered) -> bool {
    let outcome = discovered.well_known.as_ref();
    outcome.is_some_and(|outcome| outcome.delegated.is_some())
}

fn judge_consistency(reached: &[Reached], names: &Names, findings: &mut Findings) {
    let with_keys = reached.iter().filter(|one| one.has_keys);
    let keys: Vec<_> = with_keys
        .map(|one| (one.place.address, &one.connection.keys))
        .collect();
    let differs = keys.windows(2).any(|pair| match pair {
        [(_, left), (_, right)] => left != right,
        _ => false,
    });
    if differs {
        let seen = keys.iter().map(|(address, keys)| {
            let ids: Vec<_> = keys.keys().map(String::as_str).collect();
            format!("{address} has {}", ids.join(", "))
        });
        findings.add(
            &fault::KEY_CONSISTENT,
            seen.collect::<Vec<_>>().join("; "),
            names,
        );
    }
}

/// What clients see, without what follows from the faults that servers see.
fn join_clients(findings: &mut Findings, reached: &[Reached], client: client::Checked) {
    let is_same_place = client.base.as_ref().is_some_and(|base| {
        reached
            .iter()
            .any(|one| one.place.address.ip() == base.address.ip())
    });
    let follows = |id: &str, findings: &Findings| match id {
        "client.wk.status" => findings.has("wk.status") || findings.has("wk.consistent"),
        "client.wk.json" => findings.has("wk.body"),
        _ => false,
    };
    for finding in client.of_documents.into_sorted() {
        if !follows(&finding.id, findings) {
            findings.insert(finding);
        }
    }
    let is_down = [
        "http.",
        "tls.plain",
        "tls.handshake",
        "addr.dead",
        "path.prefix",
        "auth.",
        "key.json",
    ]
    .iter()
    .any(|prefix| findings.has(prefix));
    for finding in client.of_base.into_sorted() {
        let is_leak = finding.id.starts_with("leak.");
        if is_leak || !(is_same_place && is_down) {
            findings.insert(finding);
        }
    }
}

/// The groups of tests, and how each ended.
pub(super) fn groups(report: &Report, is_signed: bool) -> Vec<Check> {
    let has_keys = report.connections.iter().any(|one| !one.keys.is_empty());
    let has_tls = report
        .connections
        .iter()
        .any(|one| one.tls_version.is_some());
    let group = |id: &str| {
        let of_group = report
            .findings
            .iter()
            .filter(|finding| finding.id.split('.').next() == Some(id));
        let worst = of_group.map(|finding| finding.severity).max();
        let reason = match id {
            "wk" if report.discovery.well_known.is_empty() => {
                Some("the server name rules it out, or has no address")
            }
            "srv" if report.discovery.srv.is_empty() => Some("the port is known"),
            "tls" | "http" | "key" if !has_tls => Some("no address was reached"),
            "sig" if !is_signed => Some("no --signing-key was given"),
            "ver" | "path" | "json" | "auth" | "limits" | "leak" | "sig" if !has_keys => {
                Some("no address answered with signing keys")
            }
            "client" | "support" | "fwd" if report.client_base_url.is_none() => {
                Some("no client document leads anywhere")
            }
            _ => None,
        };
        let (outcome, reason) = match (worst, reason) {
            (Some(Severity::Error), _) => (Outcome::Failed, None),
            (Some(Severity::Warning), _) => (Outcome::Warned, None),
            (_, Some(reason)) => (Outcome::Skipped, Some(reason.to_owned())),
            (Some(Severity::Info) | None, None) => (Outcome::Passed, None),
        };
        Check {
            id: id.to_owned(),
            outcome,
            reason,
        }
    };
    fault::groups().map(group).collect()
}
