//! One record of each request, for the access log and the metrics.

use std::time::Instant;

use http::StatusCode;
use tracing::Level;

use super::answer::Answer;
use super::context::RequestContext;
use super::failure::{Failure, Problem, Trouble};
use super::{FrontDoor, affinity};
use crate::listen::ConnectionFacts;
use crate::message::RequestHead;
use crate::telemetry::{AccessRecord, Name, Outcome, Telemetry};
use crate::upstream::How;

/// A request that leaves a record however it ends: also where the connection is cut under it.
pub(super) struct Recorded<'a> {
    door: &'a FrontDoor,
    facts: &'a ConnectionFacts,
    head: &'a RequestHead,
    /// What is known of the request so far.
    pub(super) ctx: RequestContext,
    is_over: bool,
}

impl<'a> Recorded<'a> {
    pub(super) fn begin(
        door: &'a FrontDoor,
        facts: &'a ConnectionFacts,
        head: &'a RequestHead,
    ) -> Self {
        Self {
            door,
            facts,
            head,
            ctx: door.begin(),
            is_over: false,
        }
    }

    /// Writes the record.
    pub(super) fn end(mut self) {
        self.is_over = true;
        write(&self.door.telemetry, self.facts, self.head, &self.ctx);
    }

    /// Writes none: somebody else serves the request.
    pub(super) fn forget(mut self) {
        self.is_over = true;
    }
}

impl Drop for Recorded<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.ctx
                .trouble
                .get_or_insert(Trouble::Failed(Failure::Cut));
            write(&self.door.telemetry, self.facts, self.head, &self.ctx);
        }
    }
}

impl From<Trouble> for Answer {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(refusal) => refusal.into(),
            Trouble::Failed(failure) => failure.into(),
        }
    }
}

/// Tells the log of a failure, and counts it where it was an upstream's.
///
/// What an operator needs to see is told once, here; refusals and clients that
/// leave are in the access log.
pub(super) fn note_trouble(telemetry: &Telemetry, ctx: &RequestContext, problem: &Problem) {
    let trouble = problem.trouble();
    let answer = Answer::from(trouble);
    let forward = ctx.forward.as_ref();
    let upstream = forward.map(|f| &*f.upstream.name);
    let id = &*ctx.request_id;
    if let (Trouble::Failed(_), Some(upstream)) = (trouble, upstream)
        && answer.level <= Level::WARN
    {
        telemetry.upstream_error(upstream, answer.reason);
    }
    match answer.level {
        Level::ERROR => {
            tracing::error!(request_id = id, upstream, error = %problem, "{}", answer.reason);
        }
        Level::WARN if is_due(ctx) => {
            tracing::warn!(request_id = id, upstream, error = %problem, "{}", answer.reason);
        }
        _ => tracing::debug!(request_id = id, upstream, error = %problem, "{}", answer.reason),
    }
}

/// Whether it is time for another warning about the request's upstream.
fn is_due(ctx: &RequestContext) -> bool {
    let forward = ctx.forward.as_ref();
    forward.is_none_or(|f| f.upstream.warnings.is_due(Instant::now()))
}

/// Writes the record of a request that has ended.
pub(super) fn write(
    telemetry: &Telemetry,
    facts: &ConnectionFacts,
    head: &RequestHead,
    ctx: &RequestContext,
) {
    let identity = ctx.identity.as_ref();
    let answer = ctx.trouble.map(Answer::from);
    let endpoint = identity.map(|i| match &i.route {
        Some(route) => route.clone(),
        None => Name::Fixed(i.endpoint.template),
    });
    let forward = ctx.forward.as_ref();
    let placing = forward.and_then(|f| f.placing.as_ref());
    let shaped = ctx.shaped.as_ref();
    if let Some(shaped) = shaped {
        shaped.ended(ctx.bytes_out);
    }
    let record = AccessRecord {
        time: ctx.time,
        request_id: &ctx.request_id,
        client: ctx.client_ip(),
        listener: &facts.listener.name,
        protocol: head.protocol.as_str(),
        tls_version: facts.tls.map(|t| t.version),
        site: identity.and_then(|i| i.site.as_ref()).map(|s| &s.name),
        method: Some(&head.method),
        endpoint,
        class: identity.map(|i| i.endpoint.class.as_str()),
        status: final_status(ctx.status, answer.map(|a| a.status)),
        bytes_in: ctx.body.seen(),
        bytes_out: ctx.bytes_out,
        duration: ctx.started.elapsed(),
        upstream: forward.map(|f| &f.upstream.name),
        group: placing.map(|p| p.group.as_str()),
        placed_by: placing
            .and_then(|p| p.how)
            .filter(|how| *how != How::Only)
            .map(How::as_str),
        budget: shaped.map(|s| s.budget.as_str()),
        shaped: shaped.map(|s| s.waited).filter(|time| !time.is_zero()),
        queued: placing.map(|p| p.queued).filter(|time| !time.is_zero()),
        held: placing.map(|p| p.held).filter(|time| !time.is_zero()),
        upstream_connect: forward.and_then(|f| f.connect),
        upstream_first_byte: forward.and_then(|f| f.first_byte),
        user: telemetry.user_hash(|| affinity::sender(head, ctx)),
        origin: identity.and_then(|i| i.caller().name()),
        signature: ctx.signature,
        rule: ctx
            .judged
            .rule
            .as_ref()
            .map(|(rule, result)| (rule, *result)),
        would_refuse: ctx.would_refuse.map(|refusal| Answer::from(refusal).reason),
        outcome: match (ctx.trouble, answer) {
            (Some(Trouble::Refused(_)), Some(answer)) => Outcome::Refused(answer.reason),
            (Some(Trouble::Failed(_)), Some(answer)) => Outcome::Failed(answer.reason),
            _ => Outcome::Served,
        },
        user_agent: head.fields.first("user-agent"),
    };
    telemetry.request_finished(&record);
    #[cfg(feature = "otlp")]
    telemetry.request_traced(&record, head.fields.all("traceparent"));
}

/// The status that the request ended with: that of its answer, else what its trouble is called.
fn final_status(written: Option<StatusCode>, trouble: Option<StatusCode>) -> u16 {
    written.or(trouble).map_or(0, |status| status.as_u16())
}
