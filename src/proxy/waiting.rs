//! The wait for a turn at a process that has too much to do, or for one that is away.

use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use pingora_timeout::timeout;
use tokio::sync::futures::Notified;

use super::Engine;
use super::context::RequestContext;
use super::failure::Problem;
use super::place::{Placing, connection_if_there, placing_mut, take_turn};
use crate::listen::{Downstream, Fault};
use crate::policy::Refusal;
use crate::telemetry::InFlightGuard;
use crate::upstream::{Choice, Connection, NoConnection, PlaceInQueue, Upstream};

/// The requests that wait for a process that is away.
#[derive(Debug, Default)]
pub(super) struct Held(AtomicU32);

/// One of them.
struct HeldRequest<'a>(&'a Held);

impl Held {
    fn join(&self, most: u32) -> Option<HeldRequest<'_>> {
        if self.0.fetch_add(1, Ordering::Relaxed) >= most {
            self.0.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(HeldRequest(self))
    }
}

impl Drop for HeldRequest<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that waits.
pub(super) struct Waiting<'a> {
    engine: &'a Engine,
    downstream: &'a mut Downstream,
    ctx: &'a mut RequestContext,
    again: Option<&'a Arc<Upstream>>,
    /// Its place among those that wait for a process that is away.
    held: Option<HeldRequest<'a>>,
    /// Its place among those that wait for a turn.
    place: Option<PlaceInQueue>,
    /// Counts it as waiting in one way or the other.
    waits: Option<InFlightGuard>,
}

impl<'a> Waiting<'a> {
    /// A request that finds no process now. `again` is the only one that it may go to.
    pub(super) fn new(
        engine: &'a Engine,
        downstream: &'a mut Downstream,
        ctx: &'a mut RequestContext,
        again: Option<&'a Arc<Upstream>>,
    ) -> Self {
        Self {
            engine,
            downstream,
            ctx,
            again,
            held: None,
            place: None,
            waits: None,
        }
    }

    /// The end of the wait: a connection, or the time for it is over. `reason` is why the
    /// request's upstream is away, where it was tried just now.
    pub(super) async fn end(
        mut self,
        mut reason: Option<NoConnection>,
    ) -> Result<Connection, Problem> {
        loop {
            let returned = self.placing()?.homeserver.main().health.returned().clone();
            let mut returned = pin!(returned.notified());
            // What returns from here on is not missed.
            returned.as_mut().enable();
            let again = self.again;
            let is_first = self.held.is_none() && self.place.is_none();
            let placing = self.placing()?;
            placing.turn = None;
            let choice = if is_first {
                placing.choose(again)
            } else {
                placing.choose_now(again)
            };
            match choice {
                Choice::Go(turn, how) => {
                    take_turn(self.ctx, turn, how);
                    match connection_if_there(&self.engine.pool, self.ctx).await? {
                        Ok(connection) => return Ok(connection),
                        Err(away) => reason = Some(away),
                    }
                }
                Choice::Full => self.queue(returned).await?,
                Choice::Nobody => reason = self.hold(returned, reason).await?,
            }
        }
    }

    /// Waits for a turn, or for a process that returns.
    async fn queue(&mut self, returned: Pin<&mut Notified<'_>>) -> Result<(), Problem> {
        let begun = Instant::now();
        let placing = self.placing()?;
        let (homeserver, group) = (placing.homeserver.clone(), placing.group);
        let queued = placing.queued;
        let (Some(queue), Some(limits)) = (homeserver.queue(group), homeserver.limits(group))
        else {
            return Err(Problem::Internal("a group without a queue"));
        };
        let left = limits.max_wait.saturating_sub(queued);
        let place = self.place.take().or_else(|| queue.join(limits.max_queued));
        let Some(place) = place.filter(|_| !left.is_zero()) else {
            return Err(self.busy());
        };
        self.waits = Some(self.engine.door.telemetry.request_waits("queued"));
        let turn = async {
            tokio::select! {
                () = place.turn() => {}
                () = returned => {}
            }
        };
        let has_turn = until(self.downstream, left, turn).await;
        self.place = Some(place);
        self.placing()?.queued += begun.elapsed();
        if has_turn? { Ok(()) } else { Err(self.busy()) }
    }

    /// Waits for a process that returns. Gives back why there is none now, if that was said.
    async fn hold(
        &mut self,
        returned: Pin<&mut Notified<'_>>,
        reason: Option<NoConnection>,
    ) -> Result<Option<NoConnection>, Problem> {
        let begun = Instant::now();
        self.place = None;
        if self.held.is_none() {
            self.held = self.engine.door.held.join(self.ctx.snapshot.holding.most);
        }
        let placing = self.placing()?;
        let left = placing.hold.saturating_sub(placing.held);
        if self.held.is_none() || left.is_zero() {
            return Err(Problem::Down(reason));
        }
        self.waits = Some(self.engine.door.telemetry.request_waits("held"));
        let is_back = until(self.downstream, left, returned).await;
        self.placing()?.held += begun.elapsed();
        if is_back? {
            Ok(None)
        } else {
            Err(Problem::Down(reason))
        }
    }

    fn placing(&mut self) -> Result<&mut Placing, Problem> {
        placing_mut(self.ctx).ok_or(Problem::Internal("no homeserver was chosen"))
    }

    /// Too many wait: 429 to a client, 503 to a server, to which a 4xx may be final.
    fn busy(&self) -> Problem {
        let identity = self.ctx.identity.as_ref();
        if identity.is_some_and(|i| i.endpoint.api.is_between_servers()) {
            Problem::Busy
        } else {
            Refusal::TooManyWaiting.into()
        }
    }
}

/// True once `event` has come, false when the time is over. An error where the client leaves.
pub(super) async fn until(
    downstream: &mut Downstream,
    time: Duration,
    event: impl Future<Output = ()>,
) -> Result<bool, Problem> {
    let is_body_over = downstream.is_body_over();
    let gone = async {
        if is_body_over {
            poll_fn(|cx| downstream.poll_gone(cx)).await;
        } else {
            // Whether the client is there shows when its body is read.
            pending::<()>().await;
        }
    };
    tokio::select! {
        came = timeout(time, event) => Ok(came.is_ok()),
        () = gone => Err(Fault::Gone.into()),
    }
}
