//! The requests of one budget.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::policy::traffic::{Line, Pace, Room, Ticket};

/// How long a request counts among all while its body is still on its way. A body that trickles
/// gives the homeserver nothing to do, and may not keep others from it.
const TIME_FOR_BODY: Duration = Duration::from_secs(5);

/// The requests of one budget.
#[derive(Debug, Default)]
pub(super) struct Lane(Mutex<Inner>);

/// What the lock guards.
#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) line: Line,
    /// How those are told that wait.
    pub(super) waiting: HashMap<Ticket, oneshot::Sender<()>>,
    /// Requests over time, by network.
    pub(super) requests: Pace,
    /// Bytes over time, by sender.
    pub(super) bytes: Pace,
    /// Those that are active whose body is still coming, the longest first.
    bodies: VecDeque<(u64, Duration)>,
    bodies_begun: u64,
    /// Those that went though there was no room.
    pub(super) overdue: u32,
}

impl Lane {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Lets go whoever there is room for.
    pub(super) fn let_go(&mut self, room: Room) {
        while let Some(ticket) = self.line.next(room) {
            // One that leaves at this moment finds that it has its turn, and ends it.
            if let Some(told) = self.waiting.remove(&ticket) {
                let _ = told.send(());
            }
        }
    }

    /// A request whose body is still coming is active since `now`.
    pub(super) fn body_begins(&mut self, now: Duration) -> u64 {
        self.bodies_begun += 1;
        self.bodies.push_back((self.bodies_begun, now));
        self.bodies_begun
    }

    /// Its body has come, or it has ended. False where that took so long that it no longer counts
    /// among all.
    pub(super) fn body_ends(&mut self, body: u64) -> bool {
        let place = self.bodies.iter().position(|(known, _)| *known == body);
        place.is_some_and(|at| self.bodies.remove(at).is_some())
    }

    /// Stops counting requests whose bodies take long.
    pub(super) fn pass_over_slow_bodies(&mut self, now: Duration) {
        while let Some((_, since)) = self.bodies.front()
            && *since + TIME_FOR_BODY <= now
        {
            self.bodies.pop_front();
            self.line.stop_counting();
        }
    }
}
