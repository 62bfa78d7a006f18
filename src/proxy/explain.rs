//! What would happen to a request, decided by the same code that serves it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::affinity::{Said, said};
use super::answer::Answer;
use super::place::Placing;
use super::request::{Step, decide};
use super::{FrontDoor, RequestContext};
use crate::listen::ConnectionFacts;
use crate::matrix::affinity::Key;
use crate::matrix::budget::Budget;
use crate::matrix::worker::Affinity;
use crate::message::RequestHead;
use crate::policy::traffic::Limits;
use crate::snapshot::Snapshot;
use crate::telemetry::{RuleResult, Telemetry};

/// What would happen to a request, and why.
#[derive(Debug)]
pub struct Explanation {
    /// The site that its host names.
    pub site: Option<Arc<str>>,
    /// The endpoint's template.
    pub endpoint: &'static str,
    /// The endpoint's class.
    pub class: &'static str,
    /// The path of the route that serves it, where one of the configuration does.
    pub route: Option<String>,
    /// The server that says to send it.
    pub claimed_origin: Option<String>,
    /// What the rules for origins say.
    pub rule: Option<RuleSaid>,
    /// What is done.
    pub outcome: Outcome,
}

/// What the rules for origins say of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSaid {
    /// The rule, or what decides where no rule does.
    pub name: Arc<str>,
    /// What it does.
    pub does: RuleDoes,
}

/// What a rule does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleDoes {
    /// Refuses it.
    Refuses,
    /// Would refuse it, and is only tried.
    WouldRefuse,
    /// Allows it, once it is proven who sends it.
    AllowsProven,
}

impl RuleDoes {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuses => "refuses",
            Self::WouldRefuse => "would_refuse",
            Self::AllowsProven => "allows_proven",
        }
    }
}

/// What is done with a request.
#[derive(Debug)]
pub enum Outcome {
    /// It goes to an upstream.
    Forwarded(Forwarded),
    /// It is answered here.
    Answered {
        /// The status.
        status: u16,
        /// Where a redirect leads.
        location: Option<String>,
    },
    /// A file is served.
    File {
        /// The folder.
        folder: String,
    },
    /// It is refused.
    Refused(Answer),
}

/// How a request goes to an upstream.
#[derive(Debug)]
pub struct Forwarded {
    /// The largest body, in bytes.
    pub max_body_size: u64,
    /// The longest silence of the upstream.
    pub silence: Duration,
    /// The target as the upstream sees it.
    pub target: String,
    /// Whether it is sent once more where a connection ends without an answer.
    pub is_repeatable: bool,
    /// What holds for requests of its kind; none where no limit does.
    pub limited: Option<Limited>,
    /// The upstreams, the first choice first.
    pub upstreams: Vec<Arc<str>>,
    /// How one of several processes is chosen; none for the upstream of a route.
    pub placed: Option<Placed>,
}

/// How one of a homeserver's processes is chosen.
#[derive(Debug)]
pub struct Placed {
    /// Whose work it is.
    pub group: &'static str,
    /// The group whose workers answer: the same, or a stand-in.
    pub answered_by: &'static str,
    /// Whether the main process answers while they are away.
    pub falls_back_to_main: bool,
    /// What keeps requests together.
    pub affinity: &'static str,
    /// What is known of that here.
    pub key: KnownKey,
    /// How long it waits for a process that is away.
    pub hold: Duration,
    /// Requests of the group that one process takes at a time.
    pub max_requests: u32,
}

/// What holds for requests of one kind.
#[derive(Debug)]
pub struct Limited {
    /// The budget.
    pub budget: Budget,
    /// What holds there.
    pub limits: Limits,
}

/// What is known of the key without asking anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownKey {
    /// It does not matter: there is one process, or nothing to go by.
    None,
    /// The request holds it.
    InRequest,
    /// The homeserver is asked whose the token is; where it does not say, the token counts.
    Asked,
}

/// Explains what a request would meet on a connection of these `facts`.
pub fn explain(
    snapshot: Snapshot,
    telemetry: Arc<Telemetry>,
    head: &RequestHead,
    facts: &ConnectionFacts,
) -> Explanation {
    let door = FrontDoor::new(Arc::new(ArcSwap::from_pointee(snapshot)), telemetry, 0);
    let mut ctx = door.begin();
    let step = decide(head, facts, &mut ctx);
    let identity = ctx.identity.as_ref();
    let endpoint = identity.map(|identity| identity.endpoint);
    Explanation {
        site: identity.and_then(|i| Some(i.site.as_ref()?.name.clone())),
        endpoint: endpoint.map_or("*", |endpoint| endpoint.template),
        class: endpoint.map_or("unknown", |endpoint| endpoint.class.as_str()),
        route: identity.and_then(|i| Some(i.route.as_ref()?.as_str().to_owned())),
        claimed_origin: identity.and_then(|i| Some(i.caller().name()?.to_string())),
        rule: rule(&ctx),
        outcome: outcome(&step, head, &ctx),
    }
}

