//! Whether the server that sends a request may, by the rules for origins.

use std::sync::Arc;

use super::context::{Identity, RequestContext};
use crate::matrix::Credentials;
use crate::policy::origin_rules::{Answer, Decision, OriginRules, Question, Refused};
use crate::policy::{Refusal, Signatures};
use crate::route::Action;
use crate::telemetry::RuleResult;

/// What the rules have said of a request.
#[derive(Default)]
pub(super) struct Judged {
    /// The rule that decided, or would have, and what it did.
    pub(super) rule: Option<(Arc<str>, RuleResult)>,
    /// The rule that would allow the request, were it proven who sends it.
    pub(super) needs_proof: Option<Arc<str>>,
    /// What is asked again once the origin is proven: the same rules on the same listener.
    again: Option<(Arc<OriginRules>, Arc<str>)>,
}

/// Judges a request that goes upstream by what it claims, before anything else is done for it.
pub(super) fn judge(
    action: &Action<'_>,
    identity: &Identity,
    listener: &Arc<str>,
    ctx: &mut RequestContext,
) -> Result<(), Refusal> {
    let goes_up = matches!(action, Action::Homeserver(_) | Action::Upstream(..));
    if !goes_up || identity.credentials == Credentials::None {
        return Ok(());
    }
    check_destination(identity, ctx)?;
    let rules = ctx.snapshot.origin_rules.load();
    if rules.are_none() {
        return Ok(());
    }
    let rules = Arc::clone(&rules);
    ask(&rules, identity, listener, ctx)?;
    ctx.judged.again = Some((rules, listener.clone()));
    Ok(())
}

/// Judges a request again, now that it is proven who sends it.
pub(super) fn judge_verified(ctx: &mut RequestContext) -> Result<(), Refusal> {
    let Some((rules, listener)) = ctx.judged.again.take() else {
        return Ok(());
    };
    // Put back below, whatever the rules say.
    let Some(identity) = ctx.identity.take() else {
        return Ok(());
    };
    let judged = ask(&rules, &identity, &listener, ctx);
    ctx.identity = Some(identity);
    judged
}

fn ask(
    rules: &OriginRules,
    identity: &Identity,
    listener: &str,
    ctx: &mut RequestContext,
) -> Result<(), Refusal> {
    ctx.judged.needs_proof = None;
    let ruling = rules.decide(&Question {
        caller: identity.caller(),
        class: identity.endpoint.class,
        site: identity.site.as_ref().map_or("", |site| &site.name),
        listener,
    });
    if let Some(Refused { answer, rule }) = ruling.tried {
        ctx.would_refuse.get_or_insert(refusal(answer));
        ctx.judged.rule = Some((rule, RuleResult::WouldRefuse));
    }
    match ruling.decision {
        Decision::Pass => Ok(()),
        // Unless a proof follows, the mode `enforce`, without which no rule allows, refuses.
        Decision::NeedsProof(rule) => {
            ctx.judged.needs_proof = Some(rule);
            Ok(())
        }
        Decision::Allowed(rule) => {
            ctx.judged.rule.get_or_insert((rule, RuleResult::Allowed));
            Ok(())
        }
        Decision::Refused(Refused { answer, rule }) => {
            let refused = ctx.refuse(refusal(answer));
            let result = match refused {
                Err(_) => RuleResult::Refused,
                Ok(()) => RuleResult::WouldRefuse,
            };
            ctx.judged.rule = Some((rule, result));
            refused
        }
    }
}

/// Refuses what is meant for another server, as the homeserver would.
fn check_destination(identity: &Identity, ctx: &mut RequestContext) -> Result<(), Refusal> {
    let (Credentials::Clear(x_matrix), Some(site)) = (&identity.credentials, &identity.site) else {
        return Ok(());
    };
    let is_other = x_matrix
        .destination()
        .is_some_and(|name| !name.eq_ignore_ascii_case(&site.name));
    if is_other && ctx.snapshot.federation.signatures >= Signatures::Verify {
        return ctx.refuse(Refusal::WrongDestination);
    }
    Ok(())
}

fn refusal(answer: Answer) -> Refusal {
    match answer {
        Answer::Forbidden => Refusal::OriginForbidden,
        Answer::Unauthorized => Refusal::OriginUnauthorized,
        Answer::Tarpit => Refusal::OriginTarpit,
        Answer::Malformed => Refusal::AmbiguousOrigin,
    }
}
