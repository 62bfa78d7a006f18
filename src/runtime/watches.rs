//! The tasks that look after the processes of homeservers: whether they are well, and who they
//! are where DNS names them.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};

use crate::admin::tidy_metrics;
use crate::snapshot::Snapshot;
use crate::telemetry::Telemetry;
use crate::upstream::health::{Checker, keep_watch};
use crate::upstream::{Address, Discovery, Health, Homeserver, Member, Pool, Resolver, Upstream};

/// From one look at the metrics to the next. A scrape looks too.
const TIDY: Duration = Duration::from_mins(1);

/// Starts a watch on every process. They end when the set is dropped. Without a `resolver` those
/// that DNS names stay as they are.
pub(super) fn start(
    snapshot: &Arc<Snapshot>,
    resolver: Option<&Resolver>,
    telemetry: &Arc<Telemetry>,
) -> JoinSet<()> {
    let checker = Checker {
        pool: Pool::new(),
        deadlines: snapshot.deadlines,
        checks: snapshot.checks,
        telemetry: telemetry.clone(),
    };
    let mut watches = JoinSet::new();
    watches.spawn(tidy(snapshot.clone(), telemetry.clone()));
    for homeserver in &snapshot.homeservers {
        let discovered = homeserver.discovered();
        let mut upstreams = homeserver.upstreams();
        let found = discovered.iter().flat_map(|(_, d)| homeserver.found(d));
        let found: Vec<_> = found.collect();
        upstreams.retain(|upstream| !found.iter().any(|it| Arc::ptr_eq(it, upstream)));
        let is_alone = upstreams.len() == 1 && discovered.is_empty();
        for upstream in upstreams {
            watches.spawn(keep_watch(upstream, checker.clone(), is_alone));
        }
        for ((index, discovered), resolver) in
            discovered.into_iter().zip(resolver.into_iter().cycle())
        {
            let known = Known::of(&homeserver.found(&discovered), &checker);
            let members = known.members();
            let resolver = resolver.clone();
            let discovery = Discovery::new(resolver, discovered, &members, telemetry.clone());
            let (homeserver, checker) = (homeserver.clone(), checker.clone());
            watches.spawn(follow(homeserver, index, discovery, (known, checker)));
        }
    }
    watches
}

/// Forgets, now and then, what is counted for what the snapshot in force does not have.
async fn tidy(snapshot: Arc<Snapshot>, telemetry: Arc<Telemetry>) {
    loop {
        tidy_metrics(&snapshot, &telemetry);
        tokio::time::sleep(TIDY).await;
    }
}

/// Keeps the processes of a worker those that DNS names.
async fn follow(
    homeserver: Arc<Homeserver>,
    index: usize,
    discovery: Discovery,
    (mut known, checker): (Known, Checker),
) {
    let mut members = discovery.members();
    let replacing = async {
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
    /// Those that were found before this began.
    fn of(upstreams: &[Arc<Upstream>], checker: &Checker) -> Self {
        let mut known = Self::default();
        for upstream in upstreams {
            if let Address::Socket(address) = upstream.address {
                let name = upstream.name.clone();
                known.add(Member { name, address }, upstream.clone(), checker);
            }
        }
        known
    }

    fn members(&self) -> Vec<Member> {
        let processes = self.processes.iter();
        processes.map(|(member, ..)| member.clone()).collect()
    }

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
