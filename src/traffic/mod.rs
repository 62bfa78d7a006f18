//! Who goes to a homeserver now, and who waits: one [`Traffic`] for each site, shared by all
//! threads.
//!
//! What is decided is in [`policy::traffic`](crate::policy::traffic); here are the locks, the
//! clock, and those that wait. A request that need not wait takes one short lock when it begins
//! and one when it is answered.

mod lane;
mod turn;

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::matrix::budget::Budget;
use crate::matrix::endpoint::Class;
use crate::policy::Caller;
use crate::policy::traffic::{Allowance, Exempt, Limits, Network, Room, Sender, Share, of_budget};

use lane::Lane;
pub use turn::{Entered, PlaceInLine, Request, Turn};

/// What a share is written in, as a whole number.
const MILLIONTHS: f64 = 1_000_000.0;

/// What holds for the requests of one site, and who has his turn.
#[derive(Debug)]
pub struct Traffic {
    /// In the order of [`Budget::ALL`].
    limits: Vec<Limits>,
    exempt: Exempt,
    /// Whether work for other servers gives way to that for our own users.
    local_first: bool,
    state: Arc<State>,
}

/// What outlives a reload.
#[derive(Debug)]
struct State {
    begun: Instant,
    /// Made at start: nobody outside can choose what two senders have in common.
    hashes: RandomState,
    /// In the order of [`Budget::ALL`].
    lanes: Vec<Lane>,
    share: Mutex<Share>,
    /// The share, to be read without the lock.
    level: AtomicU32,
}

impl Traffic {
    /// Nobody is there yet. `limits` are asked for each budget.
    pub fn new(limits: impl Fn(Budget) -> Limits, exempt: Exempt, local_first: bool) -> Self {
        let share = Share::new(Class::ALL.len(), Duration::ZERO);
        Self {
            limits: Budget::ALL.iter().map(|budget| limits(*budget)).collect(),
            exempt,
            local_first,
            state: Arc::new(State {
                begun: Instant::now(),
                hashes: RandomState::new(),
                lanes: Budget::ALL.iter().map(|_| Lane::default()).collect(),
                level: AtomicU32::new(millionths(share.level())),
                share: Mutex::new(share),
            }),
        }
    }

    /// The same in place of `previous`: whoever has a turn there or waits for one does so here.
    #[must_use]
    pub fn in_place_of(self, previous: &Self) -> Self {
        let state = previous.state.clone();
        Self { state, ..self }
    }

    /// Whether no limit holds for this sender.
    pub fn is_exempt(&self, caller: Caller<'_>, client: IpAddr) -> bool {
        self.exempt.covers(caller, client)
    }

    /// Stands for whoever `who` names, here and as long as this process runs.
    pub fn sender(&self, who: impl Hash) -> Sender {
        Sender(self.state.hashes.hash_one(who))
    }

    /// The same for what one client is given of addresses.
    pub fn network(&self, network: IpAddr) -> Network {
        Network(self.state.hashes.hash_one(network))
    }

    /// What holds for a budget.
    pub fn limits(&self, budget: Budget) -> Option<&Limits> {
        self.limits.get(budget as usize)
    }

    /// What a budget has now.
    pub fn allowance(&self, budget: Budget) -> Allowance {
        let room = self.room(budget);
        let inner = self.lane(budget).map(Lane::lock);
        inner.map_or(
            Allowance {
                active: 0,
                waiting: 0,
                senders: 0,
                in_all: room.all,
            },
            |inner| Allowance {
                active: inner.line.active(),
                waiting: inner.line.waiting(),
                senders: inner.line.senders(),
                in_all: room.all,
            },
        )
    }

    /// The part of what the homeserver does that work for other servers may have, of 1.
    pub fn share(&self) -> f64 {
        if self.local_first {
            f64::from(self.state.level.load(Ordering::Relaxed)) / MILLIONTHS
        } else {
            1.0
        }
    }

    /// The homeserver began to answer a call of `class` after `time`.
    pub fn answered(&self, class: Class, time: Duration) {
        if self.local_first && is_waited_for(class) {
            self.learn(|share, now| share.answered(class as usize, time, now));
        }
    }

    /// The homeserver took no connection.
    pub fn unreachable(&self) {
        if self.local_first {
            self.learn(Share::unreachable);
        }
    }

    /// Changes the share, and lets go whoever it has room for now.
    fn learn(&self, of: impl FnOnce(&mut Share, Duration) -> bool) {
        let now = self.now();
        let level = {
            let share = self.state.share.lock();
            let mut share = share.unwrap_or_else(PoisonError::into_inner);
            of(&mut share, now).then(|| share.level())
        };
        if let Some(level) = level {
            self.state.level.store(millionths(level), Ordering::Relaxed);
            for budget in Budget::ALL.iter().filter(|it| it.is_for_others()) {
                self.let_go(*budget);
            }
        }
    }

    /// Lets go whoever there is room for.
    fn let_go(&self, budget: Budget) {
        if let Some(lane) = self.lane(budget) {
            lane.lock().let_go(self.room(budget));
        }
    }

    fn lane(&self, budget: Budget) -> Option<&Lane> {
        self.state.lanes.get(budget as usize)
    }

    /// The room of a budget now.
    fn room(&self, budget: Budget) -> Room {
        let limits = self.limits(budget);
        let (each, all) = limits.map_or((1, 1), |it| (it.per_sender, it.in_all));
        Room {
            each,
            all: of_budget(budget, all, self.share()),
            waiting: limits.map_or(0, |it| it.max_queued),
        }
    }

    fn now(&self) -> Duration {
        self.state.begun.elapsed()
    }
}

/// Whether a person waits for the answer, and mostly for the homeserver alone: a join may wait for
/// another server, and a search for what it finds.
const fn is_waited_for(class: Class) -> bool {
    matches!(
        class,
        Class::Send
            | Class::EventRead
            | Class::Ephemeral
            | Class::ToDevice
            | Class::Keys
            | Class::AccountData
            | Class::Push
            | Class::Presence
            | Class::Profile
            | Class::Account
    )
}

fn millionths(level: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a level is between 0 and 1"
    )]
    let millionths = (level * MILLIONTHS).round() as u32;
    millionths
}

#[cfg(test)]
mod tests;
