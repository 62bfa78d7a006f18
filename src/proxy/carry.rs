//! The way up: a connection, the head that goes on it, and whether to try again.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::context::RequestContext;
use super::exchange::exchange;
use super::failure::{Failure, Problem, Trouble};
use crate::listen::Downstream;
use crate::message::RequestHead;
use crate::policy::request_headers;
use crate::upstream::{Connection, Pool, Upstream};

/// Bytes of a body that are kept to be sent once more.
const WORTH_KEEPING: usize = 64 << 10;

/// Carries a request to its upstream and the answer back.
pub(super) async fn carry(
    pool: &Pool,
    head: &RequestHead,
    downstream: &mut Downstream,
    ctx: &mut RequestContext,
) -> Result<(), Problem> {
    let Some(forward) = &ctx.forward else {
        return Err(Problem::Internal("no upstream was chosen"));
    };
    let upstream = forward.upstream.clone();
    let deadlines = ctx.snapshot.deadlines;
    let mut sent = Replay::new(ctx);
    let mut waiting = pool.take(&upstream);
    loop {
        let mut connection = if let Some(connection) = waiting.take() {
            connection
        } else {
            // What fails on a new connection would fail on the next.
            sent.is_allowed = false;
            // Boxed: what waits for an answer has no room for this.
            Box::pin(connect(pool, &upstream, ctx)).await?
        };
        if let Some(forward) = &mut ctx.forward {
            forward.connected = Some(Instant::now());
        }
        begin(&mut connection, head, downstream, &sent, ctx)?;
        match exchange(&mut connection, &head.method, downstream, &mut sent, ctx).await {
            Ok(()) => {
                pool.give(&upstream, connection, &deadlines);
                return Ok(downstream.end().await?);
            }
            Err(problem) if sent.may_repeat(&problem, &connection) => {}
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

async fn connect(
    pool: &Pool,
    upstream: &Upstream,
    ctx: &mut RequestContext,
) -> Result<Connection, Problem> {
    let begun = Instant::now();
    let connection = pool.connect(upstream, &ctx.snapshot.deadlines).await?;
    if let Some(forward) = &mut ctx.forward {
        forward.connect = Some(begun.elapsed());
    }
    Ok(connection)
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

/// What was sent of a body, for the one time that it may be sent again.
///
/// A request whose connection failed is sent once more only where the connection had served
/// others before, and so had probably gone stale; where a repetition does no harm; and where no
/// part of an answer has been seen.
#[derive(Debug)]
pub(super) struct Replay {
    sent: BytesMut,
    is_allowed: bool,
}

impl Replay {
    fn new(ctx: &RequestContext) -> Self {
        let is_idempotent = |i: &super::context::Identity| i.endpoint.is_idempotent;
        Self {
            sent: BytesMut::new(),
            is_allowed: ctx.identity.as_ref().is_some_and(is_idempotent),
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
    fn may_repeat(&mut self, problem: &Problem, connection: &Connection) -> bool {
        let may = self.is_allowed
            && connection.is_reused()
            && !connection.has_answered()
            && problem.trouble() == Trouble::Failed(Failure::Closed);
        // Once: the next connection is a new one.
        self.is_allowed = false;
        may
    }
}
