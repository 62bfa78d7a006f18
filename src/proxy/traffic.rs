//! A request's turn among all that want something of its homeserver, by the budget that it
//! belongs to.
//!
//! Nothing of the request has been sent while it waits, and its body is not read.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Engine;
use super::affinity;
use super::context::RequestContext;
use super::failure::Problem;
use super::place::placing_mut;
use super::waiting::until;
use crate::listen::{Downstream, connections};
use crate::matrix::budget::{Budget, CountedBy};
use crate::matrix::path;
use crate::message::RequestHead;
use crate::policy::traffic::{Asking, Past, Sender};
use crate::policy::{Caller, Refusal};
use crate::route::Site;
use crate::traffic::{Entered, PlaceInLine, Request, Traffic, Turn};

/// What became of a request in its budget.
#[derive(Debug)]
pub(super) struct Shaped {
    /// The budget.
    pub budget: Budget,
    /// Its turn, until the homeserver answers and afterwards.
    turn: Option<Turn>,
    /// How long it waited.
    pub waited: Duration,
}

/// Waits until the homeserver has time for the request.
pub(super) async fn turn(
    engine: &Engine,
    head: &RequestHead,
    downstream: &mut Downstream,
    ctx: &mut RequestContext,
) -> Result<(), Problem> {
    let Some((traffic, request)) = asked(head, ctx, !downstream.is_body_over()) else {
        return Ok(());
    };
    let entered = traffic.enter(request, false);
    let shaped = ctx.shaped.insert(Shaped {
        budget: request.budget,
        turn: None,
        waited: Duration::ZERO,
    });
    if let Entered::Go(turn) = entered {
        shaped.turn = Some(turn);
        return Ok(());
    }
    // Boxed: what need not wait has no room for this.
    Box::pin(wait(engine, downstream, ctx, request, entered)).await
}

/// The traffic that a request belongs to, and what it asks there; none where no limit holds.
pub(super) fn asked<'c>(
    head: &RequestHead,
    ctx: &'c RequestContext,
    has_body: bool,
) -> Option<(&'c Arc<Traffic>, Request)> {
    let identity = ctx.identity.as_ref()?;
    let budget = budget_of(ctx)?;
    let traffic = traffic_of(ctx)?;
    let ip = identity.client.ip();
    let caller = identity.caller();
    if traffic.is_exempt(caller, ip) {
        return None;
    }
    let address = connections::network(ip);
    let network = traffic.network(address);
    // Nobody's is the address.
    let address = Sender(network.0);
    let sender = match budget.counted_by() {
        CountedBy::Address => address,
        CountedBy::User => affinity::sender(head, ctx).map_or(address, |user| traffic.sender(user)),
        CountedBy::Origin => match caller {
            Caller::Verified(origin) => {
                traffic.sender((origin.server_name().as_str(), None::<u64>))
            }
            Caller::Claimed(origin) => {
                traffic.sender((origin.server_name().as_str(), Some(network.0)))
            }
            Caller::Ambiguous | Caller::Nobody => address,
        },
    };
    let same =
        (budget == Budget::FedTransaction).then(|| traffic.sender(path::path_of(&head.target)).0);
    let asking = Asking {
        sender,
        network,
        same,
    };
    let request = Request {
        budget,
        asking,
        has_body,
    };
    Some((traffic, request))
}

/// The budget of a request that goes to a homeserver, or to what answers in its place.
fn budget_of(ctx: &RequestContext) -> Option<Budget> {
    let identity = ctx.identity.as_ref()?;
    let endpoint = &identity.endpoint;
    if identity.route.is_some() {
        return None;
    }
    let placing = ctx.forward.as_ref()?.placing.as_ref();
    let group = placing.map_or(endpoint.group, |placing| placing.group);
    Budget::of(endpoint.class, group)
}

/// The traffic of the request's site.
fn traffic_of(ctx: &RequestContext) -> Option<&Arc<Traffic>> {
    let site = ctx.identity.as_ref()?.site.as_ref()?;
    ctx.snapshot.traffic.get(site.homeserver.0)
}

