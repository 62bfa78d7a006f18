//! The tasks that look after the processes of homeservers: whether they are well, and who they
//! are where DNS names them.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::{AbortHandle, JoinSet};

use crate::admin::tidy_metrics;
use crate::snapshot::Snapshot;
use crate::telemetry::Telemetry;
use crate::upstream::health::{Checker, keep_watch};
use crate::upstream::{
    Address, Discovery, Health, Homeserver, Member, NoResolver, Pool, Upstream, system_resolver,
};

/// From one look at the metrics to the next. A scrape looks too.
const TIDY: Duration = Duration::from_mins(1);

/// Starts a watch on every process. They end when the set is dropped.
pub(super) fn start(
    current: &Arc<ArcSwap<Snapshot>>,
    telemetry: &Arc<Telemetry>,
) -> Result<JoinSet<()>, NoResolver> {
    let snapshot = current.load();
    let checker = Checker {
        pool: Pool::new(),
        deadlines: snapshot.deadlines,
        checks: snapshot.checks,
        telemetry: telemetry.clone(),
    };
    let mut watches = JoinSet::new();
    watches.spawn(tidy(current.clone(), telemetry.clone()));
    for homeserver in &snapshot.homeservers {
        let upstreams = homeserver.upstreams();
        let discovered = homeserver.discovered();
        let is_alone = upstreams.len() == 1 && discovered.is_empty();
        for upstream in upstreams {
            watches.spawn(keep_watch(upstream, checker.clone(), is_alone));
        }
        for (index, found) in discovered {
            let discovery = Discovery::new(
                system_resolver()?,
                found.worker,
                &found.host,
                found.records,
                telemetry.clone(),
            );
            watches.spawn(follow(
                homeserver.clone(),
                index,
                discovery,
                checker.clone(),
            ));
        }
    }
    Ok(watches)
}

/// Forgets, now and then, what is counted for processes that are no more.
async fn tidy(snapshot: Arc<ArcSwap<Snapshot>>, telemetry: Arc<Telemetry>) {
    loop {
        tokio::time::sleep(TIDY).await;
        tidy_metrics(&snapshot.load(), &telemetry);
    }
}

/// Keeps the processes of a worker those that DNS names.
async fn follow(homeserver: Arc<Homeserver>, index: usize, discovery: Discovery, checker: Checker) {
    let mut members = discovery.members();
    let replacing = async {
        let mut known = Known::default();
        while members.changed().await.is_ok() {
            let found = members.borrow_and_update().clone();
            known.forget_all_but(&found);
            let new: Vec<&Member> = found.iter().filter(|member| !known.has(member)).collect();
            for member in new {
                known.add(member.clone(), process(member, &homeserver), &checker);
            }
            homeserver.replace(index, known.upstreams());
        }
    };
    tokio::join!(discovery.watch(), replacing);
}

/// The processes that DNS named last, and the watches on them.
#[derive(Default)]
struct Known {
    processes: Vec<(Member, Arc<Upstream>, AbortHandle)>,
    watches: JoinSet<()>,
}

impl Known {
    fn has(&self, member: &Member) -> bool {
        self.processes.iter().any(|(known, ..)| known == member)
    }

    fn forget_all_but(&mut self, found: &[Member]) {
        let gone = |(member, ..): &mut (Member, _, _)| !found.contains(member);
        for (_, _, watch) in self.processes.extract_if(.., gone) {
            watch.abort();
        }
    }

    fn add(&mut self, member: Member, upstream: Arc<Upstream>, checker: &Checker) {
        let watch = keep_watch(upstream.clone(), checker.clone(), false);
        let watch = self.watches.spawn(watch);
        self.processes.push((member, upstream, watch));
    }

    fn upstreams(&self) -> Vec<Arc<Upstream>> {
        let processes = self.processes.iter();
        processes.map(|(_, upstream, _)| upstream.clone()).collect()
    }
}

fn process(member: &Member, homeserver: &Homeserver) -> Arc<Upstream> {
    let health = Health::new(homeserver.main().health.returned().clone());
    let address = Address::Socket(member.address);
    Arc::new(Upstream::new(member.name.clone(), address, None, health))
}
