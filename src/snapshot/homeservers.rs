//! The processes of each homeserver.

use super::upstreams::Upstreams;
use crate::config::{self, Discover, UpstreamAddress};
use crate::matrix::worker::Group;
use crate::upstream::{Discovered, GroupLimits, Homeserver, Records, Worker};

/// The homeserver of a site: its main process, and its workers by group.
pub(super) fn homeserver(written: &config::Site, upstreams: &mut Upstreams) -> Homeserver {
    let main = upstreams.process(&written.homeserver, None);
    let mut worker = |worker: &config::Worker| {
        let name = worker.name.as_str();
        let discovered = discovered(worker);
        Worker {
            groups: worker.groups.iter().map(|name| name.group()).collect(),
            members: match &discovered {
                None => vec![upstreams.process(&worker.upstream, Some(name))],
                // Until DNS has answered there is nobody.
                Some(_) => Vec::new(),
            },
            discovered,
        }
    };
    let workers = written.workers.iter().map(&mut worker).collect();
    Homeserver::new(main, workers, |group| limits(written, group))
}

fn discovered(written: &config::Worker) -> Option<Discovered> {
    let UpstreamAddress::Http { host, port } = &*written.upstream.url else {
        return None;
    };
    let records = match written.discover {
        Discover::Off => return None,
        Discover::Addresses => Records::Addresses { port: *port },
        Discover::Srv => Records::Srv,
    };
    Some(Discovered {
        worker: written.name.as_str().into(),
        host: host.as_str().into(),
        records,
    })
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
