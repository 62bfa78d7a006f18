//! The names that are in use, for the metrics.

use std::collections::BTreeMap;

use crate::matrix::budget::Budget;
use crate::snapshot::Snapshot;
use crate::telemetry::{Known, Telemetry};

/// Brings what the metrics say of upstreams and budgets up to date, and ends what is counted for
/// sites, workers, upstreams, rules and lists that there are no more.
pub fn tidy_metrics(snapshot: &Snapshot, telemetry: &Telemetry) {
    let mut known = Known::default();
    // Two sites may call a worker the same.
    let mut loads: BTreeMap<String, (u32, bool)> = BTreeMap::new();
    for homeserver in &snapshot.homeservers {
        for upstream in homeserver.upstreams() {
            let (requests, is_drained) = loads.entry(upstream.name.to_string()).or_default();
            *requests += upstream.load.total();
            *is_drained |= upstream.health.is_drained();
        }
        let discovered = homeserver.discovered().into_iter();
        known
            .workers
            .extend(discovered.map(|(_, found)| found.worker.to_string()));
    }
    known
        .sites
        .extend(snapshot.sites.iter().map(|site| site.name.to_string()));
    known.upstreams.extend(loads.keys().cloned());
    let of_routes = snapshot.upstreams.iter();
    known
        .upstreams
        .extend(of_routes.map(|upstream| upstream.name.to_string()));
    let rules = snapshot.origin_rules.load();
    known
        .rules
        .extend(rules.names_of_rules().map(str::to_owned));
    known
        .lists
        .extend(rules.lists.iter().map(|list| list.name.to_string()));
    telemetry.keep(&known);
    for site in snapshot.sites.iter() {
        let Some(traffic) = snapshot.traffic.get(site.homeserver.0) else {
            continue;
        };
        telemetry.federation_share(&site.name, traffic.share());
        for budget in Budget::ALL {
            let now = traffic.allowance(*budget);
            let requests = [now.active, now.waiting, now.in_all];
            telemetry.budget(&site.name, budget.as_str(), requests);
        }
    }
    for (name, (requests, is_drained)) in &loads {
        telemetry.upstream_load(name, *requests, *is_drained);
    }
}
