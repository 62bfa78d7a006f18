//! What the answers of all addresses and to all senders mean together.

use super::body::{self, Useless};
use super::cache::{self, Oddity};
use super::fetch::{DeadEnd, Fetched};
use crate::federation::context::Failure;
use crate::federation::fault::{self, Severity};
use crate::federation::findings::{Findings, Names};
use crate::federation::report;
use crate::federation::url::Url;
use crate::matrix::ServerName;

/// What the document led to.
#[derive(Clone, Debug, Default)]
pub(in crate::federation) struct Outcome {
    /// What `m.server` says, where any address says so.
    pub(in crate::federation) delegated: Option<ServerName>,
    /// Whether there is none, and nobody meant to have one: 404, or no web server.
    pub(in crate::federation) is_absent: bool,
    pub(in crate::federation) report: Vec<report::WellKnown>,
    pub(in crate::federation) findings: Findings,
}

/// Judges what each address answered to Synapse, and what one of them answered to others.
pub(in crate::federation) fn judge(
    by_address: &[Fetched],
    by_agent: &[(&'static str, Fetched)],
    now: i64,
    names: &Names,
) -> Outcome {
    let mut outcome = Outcome::default();
    let answered = by_address
        .iter()
        .filter(|fetched| fetched.result.is_ok())
        .count();
    for fetched in by_address {
        let result = document(fetched);
        outcome.report.push(described(fetched, &result, now));
        if let Ok(name) = &result {
            outcome.delegated.get_or_insert_with(|| name.clone());
        }
    }
    let said: Vec<_> = by_address
        .iter()
        .filter(|one| one.result.is_ok())
        .map(word)
        .collect();
    let is_inconsistent = said.windows(2).any(|pair| pair.first() != pair.last());
    let findings = &mut outcome.findings;
    if is_inconsistent {
        let seen = by_address
            .iter()
            .filter(|one| one.result.is_ok())
            .map(|one| format!("{}: {}", one.address, word(one)));
        let seen: Vec<_> = seen.collect();
        findings.add(&fault::WK_CONSISTENT_ADDRESS, seen.join("; "), names);
    }
    let mut is_absent = true;
    for fetched in by_address {
        is_absent &= is_absence(fetched);
        let others = Others {
            answer: answered > 0 && fetched.result.is_err(),
            disagree: is_inconsistent,
        };
        judge_one(fetched, others, now, names, findings);
    }
    outcome.is_absent = is_absent;
    let Some(first) = by_address.iter().find(|fetched| fetched.result.is_ok()) else {
        return outcome;
    };
    let others = by_agent
        .iter()
        .filter(|(_, fetched)| word(fetched) != word(first));
    for (agent, fetched) in others {
        let agent = if agent.is_empty() {
            "no User-Agent"
        } else {
            agent
        };
        let seen = format!(
            "{agent} gets {}, Synapse gets {}",
            word(fetched),
            word(first)
        );
        findings.add(&fault::WK_CONSISTENT_AGENT, seen, names);
    }
    outcome
}

/// What an address or a sender is told, as one word to compare.
fn word(fetched: &Fetched) -> String {
    match document(fetched) {
        Ok(name) => name.to_string(),
        Err(Problem::Status(status)) => format!("status {status}"),
        Err(problem) => problem.to_string(),
    }
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Failure(Failure),
    #[error("the redirect ends: {0}")]
    DeadEnd(DeadEnd),
    #[error("the status is {0}")]
    Status(u16),
    #[error("{0}")]
    Useless(Useless),
}

fn document(fetched: &Fetched) -> Result<ServerName, Problem> {
    if let Some(dead_end) = &fetched.dead_end {
        return Err(Problem::DeadEnd(dead_end.clone()));
    }
    let answer = fetched
        .result
        .as_ref()
        .map_err(|failure| Problem::Failure(failure.clone()))?;
    if answer.status != 200 {
        return Err(Problem::Status(answer.status));
    }
    body::m_server(&answer.body).map_err(Problem::Useless)
}

/// Whether it looks as if nobody meant to serve the document.
fn is_absence(fetched: &Fetched) -> bool {
    match document(fetched) {
        Err(Problem::Status(404)) => fetched.hops.len() == 1,
        Err(Problem::Failure(Failure::Connect(reason))) => reason == "connection refused",
        Ok(_) | Err(_) => false,
    }
}

/// What the other addresses of the same name do.
#[derive(Clone, Copy)]
struct Others {
    answer: bool,
    disagree: bool,
}

fn judge_one(fetched: &Fetched, others: Others, now: i64, names: &Names, findings: &mut Findings) {
    let names = &names.with("address", fetched.address.to_string());
    let at = fetched.address;
    judge_redirects(fetched, names, findings);
    if let Some(untrusted) = &fetched.untrusted {
        findings.add_as(&fault::WK_TLS, Severity::Error, untrusted.clone(), names);
    }
    match document(fetched) {
        Ok(_) => {
            let Ok(answer) = &fetched.result else { return };
            let lifetime = cache::lifetime(&answer.fields, now);
            let fault = match lifetime.oddity {
                None => return,
                Some(Oddity::Short) => &fault::WK_CACHE_SHORT,
                Some(Oddity::Unreadable) => &fault::WK_CACHE_QUOTED,
                Some(Oddity::Long) => &fault::WK_CACHE_LONG,
            };
            let said = answer
                .field("cache-control")
                .or_else(|| answer.field("expires"));
            let said = crate::federation::text::printable(said.unwrap_or_default());
            let seen = format!(
                "{at} says {said:?}; Synapse makes {} s of it",
                lifetime.seconds
            );
            findings.add(fault, seen, names);
        }
        Err(Problem::DeadEnd(_)) => {}
        Err(Problem::Failure(failure)) => judge_failure(fetched, &failure, others, names, findings),
        Err(Problem::Status(_)) if is_absence(fetched) || others.disagree => {}
        Err(Problem::Status(status)) => {
            let seen = format!("{at} answers with status {status}");
            findings.add(&fault::WK_STATUS, seen, names);
        }
        Err(Problem::Useless(useless)) => {
            let mut names = names.clone();
            let fault = match &useless {
                Useless::Large => &fault::WK_BODY_LARGE,
                Useless::Json => &fault::WK_BODY_JSON,
                Useless::Missing => &fault::WK_BODY_MISSING,
                Useless::Name(text, _) => {
                    if let Some(suggestion) = body::suggestion(text) {
                        names.set("suggested", suggestion);
                    }
                    &fault::WK_BODY_NAME
                }
            };
            findings.add(fault, format!("the document from {at}: {useless}"), &names);
        }
    }
}

fn judge_failure(
    fetched: &Fetched,
    failure: &Failure,
    others: Others,
    names: &Names,
    findings: &mut Findings,
) {
    let at = fetched.address;
    let names = &names.with("port", "443");
    let seen = format!("{at} port 443: {failure}");
    let is_dead = matches!(failure, Failure::Connect(_));
    match failure {
        // The same address of a target says the same once more.
        _ if is_dead && others.answer && at.is_ipv6() => {
            findings.add(&fault::ADDR_IPV6, seen, names);
        }
        _ if is_dead && others.answer => findings.add(&fault::ADDR_DEAD, seen, names),
        Failure::Private(_) => findings.add(&fault::DNS_PRIVATE, seen, names),
        Failure::Connect(_) if is_absence(fetched) => {}
        Failure::Connect(_) | Failure::Silent(_) | Failure::Http(_) => {
            findings.add(&fault::WK_CONNECT, seen, names);
        }
        Failure::Tls(_) => {
            findings.add(&fault::WK_TLS, seen, names);
        }
    }
}

fn judge_redirects(fetched: &Fetched, names: &Names, findings: &mut Findings) {
    let at = fetched.address;
    if let Some(dead_end) = &fetched.dead_end {
        let fault = match dead_end {
            DeadEnd::Loop(_) => &fault::WK_REDIRECT_LOOP,
            DeadEnd::Limit => &fault::WK_REDIRECT_LIMIT,
            DeadEnd::Status(_) | DeadEnd::NoLocation | DeadEnd::Location(..) => {
                &fault::WK_REDIRECT_BROKEN
            }
        };
        findings.add(fault, format!("{at} redirects: {dead_end}"), names);
        return;
    }
    let redirects = || {
        fetched
            .hops
            .iter()
            .filter_map(|hop| hop.redirect.as_ref().map(|r| (&hop.url, r)))
    };
    let first = fetched.hops.first().map(|hop| &hop.url);
    let mut is_told = false;
    for (position, (url, (status, location))) in redirects().enumerate() {
        let to = url.join(location);
        if position > 0
            && Url::is_relative(location)
            && first.map(|url| url.join(location)) != Some(to.clone())
        {
            let seen =
                format!("{url} redirects to {location}, which Synapse looks for on the first host");
            findings.add(&fault::WK_REDIRECT_RELATIVE, seen, names);
            is_told = true;
        }
        if *status == 308 {
            findings.add(
                &fault::WK_REDIRECT_308,
                format!("{url} redirects with status 308"),
                names,
            );
            is_told = true;
        }
        if to.is_ok_and(|to| !to.is_https) {
            let seen = format!("{url} redirects to {location}");
            findings.add(&fault::WK_REDIRECT_HTTP, seen, names);
            is_told = true;
        }
    }
    let count = redirects().count();
    if count > 1 && !is_told {
        let seen = format!(
            "{count} redirects from {}",
            fetched
                .hops
                .first()
                .map_or_else(String::new, |hop| hop.url.to_string())
        );
        findings.add(&fault::WK_REDIRECT_CHAIN, seen, names);
    }
}

fn described(
    fetched: &Fetched,
    result: &Result<ServerName, Problem>,
    now: i64,
) -> report::WellKnown {
    let answer = fetched.result.as_ref().ok();
    let lifetime = match (result, answer) {
        (Ok(_), Some(answer)) => cache::lifetime(&answer.fields, now).seconds,
        _ => cache::FAILURE,
    };
    report::WellKnown {
        address: fetched.address.to_string(),
        status: answer.map(|answer| answer.status),
        hops: fetched.hops.iter().map(|hop| hop.url.to_string()).collect(),
        m_server: result.as_ref().ok().map(ToString::to_string),
        cached_for: Some(lifetime),
        problem: match (result, &fetched.untrusted) {
            (Err(problem), _) => Some(problem.to_string()),
            (Ok(_), untrusted) => untrusted.clone(),
        },
        took_ms: u64::try_from(fetched.took.as_millis()).unwrap_or(u64::MAX),
    }
}
