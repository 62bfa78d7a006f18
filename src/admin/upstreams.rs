//! The processes behind the front door, as an operator sees and drains them.

use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::answer::{Answer, JSON};
use super::budgets::Budgets;
use crate::matrix::worker::Group;
use crate::snapshot::Snapshot;
use crate::upstream::{Homeserver, Upstream};

/// A site and the processes of its homeserver.
#[derive(Debug, Serialize)]
pub(super) struct SiteState {
    pub(super) site: String,
    pub(super) upstreams: Vec<Process>,
    pub(super) traffic: Budgets,
}

/// One process.
#[derive(Debug, Serialize)]
pub(super) struct Process {
    pub(super) name: String,
    pub(super) groups: Vec<&'static str>,
    pub(super) state: &'static str,
    pub(super) drained: bool,
    /// In progress there.
    pub(super) requests: u32,
}

/// Every process of every site.
pub(super) fn sites(snapshot: &Snapshot) -> Vec<SiteState> {
    let sites = snapshot.sites.iter().filter_map(|site| {
        let homeserver = snapshot.homeserver(site.homeserver)?;
        Some(SiteState {
            site: site.name.to_string(),
            upstreams: of_homeserver(homeserver),
            traffic: Budgets::of(snapshot.traffic.get(site.homeserver.0)?),
        })
    });
    sites.collect()
}

/// `/upstreams`.
pub(super) fn list(snapshot: &Snapshot) -> Answer {
    Answer::json(&json!({ "sites": sites(snapshot) }))
}

fn of_homeserver(homeserver: &Homeserver) -> Vec<Process> {
    let main = (homeserver.main().clone(), vec![Group::Main]);
    let all = std::iter::once(main).chain(homeserver.workers_with_groups());
    let describe = |(upstream, groups): (Arc<Upstream>, Vec<Group>)| Process {
        name: upstream.name.to_string(),
        groups: groups.iter().map(|group| group.as_str()).collect(),
        state: upstream.health.state().as_str(),
        drained: upstream.health.is_drained(),
        requests: upstream.load.total(),
    };
    all.map(describe).collect()
}

/// Whether new requests go to a worker: `POST /upstreams/SITE/WORKER/drain` and `/undrain`.
pub(super) struct Drain<'r> {
    site: &'r str,
    worker: &'r str,
    is_drained: bool,
}

impl<'r> Drain<'r> {
    /// What a path asks for; `None` where it is another's.
    pub(super) fn asked(path: &'r str) -> Option<Self> {
        let segments = path.strip_prefix("/upstreams/")?.split('/');
        let [site, worker, verb] = segments.collect::<Vec<_>>().try_into().ok()?;
        let is_drained = match verb {
            "drain" => true,
            "undrain" => false,
            _ => return None,
        };
        Some(Self {
            site,
            worker,
            is_drained,
        })
    }

    /// Makes the change, and tells of it.
    pub(super) fn make(&self, snapshot: &Snapshot) -> Answer {
        let site = snapshot
            .sites
            .iter()
            .find(|known| *known.name == *self.site);
        let Some(homeserver) = site.and_then(|site| snapshot.homeserver(site.homeserver)) else {
            return unknown("site", snapshot.sites.iter().map(|s| &*s.name));
        };
        let workers = homeserver.workers_with_groups();
        let named = || workers.iter().filter(|(w, _)| *w.name == *self.worker);
        if named().next().is_none() {
            return unknown("worker", workers.iter().map(|(w, _)| &*w.name));
        }
        for (worker, _) in named() {
            if worker.health.drain(self.is_drained) {
                let (upstream, drained) = (&*worker.name, self.is_drained);
                tracing::info!(upstream, drained, "the admin listener was asked to");
            }
        }
        let body = json!({ "name": self.worker, "drained": self.is_drained });
        Answer::ok(JSON, format!("{body}\n"))
    }
}

fn unknown<'n>(what: &str, known: impl Iterator<Item = &'n str>) -> Answer {
    let known: Vec<&str> = known.collect();
    let error = format!("no such {what}; there are: {}", known.join(", "));
    Answer::error(StatusCode::NOT_FOUND, &error)
}
