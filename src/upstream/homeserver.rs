//! The processes of one homeserver, and which of them a request goes to.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::health::State;
use super::turn::{Queue, Turn};
use super::{GroupLimits, Records, Upstream};
use crate::matrix::affinity::Key;
use crate::matrix::worker::Group;
use crate::policy::balance::{self, Candidate};

/// The processes of one homeserver.
#[derive(Debug)]
pub struct Homeserver {
    main: Arc<Upstream>,
    workers: Mutex<Vec<Worker>>,
    /// One for each of [`Group::ALL`], in its order.
    groups: Vec<Workers>,
}

/// One worker of the configuration.
#[derive(Clone, Debug)]
pub struct Worker {
    /// What it answers.
    pub groups: Vec<Group>,
    /// The processes that it stands for: one, or as many as DNS names.
    pub members: Vec<Arc<Upstream>>,
    /// Where DNS is asked for them.
    pub discovered: Option<Discovered>,
}

/// A DNS name that stands for processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// The worker, after which they are called.
    pub worker: Arc<str>,
    /// The name.
    pub host: Box<str>,
    /// What of it is looked up.
    pub records: Records,
}

/// The workers of one group.
#[derive(Debug)]
struct Workers {
    /// The group whose workers answer: this one where the configuration names any for it, else
    /// the first of its stand-ins that has some, else the main process.
    answered_by: Group,
    members: ArcSwap<Vec<Arc<Upstream>>>,
    limits: GroupLimits,
    queue: Arc<Queue>,
}

/// Where a request goes.
#[derive(Debug)]
pub enum Choice {
    /// To this upstream, which counts it until the turn ends.
    Go(Turn, How),
    /// Every upstream that could take it has as many as it may.
    Full,
    /// Every upstream that could take it is away.
    Nobody,
}

/// Why a request goes where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It is the only one there is.
    Only,
    /// The key leads there.
    Key,
    /// The key leads elsewhere: to one that is away, or has too much to do.
    Moved,
    /// It has the least to do.
    Least,
    /// Those whose work it is are away: a stand-in.
    StandIn,
    /// Those whose work it is are away: the main process.
    Main,
}

impl How {
    /// The name in logs, metrics and `explain`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Only => "only",
            Self::Key => "key",
            Self::Moved => "moved",
            Self::Least => "least",
            Self::StandIn => "stand_in",
            Self::Main => "main",
        }
    }
}

impl Homeserver {
    /// A homeserver of a main process and workers, with the limits of each group.
    pub fn new(
        main: Arc<Upstream>,
        workers: Vec<Worker>,
        limits: impl Fn(Group) -> GroupLimits,
    ) -> Self {
        let is_configured = |group: &Group| workers.iter().any(|w| w.groups.contains(group));
        let of_group = |&group: &Group| Workers {
            answered_by: levels(group).find(is_configured).unwrap_or(Group::Main),
            members: ArcSwap::from_pointee(members(&workers, group)),
            limits: limits(group),
            queue: Arc::default(),
        };
        Self {
            main,
            groups: Group::ALL.iter().map(of_group).collect(),
            workers: Mutex::new(workers),
        }
    }

    /// The same in place of `previous`: whoever waits for a turn there waits here, and the
    /// processes that DNS named stay until it names others.
    #[must_use]
    pub fn in_place_of(mut self, previous: &Self) -> Self {
        for (of_group, before) in self.groups.iter_mut().zip(&previous.groups) {
            of_group.queue = before.queue.clone();
        }
        let workers = self.workers.get_mut();
        let workers = workers.unwrap_or_else(PoisonError::into_inner);
        for worker in workers.iter_mut() {
            if let Some(discovered) = &worker.discovered {
                worker.members = previous.found(discovered);
            }
        }
        for (group, of_group) in Group::ALL.iter().zip(&self.groups) {
            of_group.members.store(Arc::new(members(workers, *group)));
        }
        self
    }