fn rule(ctx: &RequestContext) -> Option<RuleSaid> {
    let judged = &ctx.judged;
    let tried = judged.rule.clone().map(|(name, result)| RuleSaid {
        name,
        does: match result {
            RuleResult::Refused => RuleDoes::Refuses,
            RuleResult::WouldRefuse => RuleDoes::WouldRefuse,
            RuleResult::Allowed => RuleDoes::AllowsProven,
        },
    });
    let proof = judged.needs_proof.clone().map(|name| RuleSaid {
        name,
        does: RuleDoes::AllowsProven,
    });
    tried.or(proof)
}

fn outcome(step: &Step, head: &RequestHead, ctx: &RequestContext) -> Outcome {
    match step {
        Step::Forward => match forwarded(head, ctx) {
            Some(forwarded) => Outcome::Forwarded(forwarded),
            None => Outcome::Refused(super::failure::Failure::Internal.into()),
        },
        Step::Answer(reply) => Outcome::Answered {
            status: reply.status.as_u16(),
            location: reply.fields.first("location").map(text),
        },
        Step::File(file) => Outcome::File {
            folder: file.folder.root.display().to_string(),
        },
        Step::Refuse(refusal) => Outcome::Refused((*refusal).into()),
    }
}

fn forwarded(head: &RequestHead, ctx: &RequestContext) -> Option<Forwarded> {
    let (forward, identity) = (ctx.forward.as_ref()?, ctx.identity.as_ref()?);
    let up = super::carry::head_for_upstream(head, ctx).ok()?;
    let (upstreams, placed) = match &forward.placing {
        Some(placing) => {
            let found = found(head, ctx, placing);
            let (homeserver, group) = (&placing.homeserver, placing.group);
            let upstreams = homeserver.ranking(group, found.1);
            let mut names: Vec<Arc<str>> = upstreams.iter().map(|u| u.name.clone()).collect();
            let to_be_found = homeserver.to_be_found(homeserver.answering(group));
            let as_found = |worker: Arc<str>| format!("{worker} (as DNS names it)").into();
            names.extend(to_be_found.into_iter().map(as_found));
            (names, Some(placed(ctx, placing, found.0)))
        }
        None => (vec![forward.upstream.name.clone()], None),
    };
    Some(Forwarded {
        limited: limited(head, ctx),
        max_body_size: ctx.body.limit(),
        silence: forward.silence,
        target: text(&up.target),
        is_repeatable: identity.endpoint.is_idempotent,
        upstreams,
        placed,
    })
}

/// The limits of the budget that it belongs to.
fn limited(head: &RequestHead, ctx: &RequestContext) -> Option<Limited> {
    let (traffic, request) = super::traffic::asked(head, ctx, false)?;
    let limits = traffic.limits(request.budget)?.clone();
    Some(Limited {
        budget: request.budget,
        limits,
    })
}

fn placed(ctx: &RequestContext, placing: &Placing, key: KnownKey) -> Placed {
    let (homeserver, group) = (&placing.homeserver, placing.group);
    let answering = homeserver.answering(group);
    let affinity = ctx.identity.as_ref().map(|i| i.endpoint.affinity);
    Placed {
        group: group.as_str(),
        answered_by: answering.as_str(),
        falls_back_to_main: group.is_served_by_main(),
        affinity: affinity.unwrap_or(Affinity::None).as_str(),
        key,
        hold: placing.hold,
        max_requests: homeserver
            .limits(group)
            .map_or(0, |limits| limits.max_requests),
    }
}

/// What is known of the key, and the key to go by here.
fn found(head: &RequestHead, ctx: &RequestContext, placing: &Placing) -> (KnownKey, Option<Key>) {
    let Some(identity) = &ctx.identity else {
        return (KnownKey::None, None);
    };
    if !placing.homeserver.wants_key(placing.group) {
        return (KnownKey::None, None);
    }
    match said(identity, head) {
        Said::Key(None) => (KnownKey::None, None),
        Said::Key(key) => (KnownKey::InRequest, key),
        Said::Token(token) => (KnownKey::Asked, Some(Key::token(&token))),
    }
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(bytes.as_ref()).into_owned()
}
