//! The way down: is this an answer to what was asked, and what of its head
//! goes on.

use http::StatusCode;
use http::header::TRANSFER_ENCODING;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use super::context::RequestContext;
use super::failure::{Failure, Trouble};
use crate::listen::ConnectionFacts;
use crate::policy::response_headers;

/// Interim answers that one request may have; no server has a use for more.
const MAX_INTERIM: u8 = 16;

/// Refuses what no honest upstream answers: framing that can be read in two
/// ways, a protocol switch nobody asked for, interim answers without end.
pub(super) fn check(
    session: &Session,
    head: &ResponseHeader,
    ctx: &mut RequestContext,
) -> Result<()> {
    let Some(forward) = &mut ctx.forward else {
        return Ok(());
    };
    if forward.first_byte.is_none() {
        forward.first_byte = forward.connected.map(|at| at.elapsed());
    }
    let problem = if head.status == StatusCode::SWITCHING_PROTOCOLS {
        (!forward.websocket || !session.is_upgrade_req()).then_some("a 101 that nobody asked for")
    } else if head.status.is_informational() {
        forward.interim = forward.interim.saturating_add(1);
        (forward.interim > MAX_INTERIM).then_some("too many interim answers")
    } else {
        (!response_headers::framing_is_sound(&head.headers)).then_some("ambiguous framing")
    };
    let Some(problem) = problem else {
        return Ok(());
    };
    ctx.trouble = Some(Trouble::Failed(Failure::BadAnswer));
    Error::e_explain(ErrorType::InvalidHTTPHeader, problem).map_err(|e: Box<Error>| e.into_up())
}

/// Applies the header policy to the head that goes down.
pub(super) fn rewrite_head(
    session: &mut Session,
    head: &mut ResponseHeader,
    ctx: &RequestContext,
) -> Result<()> {
    if head.status.is_informational() {
        return Ok(());
    }
    let is_draining = session
        .digest()
        .and_then(ConnectionFacts::of)
        .is_some_and(ConnectionFacts::is_draining);
    if is_draining {
        session.set_keepalive(None);
    }
    let edits = response_headers::for_downstream(&head.headers, ctx.hsts().as_ref());
    for name in edits.remove {
        head.remove_header(&name);
    }
    for (name, value) in edits.set {
        head.insert_header(name, value)?;
    }
    if session.req_header().version == http::Version::HTTP_10 {
        // HTTP/1.0 has no chunks: the end of the connection ends the body.
        head.remove_header(&TRANSFER_ENCODING);
        session.set_keepalive(None);
    }
    let site = ctx.identity.as_ref().and_then(|i| i.site.as_ref());
    if let Some(site) = site {
        let status = site
            .rewrite_308
            .apply(head.status, &session.req_header().method);
        head.set_status(status)?;
    }
    Ok(())
}
