//! The request for a document that goes to the homeserver.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;

use super::kept::{Kept, Whole};
use super::{Kind, LARGEST};
use crate::matrix::worker::Group;
use crate::message::RequestHead;
use crate::proxy::answer::Answer;
use crate::proxy::carry::head_for_upstream;
use crate::proxy::context::RequestContext;
use crate::proxy::failure::Problem;
use crate::proxy::place::placing;
use crate::telemetry::Telemetry;
use crate::upstream::{Broken, Choice, Deadlines, Homeserver, Inquiry, NoAnswer, Pool, Upstream};

/// A request for a document, made of that of the client who asked first.
pub(super) struct Question {
    kind: Kind,
    homeserver: Arc<Homeserver>,
    group: Group,
    deadlines: Deadlines,
    /// The longest that the endpoint may take.
    pub silence: Duration,
    /// What goes up. It asks for the whole document without a coding, which everybody can read:
    /// Synapse does not say `Vary` of the one that it compresses.
    pub head: RequestHead,
}

/// What it brought.
pub(super) enum Brought {
    /// A document.
    Kept(Arc<Kept>, Arc<Upstream>),
    /// Another answer, for who asked.
    Own(Whole, Arc<Upstream>),
    /// An answer that is too large to be kept.
    TooLarge,
    /// None.
    Failure(Problem),
}

impl Question {
    /// What `head` asks, to whom it would be forwarded.
    pub(super) fn new(
        kind: Kind,
        head: &RequestHead,
        ctx: &RequestContext,
    ) -> Result<Self, Problem> {
        let (Some(forward), Some(placing)) = (&ctx.forward, placing(ctx)) else {
            return Err(Problem::Internal("a document of no homeserver"));
        };
        let up = head_for_upstream(head, ctx)?;
        let is_coding = |name: &[u8]| name.eq_ignore_ascii_case(b"accept-encoding");
        let fields = up.fields.iter().filter(|(name, _)| !is_coding(name));
        Ok(Self {
            kind,
            homeserver: placing.homeserver.clone(),
            group: placing.group,
            deadlines: ctx.snapshot.deadlines,
            silence: forward.silence,
            head: RequestHead {
                method: Method::GET,
                fields: fields.collect(),
                ..up
            },
        })
    }

    /// Asks it, for `within` at most.
    pub(super) async fn ask(
        &self,
        pool: &Pool,
        within: Duration,
        telemetry: &Telemetry,
    ) -> Brought {
        let asked = Instant::now();
        // It counts there until there is an answer.
        let turn = match self.homeserver.choose(self.group, None) {
            Choice::Go(turn, _) => turn,
            Choice::Full | Choice::Nobody => return Brought::Failure(Problem::Down(None)),
        };
        let upstream = turn.upstream().clone();
        let inquiry = Inquiry {
            head: &self.head,
            body: Bytes::new(),
            most: LARGEST,
            within,
        };
        let asking = pool.ask(&upstream, &self.deadlines, &inquiry);
        let (head, body) = match asking.await {
            Ok(answer) => answer,
            Err(NoAnswer::TooLarge) => return Brought::TooLarge,
            Err(reason) => return Brought::Failure(note(reason, &upstream, telemetry)),
        };
        let whole = Whole::new(&head, body);
        match Kept::new(self.kind, &self.head.fields, whole, asked) {
            Ok(kept) => Brought::Kept(Arc::new(kept), upstream),
            Err(whole) => Brought::Own(whole, upstream),
        }
    }
}

/// Tells of a failure that the client may not see.
fn note(reason: NoAnswer, upstream: &Upstream, telemetry: &Telemetry) -> Problem {
    if let NoAnswer::NoConnection(reason) = &reason
        && reason.is_away()
    {
        upstream.refused(reason);
    }
    let problem = Problem::from(reason);
    let reason = Answer::from(problem.trouble()).reason;
    telemetry.upstream_error(&upstream.name, reason);
    if upstream.warnings.is_due(Instant::now()) {
        tracing::warn!(upstream = &*upstream.name, error = %problem, "{reason}");
    }
    problem
}

impl From<NoAnswer> for Problem {
    fn from(reason: NoAnswer) -> Self {
        match reason {
            NoAnswer::NoConnection(error) => error.into(),
            NoAnswer::Broken(broken) => broken.into(),
            NoAnswer::TooLarge => Broken::Invalid("it is too large").into(),
            NoAnswer::Timeout => Self::Silent,
        }
    }
}
