//! The processes behind the front door, as an operator sees and drains them.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, JSON};
use crate::matrix::worker::Group;
use crate::snapshot::Snapshot;
use crate::upstream::{Homeserver, Upstream};

/// `/upstreams`: every process of every site.
pub(super) fn list(snapshot: &Snapshot) -> Answer {
    let sites = snapshot.sites.iter().filter_map(|site| {
        let homeserver = snapshot.homeserver(site.homeserver)?;
        Some(json!({ "site": &*site.name, "upstreams": of_homeserver(homeserver) }))
    });
    let body = json!({ "sites": sites.collect::<Vec<_>>() });
    Answer::new(StatusCode::OK, JSON, format!("{body:#}\n"))
}

fn of_homeserver(homeserver: &Homeserver) -> Vec<Value> {
    let main = (homeserver.main().clone(), vec![Group::Main]);
    let all = std::iter::once(main).chain(homeserver.workers_with_groups());
    let describe = |(upstream, groups): (Arc<Upstream>, Vec<Group>)| {
        json!({
            "name": &*upstream.name,
            "groups": groups.iter().map(|group| group.as_str()).collect::<Vec<_>>(),
            "state": upstream.health.state().as_str(),
            "drained": upstream.health.is_drained(),
            "requests": upstream.load.total(),
        })
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
        Answer::new(StatusCode::OK, JSON, format!("{body}\n"))
    }
}

fn unknown<'n>(what: &str, known: impl Iterator<Item = &'n str>) -> Answer {
    let known: Vec<&str> = known.collect();
    let error = format!("no such {what}; there are: {}", known.join(", "));
    let body = json!({ "error": error });
    Answer::new(StatusCode::NOT_FOUND, JSON, format!("{body}\n"))
}