/// The largest body that a budget allows.
pub(super) fn body_limit(ctx: &RequestContext, site: &Site, budget: Option<Budget>) -> u64 {
    let traffic = ctx.snapshot.traffic.get(site.homeserver.0);
    let limits = budget.and_then(|budget| traffic?.limits(budget));
    limits.and_then(|it| it.max_body_size).unwrap_or(u64::MAX)
}

/// The wait of a request that did not have its turn at once.
async fn wait(
    engine: &Engine,
    downstream: &mut Downstream,
    ctx: &mut RequestContext,
    request: Request,
    mut entered: Entered,
) -> Result<(), Problem> {
    let begun = Instant::now();
    let traffic = traffic_of(ctx).cloned();
    let traffic = traffic.ok_or(Problem::Internal("a site without limits"))?;
    let limits = traffic.limits(request.budget);
    let (max_wait, past) =
        limits.map_or((Duration::ZERO, Past::Refuse), |it| (it.max_wait, it.past));
    let waits = engine.door.telemetry.request_waits("shaped");
    let turn = loop {
        entered = match entered {
            Entered::Go(turn) => break Ok(turn),
            Entered::Full => break Err(too_much(past)),
            Entered::Later(time) => match until(downstream, time, pending()).await {
                Ok(_) => traffic.enter(request, true),
                Err(gone) => break Err(gone),
            },
            Entered::Wait(place) => {
                let left = max_wait.saturating_sub(begun.elapsed());
                break in_line(downstream, place, left, past).await;
            }
        };
    };
    drop(waits);
    let waited = begun.elapsed();
    if let Some(placing) = placing_mut(ctx) {
        // Whoever sends it waits no longer for that.
        placing.hold = placing.hold.saturating_sub(waited);
    }
    if let Some(shaped) = &mut ctx.shaped {
        shaped.waited = waited;
        shaped.turn = Some(turn?);
    }
    Ok(())
}

/// The wait for a turn, and what follows when that takes too long.
async fn in_line(
    downstream: &mut Downstream,
    mut place: PlaceInLine,
    longest: Duration,
    past: Past,
) -> Result<Turn, Problem> {
    let has_turn = until(downstream, longest, place.turn()).await?;
    if has_turn {
        return Ok(place.take());
    }
    let overdue = if past == Past::Forward {
        place.go_anyway()
    } else {
        None
    };
    overdue.ok_or_else(|| too_much(past))
}

fn too_much(past: Past) -> Problem {
    match past {
        Past::Refuse => Refusal::OverBudget.into(),
        Past::Unavailable | Past::Forward => Problem::Busy,
    }
}

/// The whole body of the request has gone up.
pub(super) fn body_is_up(ctx: &mut RequestContext) {
    let turn = ctx.shaped.as_mut().and_then(|shaped| shaped.turn.as_mut());
    if let Some(turn) = turn {
        turn.body_is_up();
    }
}

/// The homeserver has begun to answer: its turn ends, for how fast the rest is read is the
/// client's doing.
pub(super) fn answered(ctx: &mut RequestContext) {
    if let Some(turn) = ctx.shaped.as_mut().and_then(|it| it.turn.as_mut()) {
        turn.end();
    }
    let is_success = ctx.status.is_some_and(|status| status.is_success());
    let Some(forward) = ctx.forward.as_ref().filter(|_| is_success) else {
        return;
    };
    if let (Some(_), Some(time)) = (&forward.placing, forward.first_byte)
        && let (Some(identity), Some(traffic)) = (&ctx.identity, traffic_of(ctx))
    {
        traffic.answered(identity.endpoint.class, time);
    }
}

/// A process of the homeserver took no connection.
pub(super) fn unreachable(ctx: &RequestContext) {
    if let Some(traffic) = traffic_of(ctx) {
        traffic.unreachable();
    }
}

impl Shaped {
    /// The request has ended, and so many bytes were sent.
    pub(super) fn ended(&self, bytes: u64) {
        if let Some(turn) = &self.turn {
            turn.charge(bytes);
        }
    }
}
