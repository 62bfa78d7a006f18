//! A request's turn, and its wait for one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Traffic;
use super::lane::Inner;
use crate::matrix::budget::Budget;
use crate::policy::traffic::{Asking, Entry, Rate, Ticket};

/// From one look of those that wait at who may have stopped counting to the next.
const LOOK: Duration = Duration::from_secs(1);

/// A request that asks for its turn.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Whose limits hold.
    pub budget: Budget,
    /// Who sends it, from where, and what it has in common with others.
    pub asking: Asking,
    /// Whether its body is still coming.
    pub has_body: bool,
}

/// What a request is told that asks for its turn.
#[derive(Debug)]
pub enum Entered {
    /// It is its turn.
    Go(Turn),
    /// It comes too fast, and asks again after this time; it has been counted.
    Later(Duration),
    /// It waits.
    Wait(PlaceInLine),
    /// Too many wait, or it comes far too fast.
    Full,
}

/// A request that the homeserver works on, until this is dropped or the answer has begun.
#[derive(Debug)]
pub struct Turn {
    traffic: Arc<Traffic>,
    request: Request,
    /// Its body, while that is coming.
    body: Option<u64>,
    counts_in_all: bool,
    is_overdue: bool,
    is_over: bool,
}

/// A place among those that wait, given up when dropped.
#[derive(Debug)]
pub struct PlaceInLine {
    traffic: Arc<Traffic>,
    request: Request,
    ticket: Ticket,
    told: oneshot::Receiver<()>,
    is_taken: bool,
}

impl Traffic {
    /// Asks for a turn. A request that was told [`Entered::Later`] `is_counted`.
    pub fn enter(self: &Arc<Self>, request: Request, is_counted: bool) -> Entered {
        let (Some(lane), Some(limits)) = (self.lane(request.budget), self.limits(request.budget))
        else {
            return Entered::Full;
        };
        let room = self.room(request.budget);
        let asking = request.asking;
        let mut inner = lane.lock();
        if !is_counted && (limits.requests.is_some() || limits.bytes.is_some()) {
            let rates = (limits.requests, limits.bytes);
            match pace(&mut inner, asking, rates, self.now(), limits.max_wait) {
                Some(Duration::ZERO) => {}
                Some(wait) => return Entered::Later(wait),
                None => return Entered::Full,
            }
        }
        match inner.line.enter(asking, room) {
            Entry::Go => Entered::Go(self.turn(&mut inner, request)),
            Entry::Full => Entered::Full,
            Entry::Wait(ticket) => {
                let (tell, told) = oneshot::channel();
                inner.waiting.insert(ticket, tell);
                drop(inner);
                let place = PlaceInLine {
                    traffic: Arc::clone(self),
                    request,
                    ticket,
                    told,
                    is_taken: false,
                };
                place.look();
                Entered::Wait(place)
            }
        }
    }

    fn turn(self: &Arc<Self>, inner: &mut Inner, request: Request) -> Turn {
        // Of ours there may be so many at a time that nobody is kept from anything.
        let is_watched = request.has_body && request.budget.is_for_others();
        Turn {
            traffic: Arc::clone(self),
            body: is_watched.then(|| inner.body_begins(self.now())),
            request,
            counts_in_all: true,
            is_overdue: false,
            is_over: false,
        }
    }
}

/// How long the rates want a request to wait.
fn pace(
    inner: &mut Inner,
    asking: Asking,
    (requests, bytes): (Option<Rate>, Option<Rate>),
    now: Duration,
    longest: Duration,
) -> Option<Duration> {
    let owed = match bytes {
        Some(rate) => inner.bytes.take(asking.sender.0, (0, rate), now, longest)?,
        None => Duration::ZERO,
    };
    let spread = match requests {
        Some(rate) => inner
            .requests
            .take(asking.network.0, (1, rate), now, longest)?,
        None => Duration::ZERO,
    };
    Some(owed.max(spread))
}

