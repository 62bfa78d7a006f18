//! The processes of each homeserver.

use super::upstreams::Upstreams;
use crate::config;
use crate::matrix::worker::Group;
use crate::upstream::{GroupLimits, Homeserver, Worker};

/// The homeserver of a site: its main process, and its workers by group.
pub(super) fn homeserver(written: &config::Site, upstreams: &mut Upstreams) -> Homeserver {
    let main = upstreams.process(&written.homeserver, None);
    let mut worker = |worker: &config::Worker| Worker {
        groups: worker.groups.iter().map(|name| name.group()).collect(),
        members: vec![upstreams.process(&worker.upstream, Some(worker.name.as_str()))],
    };
    let workers = written.workers.iter().map(&mut worker).collect();
    Homeserver::new(main, workers, |group| limits(written, group))
}

fn limits(written: &config::Site, group: Group) -> GroupLimits {
    let configured = written.groups.iter().find(|g| g.name.group() == group);
    let limits = configured
        .cloned()
        .unwrap_or_else(|| config::GroupLimits::of(group));
    GroupLimits {
        max_requests: limits.max_requests.number(),
        max_queued: limits.max_queued.number(),
        max_wait: limits.max_wait.duration(),
    }
}