    /// The processes that DNS named for `discovered`.
    pub fn found(&self, discovered: &Discovered) -> Vec<Arc<Upstream>> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut same = workers
            .iter()
            .filter(|worker| worker.discovered.as_ref() == Some(discovered));
        same.next().map_or_else(Vec::new, |w| w.members.clone())
    }

    /// The main process.
    pub fn main(&self) -> &Arc<Upstream> {
        &self.main
    }

    /// Every process, the main one first.
    pub fn upstreams(&self) -> Vec<Arc<Upstream>> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let members = workers.iter().flat_map(|worker| &worker.members);
        std::iter::once(&self.main)
            .chain(members)
            .cloned()
            .collect()
    }

    /// The workers of `group` whose processes DNS has yet to name.
    pub fn to_be_found(&self, group: Group) -> Vec<Arc<str>> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = workers
            .iter()
            .filter(|worker| worker.members.is_empty() && worker.groups.contains(&group));
        unknown
            .filter_map(|worker| Some(worker.discovered.as_ref()?.worker.clone()))
            .collect()
    }

    /// The workers whose processes DNS names, each with its index.
    pub fn discovered(&self) -> Vec<(usize, Discovered)> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let numbered = workers.iter().enumerate();
        numbered
            .filter_map(|(index, worker)| Some((index, worker.discovered.clone()?)))
            .collect()
    }

    /// Every worker process with its groups.
    pub fn workers_with_groups(&self) -> Vec<(Arc<Upstream>, Vec<Group>)> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let with_groups = |worker: &Worker| {
            let groups = worker.groups.clone();
            let members = worker.members.clone().into_iter();
            members.map(move |member| (member, groups.clone()))
        };
        workers.iter().flat_map(with_groups).collect()
    }

    /// Replaces the processes that the worker of this index stands for.
    pub fn replace(&self, index: usize, found: Vec<Arc<Upstream>>) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = workers.get_mut(index) {
            worker.members = found;
        }
        for (group, of_group) in Group::ALL.iter().zip(&self.groups) {
            of_group.members.store(Arc::new(members(&workers, *group)));
        }
        self.main.health.returned().notify_waiters();
    }

    /// Who waits for a turn in `group`.
    pub fn queue(&self, group: Group) -> Option<&Arc<Queue>> {
        Some(&self.workers(group)?.queue)
    }

    /// What one worker of `group` takes at a time.
    pub fn limits(&self, group: Group) -> Option<&GroupLimits> {
        Some(&self.workers(group)?.limits)
    }

    /// The group whose workers answer for `group`: its own where it has any, else the first of
    /// its stand-ins that has, else the main process.
    pub fn answering(&self, group: Group) -> Group {
        self.workers(group)
            .map_or(Group::Main, |workers| workers.answered_by)
    }

    /// Whether it matters which key a request of `group` has: there are several to choose from.
    pub fn wants_key(&self, group: Group) -> bool {
        let answering = self.answering(group);
        answering != Group::Main
            && self
                .workers(answering)
                .is_some_and(|w| w.members.load().len() > 1)
    }

    /// Chooses for a request of `group`, and counts it there.
    ///
    /// First come the workers of the group and of its stand-ins that are well, then those that
    /// fail their health checks, then the main process where it answers rightly.
    pub fn choose(&self, group: Group, key: Option<Key>) -> Choice {
        let answering = self.answering(group);
        if answering == Group::Main {
            return self.at_main(group, How::Only);
        }
        let states = [State::Well, State::InDoubt].into_iter();
        let mut places = states.flat_map(|state| levels(group).map(move |level| (state, level)));
        let found = places.find_map(
            |(state, level)| match self.among(level, group, state, key) {
                Choice::Nobody => None,
                Choice::Go(turn, _) if level != answering => Some(Choice::Go(turn, How::StandIn)),
                found @ (Choice::Go(..) | Choice::Full) => Some(found),
            },
        );
        match found {
            Some(found) => found,
            None if group.is_served_by_main() => self.at_main(group, How::Main),
            None => Choice::Nobody,
        }
    }

    /// The processes that answer for `group`, as a request with this key would choose them if all
    /// were well and idle.
    pub fn ranking(&self, group: Group, key: Option<Key>) -> Vec<Arc<Upstream>> {
        let answering = self.answering(group);
        let members = self
            .workers(answering)
            .map(|workers| workers.members.load_full());
        let Some(members) = members.filter(|_| answering != Group::Main) else {
            return vec![self.main.clone()];
        };
        let mut ranking = Vec::clone(&members);
        if let Some(key) = key {
            ranking.sort_by_key(|upstream| std::cmp::Reverse(key.weight(upstream.hash)));
        }
        ranking
    }

    /// Chooses `upstream` again, as long as it is there.
    pub fn again(&self, upstream: &Arc<Upstream>, group: Group) -> Choice {
        match upstream.health.state() {
            State::Away => Choice::Nobody,
            State::Well | State::InDoubt => self.go(upstream, group, How::Key),
        }
    }

    fn at_main(&self, group: Group, how: How) -> Choice {
        let health = &self.main.health;
        if health.state() == State::Away || health.is_drained() {
            return Choice::Nobody;
        }
        self.go(&self.main, group, how)
    }

    /// Sends it to `upstream`, unless that has as many of the group as it may.
    fn go(&self, upstream: &Arc<Upstream>, group: Group, how: How) -> Choice {
        let Some(of_group) = self.workers(group) else {
            return Choice::Nobody;
        };
        if upstream.load.of(group) >= of_group.limits.max_requests {
            return Choice::Full;
        }
        Choice::Go(Turn::new(upstream.clone(), group, &of_group.queue), how)
    }

    /// Chooses among the workers of `level` that are in `state`.
    fn among(&self, level: Group, group: Group, state: State, key: Option<Key>) -> Choice {
        let (Some(of_level), Some(of_group)) = (self.workers(level), self.workers(group)) else {
            return Choice::Nobody;
        };
        let all = of_level.members.load();
        let most = of_group.limits.max_requests;
        let is_there = |u: &&Arc<Upstream>| u.health.state() == state && !u.health.is_drained();
        let there: Vec<_> = all.iter().filter(is_there).collect();
        let is_free = |upstream: &&Arc<Upstream>| upstream.load.of(group) < most;
        let free: Vec<_> = there.iter().copied().filter(is_free).collect();
        let candidate = |upstream: &&Arc<Upstream>| Candidate {
            name: upstream.hash,
            load: upstream.load.total(),
        };
        // Loads change meanwhile: what is counted is chosen from.
        let candidates: Vec<_> = free.iter().map(candidate).collect();
        let chosen = balance::choose(key, &candidates);
        let Some(upstream) = chosen.and_then(|chosen| free.get(chosen.index)) else {
            return if there.is_empty() {
                Choice::Nobody
            } else {
                Choice::Full
            };
        };
        let how = match key {
            _ if all.len() == 1 => How::Only,
            None => How::Least,
            Some(key) if is_heaviest(key, upstream, &all) => How::Key,
            Some(_) => How::Moved,
        };
        Choice::Go(Turn::new(Arc::clone(upstream), group, &of_group.queue), how)
    }

    fn workers(&self, group: Group) -> Option<&Workers> {
        self.groups.get(group as usize)
    }
}

/// The group and its stand-ins.
fn levels(group: Group) -> impl Iterator<Item = Group> {
    std::iter::once(group).chain(group.stand_ins().iter().copied())
}

fn members(workers: &[Worker], group: Group) -> Vec<Arc<Upstream>> {
    let workers = workers
        .iter()
        .filter(|worker| worker.groups.contains(&group));
    workers.flat_map(|worker| worker.members.clone()).collect()
}

/// Whether the key would lead to `upstream` if all were well and idle.
fn is_heaviest(key: Key, upstream: &Upstream, all: &[Arc<Upstream>]) -> bool {
    let weight = key.weight(upstream.hash);
    all.iter().all(|other| key.weight(other.hash) <= weight)
}

#[cfg(test)]
mod tests;