impl PlaceInLine {
    /// Ends when it is its turn.
    pub async fn turn(&mut self) {
        loop {
            if tokio::time::timeout(LOOK, &mut self.told).await.is_ok() {
                return;
            }
            self.look();
        }
    }

    /// Takes the turn that it has been given.
    pub fn take(mut self) -> Turn {
        self.is_taken = true;
        let traffic = &self.traffic;
        match traffic.lane(self.request.budget) {
            Some(lane) => traffic.turn(&mut lane.lock(), self.request),
            None => traffic.turn(&mut Inner::default(), self.request),
        }
    }

    /// Goes though it is not its turn, unless as many as have room did so already.
    pub fn go_anyway(mut self) -> Option<Turn> {
        let traffic = Arc::clone(&self.traffic);
        let lane = traffic.lane(self.request.budget)?;
        let most = traffic.limits(self.request.budget)?.in_all;
        let mut inner = lane.lock();
        let was_waiting = inner.waiting.contains_key(&self.ticket);
        if was_waiting && inner.overdue >= most {
            return None;
        }
        self.is_taken = true;
        if was_waiting {
            inner.waiting.remove(&self.ticket);
            inner.overdue += 1;
            inner
                .line
                .leave(self.request.asking.sender, self.ticket, true);
        }
        let mut turn = traffic.turn(&mut inner, self.request);
        turn.is_overdue = was_waiting;
        Some(turn)
    }

    /// Says that there is somebody who waits, and lets go whoever may.
    fn look(&self) {
        let traffic = &self.traffic;
        let budget = self.request.budget;
        let Some(lane) = traffic.lane(budget) else {
            return;
        };
        let is_short = {
            let mut inner = lane.lock();
            inner.pass_over_slow_bodies(traffic.now());
            inner.let_go(traffic.room(budget));
            inner.line.is_short_of_room()
        };
        if is_short && traffic.local_first && budget.is_for_others() {
            traffic.learn(super::Share::wanted);
        }
    }
}

impl Drop for PlaceInLine {
    fn drop(&mut self) {
        let Some(lane) = self.traffic.lane(self.request.budget) else {
            return;
        };
        if self.is_taken {
            return;
        }
        let room = self.traffic.room(self.request.budget);
        let asking = self.request.asking;
        let mut inner = lane.lock();
        if inner.waiting.remove(&self.ticket).is_some() {
            inner.line.leave(asking.sender, self.ticket, false);
        } else {
            // It was told, and has not heard it.
            inner.line.end(asking, true, room);
        }
        inner.let_go(room);
    }
}

impl Turn {
    /// Its body has gone up.
    pub fn body_is_up(&mut self) {
        if let Some(body) = self.body.take()
            && let Some(lane) = self.traffic.lane(self.request.budget)
        {
            self.counts_in_all = lane.lock().body_ends(body);
        }
    }

    /// The homeserver has begun to answer: what is left is its client's doing.
    pub fn end(&mut self) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let budget = self.request.budget;
        let Some(lane) = self.traffic.lane(budget) else {
            return;
        };
        let mut inner = lane.lock();
        if let Some(body) = self.body.take() {
            self.counts_in_all = inner.body_ends(body);
        }
        if self.is_overdue {
            inner.overdue = inner.overdue.saturating_sub(1);
        }
        let room = self.traffic.room(budget);
        inner
            .line
            .end(self.request.asking, self.counts_in_all, room);
        if inner.line.waiting() > 0 {
            inner.let_go(room);
        }
    }

    /// So many bytes of an answer were sent.
    pub fn charge(&self, bytes: u64) {
        let budget = self.request.budget;
        let traffic = &self.traffic;
        if let Some(rate) = traffic.limits(budget).and_then(|limits| limits.bytes)
            && let Some(lane) = traffic.lane(budget)
        {
            let sender = self.request.asking.sender.0;
            lane.lock()
                .bytes
                .charge(sender, (bytes, rate), traffic.now());
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.end();
    }
}
