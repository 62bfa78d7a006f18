//! One request from its head to its record.

use std::sync::Arc;

use pingora::protocols::http::ServerSession;
use tokio::sync::watch;

use super::answer::Answer;
use super::carry::carry;
use super::failure::{Failure, Problem, Trouble};
use super::record::Recorded;
use super::reply::Reply;
use super::request::{Step, decide};
use super::{FrontDoor, TunnelEngine, edge_cache, folder, proof, record};
use crate::listen::{After, App, Downstream};
use crate::message::RequestHead;
use crate::upstream::Pool;

/// What serves the requests of one worker thread: the front door, connections to upstreams, and
/// pingora's engine for tunnels.
pub struct Engine {
    pub(super) door: Arc<FrontDoor>,
    pub(super) pool: Arc<Pool>,
    tunnels: Arc<TunnelEngine>,
}

impl Engine {
    /// An engine with no connections yet.
    pub fn new(door: Arc<FrontDoor>, tunnels: Arc<TunnelEngine>) -> Self {
        let pool = Pool::new();
        Self {
            door,
            pool,
            tunnels,
        }
    }
}

impl App for Engine {
    async fn serve(&self, head: RequestHead, downstream: &mut Downstream) -> After {
        let facts = Arc::clone(downstream.facts());
        let mut request = Recorded::begin(&self.door, &facts, &head);
        let ctx = &mut request.ctx;
        let step = decide(&head, &facts, ctx);
        ctx.count_in_flight(&self.door.telemetry);
        let done = match step {
            Step::Forward if ctx.is_tunnel() => {
                request.forget();
                return After::Tunnel(head);
            }
            // Boxed: what waits for an upstream has no room for this.
            Step::Forward if edge_cache::concerns(ctx) => {
                Box::pin(edge_cache::serve(self, &head, downstream, ctx)).await
            }
            Step::Forward => forward(self, &head, downstream, ctx).await,
            Step::Answer(reply) => reply.send(downstream, ctx).await,
            Step::Refuse(refusal) => Err(refusal.into()),
            // Boxed for the same reason.
            Step::File(file) => Box::pin(folder::serve(&file, &head, downstream, ctx)).await,
        };
        if let Err(problem) = done {
            Box::pin(settle(&self.door, &problem, downstream, ctx)).await;
        }
        request.end();
        After::Served
    }

    async fn tunnel(&self, session: ServerSession, shutdown: &watch::Receiver<bool>) {
        self.tunnels.serve(session, shutdown).await;
    }
}

/// Sends a request to the upstream, once it is clear that it may go there.
async fn forward(
    engine: &Engine,
    head: &RequestHead,
    downstream: &mut Downstream,
    ctx: &mut super::RequestContext,
) -> Result<(), Problem> {
    if proof::concerns(ctx) {
        let is_body_over = downstream.is_body_over();
        // Boxed for the same reason.
        Box::pin(proof::begin(engine, head, is_body_over, ctx)).await?;
    }
    carry(engine, head, downstream, ctx).await
}

/// Tells the client of trouble, as far as it can still be told.
async fn settle(
    door: &FrontDoor,
    problem: &Problem,
    downstream: &mut Downstream,
    ctx: &mut super::RequestContext,
) {
    let mut trouble = problem.trouble();
    if trouble == Trouble::Failed(Failure::ClientGone) && downstream.facts().is_cut() {
        // It was not the client who left.
        trouble = Trouble::Failed(Failure::Cut);
    }
    ctx.trouble = Some(trouble);
    record::note_trouble(&door.telemetry, ctx, problem);
    let is_lost = matches!(
        trouble,
        Trouble::Failed(Failure::ClientGone | Failure::ClientStalled | Failure::Cut)
    );
    if is_lost || ctx.status.is_some() {
        downstream.abort();
        return;
    }
    if ctx.forward.is_some() && matches!(trouble, Trouble::Refused(_)) {
        // What is left of a body that was refused on its way is no request.
        downstream.close_after();
    }
    let reply = Reply::error(&Answer::from(trouble));
    if let Err(problem) = reply.send(downstream, ctx).await {
        tracing::debug!(%problem, "the client did not take the error answer");
        downstream.abort();
    }
}
