//! The tasks that look after the processes of homeservers.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::snapshot::Snapshot;
use crate::telemetry::Telemetry;
use crate::upstream::Pool;
use crate::upstream::health::{Checker, keep_watch};

/// Starts a watch on every process. They end when the set is dropped.
pub(super) fn start(snapshot: &Snapshot, telemetry: &Arc<Telemetry>) -> JoinSet<()> {
    let checker = Checker {
        pool: Pool::new(),
        deadlines: snapshot.deadlines,
        checks: snapshot.checks,
        telemetry: telemetry.clone(),
    };
    let mut watches = JoinSet::new();
    for homeserver in &snapshot.homeservers {
        let upstreams = homeserver.upstreams();
        let mut seen = HashSet::new();
        let is_alone = upstreams.len() == 1;
        for upstream in upstreams {
            if seen.insert(Arc::as_ptr(&upstream)) {
                watches.spawn(keep_watch(upstream, checker.clone(), is_alone));
            }
        }
    }
    watches
}
