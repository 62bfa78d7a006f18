//! The limits of each site's traffic.

use std::sync::Arc;

use super::Snapshot;
use crate::config::{self, Config};
use crate::matrix::budget::Budget;
use crate::policy::traffic::{Exempt, Limits, Past, Rate};
use crate::traffic::Traffic;

/// Seconds whose requests may come at once.
const REQUESTS_AT_ONCE: u64 = 5;
/// Seconds whose bytes may be sent at once.
const BYTES_AT_ONCE: u64 = 10;

/// The traffic of each site, in their order; what `previous` has of it goes on.
pub(super) fn of_sites(config: &Config, previous: Option<&Snapshot>) -> Vec<Arc<Traffic>> {
    let of_site = |site: &config::Site| {
        let compiled = traffic(&config.traffic);
        let previous = previous.and_then(|p| p.traffic_of(site.server_name.as_str()));
        match previous {
            Some(previous) => compiled.in_place_of(previous),
            None => compiled,
        }
    };
    config.sites.iter().map(of_site).map(Arc::new).collect()
}

/// What holds for the requests of a site that nobody knows yet.
fn traffic(written: &config::Traffic) -> Traffic {
    let exempt = &written.exempt;
    let exempt = Exempt {
        origins: exempt.origins.iter().map(|name| (**name).clone()).collect(),
        networks: exempt.networks.iter().map(|net| net.net()).collect(),
    };
    let limits = |budget: Budget| limits(&written.limits(budget));
    Traffic::new(limits, exempt, written.local_first)
}

fn limits(written: &config::BudgetLimits) -> Limits {
    let rate = |per_second: u64, seconds: u64| Rate {
        per_second,
        burst: per_second.saturating_mul(seconds),
    };
    Limits {
        per_sender: written.per_sender.number(),
        in_all: written.in_all.number(),
        max_queued: written.max_queued.number(),
        max_wait: written.max_wait.duration(),
        past: match written.past {
            config::Past::Refuse => Past::Refuse,
            config::Past::Unavailable => Past::Unavailable,
            config::Past::Forward => Past::Forward,
        },
        requests: written
            .requests_per_second
            .map(|count| rate(count.number().into(), REQUESTS_AT_ONCE)),
        bytes: written
            .bytes_per_second
            .map(|size| rate(size.bytes(), BYTES_AT_ONCE)),
        max_body_size: written.max_body_size.map(config::ByteSize::bytes),
    }
}
