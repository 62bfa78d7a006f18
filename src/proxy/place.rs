//! The process that a request goes to: its turn there, and the wait for one that is away.
//!
//! Nothing of the request has been sent while it waits, and its body is not read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::context::RequestContext;
use super::failure::Problem;
use super::waiting::Waiting;
use super::{Engine, affinity};
use crate::listen::Downstream;
use crate::matrix::affinity::Key;
use crate::matrix::worker::Group;
use crate::message::RequestHead;
use crate::upstream::{Choice, Connection, Homeserver, How, NoConnection, Pool, Turn, Upstream};

/// What decides which process of a homeserver a request goes to.
#[derive(Debug)]
pub(super) struct Placing {
    /// The homeserver.
    pub homeserver: Arc<Homeserver>,
    /// Whose work it is.
    pub group: Group,
    /// What keeps it with others of its kind; none until that is known.
    pub key: Option<Key>,
    /// How long it may wait for a process that is away.
    pub hold: Duration,
    /// Its turn at the upstream that was chosen.
    pub turn: Option<Turn>,
    /// Why it was that one.
    pub how: Option<How>,
    /// How long it waited for a turn.
    pub queued: Duration,
    /// How long it waited for a process that was away.
    pub held: Duration,
}

impl Placing {
    /// A request of `group` that has no place yet.
    pub(super) fn new(homeserver: Arc<Homeserver>, group: Group, hold: Duration) -> Self {
        Self {
            homeserver,
            group,
            key: None,
            hold,
            turn: None,
            how: None,
            queued: Duration::ZERO,
            held: Duration::ZERO,
        }
    }

    /// Chooses a process, unless others wait for their turn already.
    pub(super) fn choose(&self, again: Option<&Arc<Upstream>>) -> Choice {
        let queue = self.homeserver.queue(self.group);
        if queue.is_some_and(|queue| queue.length() > 0) {
            return Choice::Full;
        }
        self.choose_now(again)
    }

    /// Chooses a process, whoever else waits.
    pub(super) fn choose_now(&self, again: Option<&Arc<Upstream>>) -> Choice {
        match again {
            Some(upstream) => self.homeserver.again(upstream, self.group),
            None => self.homeserver.choose(self.group, self.key),
        }
    }
}

/// A connection for the request: at the upstream of its route, or at a process of its homeserver,
/// once one has a turn for it. `again` is the process that must get it because it had it before.
pub(super) async fn place(
    engine: &Engine,
    head: &RequestHead,
    downstream: &mut Downstream,
    ctx: &mut RequestContext,
    again: Option<&Arc<Upstream>>,
) -> Result<Connection, Problem> {
    if let Some(placing) = placing(ctx)
        && placing.key.is_none()
        && placing.homeserver.wants_key(placing.group)
    {
        let key = affinity::key(engine, head, ctx).await;
        if let Some(placing) = placing_mut(ctx) {
            placing.key = key;
        }
    }
    let Some(placing) = placing_mut(ctx) else {
        return connection(&engine.pool, ctx).await;
    };
    // A request that is sent again gives up the turn that it had.
    placing.turn = None;
    let reason = match placing.choose(again) {
        Choice::Go(turn, how) => {
            take_turn(ctx, turn, how);
            match connection_if_there(&engine.pool, ctx).await? {
                Ok(connection) => return Ok(connection),
                Err(away) => Some(away),
            }
        }
        Choice::Full | Choice::Nobody => None,
    };
    // Boxed: what waits for an answer has no room for this.
    Box::pin(Waiting::new(engine, downstream, ctx, again).end(reason)).await
}

/// How the request is placed, where a homeserver answers it.
pub(super) fn placing(ctx: &RequestContext) -> Option<&Placing> {
    ctx.forward.as_ref()?.placing.as_ref()
}

/// The same, to change.
pub(super) fn placing_mut(ctx: &mut RequestContext) -> Option<&mut Placing> {
    ctx.forward.as_mut()?.placing.as_mut()
}

/// Notes that it is the request's turn at an upstream.
pub(super) fn take_turn(ctx: &mut RequestContext, turn: Turn, how: How) {
    let Some(forward) = &mut ctx.forward else {
        return;
    };
    forward.upstream = turn.upstream().clone();
    if let Some(placing) = &mut forward.placing {
        placing.turn = Some(turn);
        placing.how = Some(how);
    }
}

/// A connection to the request's upstream: one that waits, else a new one.
async fn connection(pool: &Pool, ctx: &mut RequestContext) -> Result<Connection, Problem> {
    let Some(forward) = &mut ctx.forward else {
        return Err(Problem::Internal("no upstream was chosen"));
    };
    if let Some(waiting) = pool.take(&forward.upstream) {
        return Ok(waiting);
    }
    let begun = Instant::now();
    // Boxed for the same reason.
    let connected = Box::pin(pool.connect(&forward.upstream, &ctx.snapshot.deadlines)).await;
    forward.connect = Some(begun.elapsed());
    Ok(connected?)
}

/// The same, where the upstream may be away: then all are told, and the reason is given.
pub(super) async fn connection_if_there(
    pool: &Pool,
    ctx: &mut RequestContext,
) -> Result<Result<Connection, NoConnection>, Problem> {
    match connection(pool, ctx).await {
        Ok(connection) => Ok(Ok(connection)),
        Err(Problem::NoConnection(reason)) if reason.is_away() => {
            if let Some(forward) = &ctx.forward {
                forward.upstream.refused(&reason);
            }
            super::traffic::unreachable(ctx);
            Ok(Err(reason))
        }
        Err(problem) => Err(problem),
    }
}
