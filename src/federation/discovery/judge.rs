//! What is odd about SRV records and addresses.

use std::net::IpAddr;

use super::Target;
use crate::federation::dns::Services;
use crate::federation::fault;
use crate::federation::findings::{Findings, Names};
use crate::federation::report::{self, Srv, Step};
use crate::federation::srv;
use crate::federation::text::printable;
use crate::federation::well_known::Outcome;

/// Judges the records of both names.
pub(super) fn services(
    (fed_name, fed): (&str, &Services),
    (old_name, old): (&str, &Services),
    names: &Names,
    findings: &mut Findings,
) {
    for (name, services) in [(fed_name, fed), (old_name, old)] {
        let names = names.with("asked", name);
        if let Some(failure) = &services.failure {
            findings.add(&fault::SRV_FAILED, format!("{name}: {failure}"), &names);
        }
        if srv::is_refusal(&services.found) {
            findings.add(
                &fault::SRV_DOT,
                format!("{name} has the target `.`"),
                &names,
            );
        }
    }
    let delegated = fed_name.trim_start_matches("_matrix-fed._tcp.");
    let names = names.with("delegated", delegated);
    if fed.found.is_empty() && fed.failure.is_none() && !old.found.is_empty() {
        let seen = format!("{old_name} exists, {fed_name} does not");
        findings.add(&fault::SRV_DEPRECATED, seen, &names);
    }
    let have_both = !fed.found.is_empty() && !old.found.is_empty();
    if have_both && !srv::lead_to_the_same(&fed.found, &old.found) {
        let seen = format!("{fed_name} and {old_name} have different targets");
        findings.add(&fault::SRV_DIFFER, seen, &names);
    }
}

/// Judges the addresses of the hosts that others connect to.
pub(super) fn targets(
    targets: &[Target],
    are_services: bool,
    names: &Names,
    findings: &mut Findings,
) {
    for target in targets {
        let host = printable(&target.host);
        let names = names
            .with("asked", host.clone())
            .with("delegated", host.clone());
        if are_services && target.addresses.is_alias {
            let seen = format!("the target {host} of an SRV record is a CNAME");
            findings.add(&fault::SRV_CNAME, seen, &names);
        }
        let found = &target.addresses.found;
        if target.is_looked_up && !found.is_empty() && !found.iter().any(IpAddr::is_ipv6) {
            let seen = format!("{host} has no AAAA record");
            findings.add(&fault::ADDR_NO_IPV6, seen, &names);
        }
        if !found.is_empty() {
            continue;
        }
        match &target.addresses.failure {
            Some(failure) => findings.add(&fault::DNS_FAILED, format!("{host}: {failure}"), &names),
            None => {
                findings.add(
                    &fault::DNS_NONE,
                    format!("{host} has no A or AAAA record"),
                    &names,
                );
            }
        }
    }
}

/// Step 3, whatever came of it.
pub(super) fn well_known_step(outcome: &Outcome) -> Step {
    let outcome = match (&outcome.delegated, outcome.is_absent) {
        (Some(name), _) => format!("/.well-known/matrix/server delegates to {name}"),
        (None, true) if outcome.report.is_empty() => {
            "nobody can be asked for /.well-known/matrix/server: no address was found".to_owned()
        }
        (None, true) => "there is no /.well-known/matrix/server".to_owned(),
        (None, false) => {
            "/.well-known/matrix/server is of no use, so it counts as absent".to_owned()
        }
    };
    Step {
        number: "3".to_owned(),
        outcome,
    }
}

/// The step that found the hosts.
pub(super) fn last_step(number: &str, places: &[(String, u16)]) -> Step {
    let places: Vec<_> = places
        .iter()
        .map(|(host, port)| format!("{}:{port}", printable(host)))
        .collect();
    let outcome = if places.is_empty() {
        "nobody answers for this server".to_owned()
    } else {
        format!("connect to {}", places.join(", "))
    };
    Step {
        number: number.to_owned(),
        outcome,
    }
}

/// A look-up as the report shows it.
pub(super) fn described(name: String, services: &Services) -> Srv {
    Srv {
        name,
        records: services.found.clone(),
        problem: services.failure.clone(),
        ttl: services.ttl,
    }
}

/// A host as the report shows it.
pub(super) fn described_target(target: &Target) -> report::Target {
    report::Target {
        host: printable(&target.host),
        port: target.port,
        addresses: target
            .addresses
            .found
            .iter()
            .map(ToString::to_string)
            .collect(),
        ttl: target.addresses.ttl,
    }
}
