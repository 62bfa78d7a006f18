//! Server discovery (server-server API, "Resolving server names"), as far as possible at once.

mod judge;
pub(super) mod plan;

use std::net::IpAddr;

use futures_util::future::join_all;

use self::plan::{Plan, Way};
use super::context::Context;
use super::dns::{Addresses, Services};
use super::findings::{Findings, Names};
use super::http::AGENT;
use super::report;
use super::well_known::{self, Fetched, Outcome, Wanted};
use crate::matrix::ServerName;

/// Who else fetches the document: what turns one of them away turns away a part of the federation.
const AGENTS: [&str; 4] = [
    "Go-http-client/1.1",
    "",
    "matrix-federation-tester",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
];
/// Most addresses of one name that are asked.
const MOST_ADDRESSES: usize = 8;
/// Most hosts that are connected to.
const MOST_TARGETS: usize = 6;

/// As whom the document is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agents {
    /// As Synapse only.
    Own,
    /// As several implementations, to compare.
    All,
}

/// A host to connect to, with what DNS says of it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) addresses: Addresses,
    /// Whether it is DNS that says so.
    pub(super) is_looked_up: bool,
}

/// Where discovery led.
#[derive(Debug)]
pub(super) struct Discovered {
    pub(super) plan: Plan,
    pub(super) targets: Vec<Target>,
    /// What `.well-known` led to; `None` where it is not asked.
    pub(super) well_known: Option<Outcome>,
    /// Whether the port is 8448 because nothing says otherwise.
    pub(super) is_port_implied: bool,
    pub(super) report: report::Discovery,
    pub(super) findings: Findings,
}

/// Follows a server name to the hosts that answer for it.
pub(super) async fn discover(
    context: &Context,
    name: &ServerName,
    agents: Agents,
    now: i64,
    names: &Names,
) -> Discovered {
    let mut report = report::Discovery::default();
    let mut findings = Findings::default();
    let mut well_known = None;
    if name.ip().is_none() && name.port().is_none() {
        let outcome = fetch_well_known(context, name, agents, now, names).await;
        report.well_known.clone_from(&outcome.report);
        report.steps.push(judge::well_known_step(&outcome));
        findings.extend(outcome.findings.clone());
        well_known = Some(outcome);
    }
    let delegated = well_known
        .as_ref()
        .and_then(|outcome| outcome.delegated.as_ref());
    let plan = plan::plan(name, delegated);
    let (mut fed, mut old) = (Vec::new(), Vec::new());
    if plan.way == Way::Services {
        let host = &plan.tls_name;
        let asked = (
            format!("_matrix-fed._tcp.{host}"),
            format!("_matrix._tcp.{host}"),
        );
        let (of_fed, of_old) =
            tokio::join!(services(context, &asked.0), services(context, &asked.1));
        judge::services(
            (&asked.0, &of_fed),
            (&asked.1, &of_old),
            names,
            &mut findings,
        );
        report.srv = vec![
            judge::described(asked.0, &of_fed),
            judge::described(asked.1, &of_old),
        ];
        (fed, old) = (of_fed.found, of_old.found);
    }
    let (places, step) = plan::places(&plan, &fed, &old);
    report.steps.push(judge::last_step(step, &places));
    let targets = join_all(
        places
            .into_iter()
            .take(MOST_TARGETS)
            .map(|place| look_up(context, place)),
    );
    let targets = targets.await;
    let has_services = !fed.is_empty() || !old.is_empty();
    judge::targets(&targets, has_services, names, &mut findings);
    report.host_header.clone_from(&plan.host_header);
    report.tls_name.clone_from(&plan.tls_name);
    report.targets = targets.iter().map(judge::described_target).collect();
    let is_port_implied = plan.way == Way::Services && !has_services;
    Discovered {
        plan,
        targets,
        well_known,
        is_port_implied,
        report,
        findings,
    }
}

async fn look_up(context: &Context, (host, port): (String, u16)) -> Target {
    let _probe = context.probe().await;
    let addresses = context.dns.addresses(&host, port).await;
    let is_literal = host.starts_with('[') || host.parse::<IpAddr>().is_ok();
    Target {
        is_looked_up: !is_literal && !context.dns.is_told(&host, port),
        host,
        port,
        addresses,
    }
}

async fn services(context: &Context, name: &str) -> Services {
    let _probe = context.probe().await;
    context.dns.services(name).await
}

async fn fetch_well_known(
    context: &Context,
    name: &ServerName,
    agents: Agents,
    now: i64,
    names: &Names,
) -> Outcome {
    let host = name.host();
    let addresses = context.dns.addresses(host, 443).await;
    let addresses: Vec<IpAddr> = addresses.found.into_iter().take(MOST_ADDRESSES).collect();
    let Some(first) = addresses.first().copied() else {
        return Outcome {
            is_absent: true,
            ..Outcome::default()
        };
    };
    let wanted = Wanted {
        host,
        path: well_known::PATH,
        agent: AGENT,
        is_browser: false,
    };
    let by_address = addresses
        .iter()
        .map(|address| well_known::fetch(context, wanted, *address, now));
    // Where the first address is dead, all of these are too, and tell nothing.
    let agents: &[&str] = match agents {
        Agents::Own => &[],
        Agents::All => &AGENTS,
    };
    let by_agent = agents.iter().map(|agent| async move {
        let wanted = Wanted { agent, ..wanted };
        (*agent, well_known::fetch(context, wanted, first, now).await)
    });
    let (by_address, by_agent) = tokio::join!(join_all(by_address), join_all(by_agent));
    let is_answered = |fetched: &Fetched| fetched.result.is_ok();
    let by_agent = if by_address.first().is_some_and(is_answered) {
        by_agent
    } else {
        Vec::new()
    };
    well_known::judge(&by_address, &by_agent, now, names)
}
