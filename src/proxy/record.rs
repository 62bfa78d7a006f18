//! One record of each request, for the access log and the metrics.

use std::time::Instant;
use std::{fmt, io};

use http::StatusCode;
use http::header::USER_AGENT;
use pingora::Error;
use pingora::proxy::Session;
use tracing::Level;

use super::answer::Answer;
use super::context::RequestContext;
use super::failure::Trouble;
use crate::listen::ConnectionFacts;
use crate::telemetry::{AccessRecord, Name, Outcome, Telemetry};

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
pub(super) fn note_trouble(
    telemetry: &Telemetry,
    ctx: &RequestContext,
    trouble: Trouble,
    error: &Error,
) {
    let answer = Answer::from(trouble);
    let forward = ctx.forward.as_ref();
    let upstream = forward.map(|f| &*f.upstream.name);
    let id = ctx.request_id.to_str().unwrap_or_default();
    let error = Brief(error);
    if let (Trouble::Failed(_), Some(upstream)) = (trouble, upstream)
        && answer.level <= Level::WARN
    {
        telemetry.upstream_error(upstream, answer.reason);
    }
    match answer.level {
        Level::ERROR => tracing::error!(request_id = id, upstream, %error, "{}", answer.reason),
        Level::WARN if is_due(ctx) => {
            tracing::warn!(request_id = id, upstream, %error, "{}", answer.reason);
        }
        _ => tracing::debug!(request_id = id, upstream, %error, "{}", answer.reason),
    }
}

/// Whether it is time for another warning about the request's upstream.
fn is_due(ctx: &RequestContext) -> bool {
    let forward = ctx.forward.as_ref();
    forward.is_none_or(|f| f.upstream.warnings.is_due(Instant::now()))
}

/// An error of the engine without its context, which may quote bytes of either
/// side: its kind, and what the operating system said.
struct Brief<'a>(&'a Error);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.etype().as_str())?;
        let mut cause: Option<&(dyn std::error::Error + 'static)> =
            self.0.cause.as_ref().map(|cause| &**cause as _);
        while let Some(current) = cause {
            if let Some(error) = current.downcast_ref::<io::Error>() {
                return match error.raw_os_error() {
                    Some(code) => write!(f, ": {}", io::Error::from_raw_os_error(code)),
                    None => write!(f, ": {}", error.kind()),
                };
            }
            cause = match current.downcast_ref::<Box<Error>>() {
                Some(inner) => inner.cause.as_ref().map(|cause| &**cause as _),
                None => current.source(),
            };
        }
        Ok(())
    }
}

/// Writes the record of a request that has ended.
pub(super) fn write(telemetry: &Telemetry, session: &mut Session, ctx: &RequestContext) {
    let Some(facts) = session.digest().and_then(ConnectionFacts::of) else {
        return;
    };
    let head = session.req_header();
    let identity = ctx.identity.as_ref();
    let answer = ctx.trouble.map(Answer::from);
    let written = session.response_written().map(|head| head.status);
    let endpoint = identity.map(|i| match &i.route {
        Some(route) => route.clone(),
        None => Name::Fixed(i.endpoint.template),
    });
    let forward = ctx.forward.as_ref();
    telemetry.request_finished(&AccessRecord {
        time: ctx.time,
        request_id: ctx.request_id.to_str().unwrap_or_default(),
        client: ctx.client_ip(),
        listener: &facts.listener.name,
        protocol: protocol(head.version),
        tls_version: facts.tls.map(|t| t.version),
        site: identity.and_then(|i| i.site.as_ref()).map(|s| &s.name),
        method: Some(&head.method),
        endpoint,
        class: identity.map(|i| i.endpoint.class.as_str()),
        status: final_status(written, answer.map(|a| a.status)),
        bytes_in: ctx.body.seen(),
        bytes_out: ctx.bytes_out,
        duration: ctx.started.elapsed(),
        upstream: forward.map(|f| &f.upstream.name),
        upstream_connect: forward.and_then(|f| f.connect),
        upstream_first_byte: forward.and_then(|f| f.first_byte),
        claimed_origin: None,
        outcome: match (ctx.trouble, answer) {
            (Some(Trouble::Refused(_)), Some(answer)) => Outcome::Refused(answer.reason),
            (Some(Trouble::Failed(_)), Some(answer)) => Outcome::Failed(answer.reason),
            _ => Outcome::Served,
        },
        user_agent: head
            .headers
            .get(USER_AGENT)
            .map(http::HeaderValue::as_bytes),
    });
}

/// The status that the request ended with. An interim answer is none, though
/// the engine keeps it as one: a client that left after a 100 left unanswered.
fn final_status(written: Option<StatusCode>, trouble: Option<StatusCode>) -> u16 {
    written
        .filter(|s| !s.is_informational() || *s == StatusCode::SWITCHING_PROTOCOLS)
        .or(trouble)
        .map_or(0, |s| s.as_u16())
}

fn protocol(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_2 => "HTTP/2",
        http::Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interim_answer_is_not_what_a_request_ended_with() {
        let ended = |written: Option<u16>, trouble: Option<u16>| {
            let status = |number: Option<u16>| number.map(|n| StatusCode::from_u16(n).unwrap());
            final_status(status(written), status(trouble))
        };
        assert_eq!(ended(Some(100), Some(499)), 499);
        assert_eq!(ended(Some(200), Some(499)), 200);
        assert_eq!(ended(Some(101), None), 101);
        assert_eq!(ended(None, Some(502)), 502);
        assert_eq!(ended(None, None), 0);
    }
}
