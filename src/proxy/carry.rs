//! The way up: a connection, the head that goes on it, and whether to try again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::Engine;
use super::context::RequestContext;
use super::exchange::exchange;
use super::failure::Problem;
use super::place::place;
use super::traffic;
use crate::listen::Downstream;
use crate::matrix::endpoint::Class;
use crate::message::RequestHead;
use crate::policy::request_headers;
use crate::upstream::{Connection, Upstream};

/// Bytes of a body that are kept to be sent once more.
const WORTH_KEEPING: usize = 64 << 10;
/// How often a request may be sent once more: a connection that has gone stale, then a process
/// that ends. What ends every process that it meets does not meet them all.
const MOST_REPETITIONS: u8 = 2;
/// How long a process that ends is given to be gone. Until then it may take connections that it
/// never answers, and several processes that are stopped together all do.
const TIME_TO_BE_GONE: Duration = Duration::from_millis(250);

/// Carries a request to its upstream and the answer back.
pub(super) async fn carry(
    engine: &Engine,
    head: &RequestHead,
    downstream: &mut Downstream,
    ctx: &mut RequestContext,
) -> Result<(), Problem> {
    traffic::turn(engine, head, downstream, ctx).await?;
    let mut sent = Replay::new(ctx);
    loop {
        let mut connection = place(engine, head, downstream, ctx, sent.only_to.as_ref()).await?;
        let Some(forward) = &mut ctx.forward else {
            return Err(Problem::Internal("no upstream was chosen"));
        };
        forward.connected = Some(Instant::now());
        let upstream = forward.upstream.clone();
        begin(&mut connection, head, downstream, &sent, ctx)?;
        match exchange(&mut connection, &head.method, downstream, &mut sent, ctx).await {
            Ok(()) => {
                let deadlines = &ctx.snapshot.deadlines;
                engine.pool.give(&upstream, connection, deadlines);
                return Ok(downstream.end().await?);
            }
            Err(problem) if sent.may_repeat(&problem, &connection, &upstream, ctx) => {
                engine.door.telemetry.repeated(&upstream.name);
                let was_stale = connection.is_reused() && sent.repetitions == 1;
                if !was_stale {
                    tokio::time::sleep(TIME_TO_BE_GONE).await;
                }
            }
            Err(problem) => return Err(problem),
        }
    }
}

/// Puts the head on its way, and what was sent of the body before.
fn begin(
    connection: &mut Connection,
    head: &RequestHead,
    downstream: &Downstream,
    sent: &Replay,
    ctx: &RequestContext,
) -> Result<(), Problem> {
    let up = head_for_upstream(head, ctx)?;
    let has_body = !downstream.is_body_over() || !sent.sent.is_empty();
    let is_chunked = has_body && !up.fields.contains("content-length");
    connection.begin(&up, is_chunked);
    connection.queue(Bytes::copy_from_slice(&sent.sent));
    if downstream.is_body_over() {
        connection.queue_end();
    }
    Ok(())
}

/// The head that goes up: the target as it came, without the prefix that the route cuts off.
pub(super) fn head_for_upstream(
    head: &RequestHead,
    ctx: &RequestContext,
) -> Result<RequestHead, Problem> {
    let (Some(identity), Some(forward)) = (&ctx.identity, &ctx.forward) else {
        return Err(Problem::Internal("a request without a route"));
    };
    let host = identity.site.as_ref().map(|site| &*site.server_host);
    Ok(RequestHead {
        method: head.method.clone(),
        target: without_prefix(&head.target, forward.strip),
        protocol: head.protocol,
        fields: request_headers::for_upstream(&head.fields, identity.client, &ctx.request_id, host),
    })
}

fn without_prefix(target: &Bytes, length: usize) -> Bytes {
    let rest = target.get(length..).unwrap_or_default();
    if length > 0 && rest.first() != Some(&b'/') {
        return [b"/", rest].concat().into();
    }
    target.slice(length.min(target.len())..)
}

/// What was sent of a body, for the few times that it may be sent again.
///
/// A request whose connection ended is sent once more only where a repetition does no harm and no
/// part of an answer has been seen. To a homeserver that is any such request, because it may have
/// been stopped; to the upstream of a route only one whose connection had served others before,
/// and so had probably gone stale.
#[derive(Debug)]
pub(super) struct Replay {
    sent: BytesMut,
    is_allowed: bool,
    repetitions: u8,
    /// Where it must go when it is sent again: a process of Synapse knows the transactions that
    /// it has begun, and no other does.
    only_to: Option<Arc<Upstream>>,
}

impl Replay {
    fn new(ctx: &RequestContext) -> Self {
        let is_idempotent = |i: &super::context::Identity| i.endpoint.is_idempotent;
        Self {
            sent: BytesMut::new(),
            is_allowed: ctx.identity.as_ref().is_some_and(is_idempotent),
            repetitions: 0,
            only_to: None,
        }
    }

    /// Keeps a piece that is sent now. Copied, because a piece may hold a larger buffer.
    pub(super) fn keep(&mut self, piece: &[u8]) {
        if !self.is_allowed {
            return;
        }
        if self.sent.len() + piece.len() > WORTH_KEEPING {
            self.forbid();
        } else {
            self.sent.extend_from_slice(piece);
        }
    }

    fn forbid(&mut self) {
        self.is_allowed = false;
        self.sent = BytesMut::new();
    }

    /// Whether to send the request once more.
    fn may_repeat(
        &mut self,
        problem: &Problem,
        connection: &Connection,
        upstream: &Arc<Upstream>,
        ctx: &RequestContext,
    ) -> bool {
        let is_placed = ctx.forward.as_ref().is_some_and(|f| f.placing.is_some());
        let may = self.is_allowed
            && (is_placed || connection.is_reused())
            && !connection.has_answered()
            && problem.is_closed();
        self.repetitions += 1;
        self.is_allowed = may && self.repetitions < MOST_REPETITIONS;
        let class = ctx.identity.as_ref().map(|i| i.endpoint.class);
        if class == Some(Class::FedTransaction) && is_placed {
            self.only_to = Some(upstream.clone());
        }
        may
    }
}
