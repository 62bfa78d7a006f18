//! The way up: which address, which head, and whether to try again.

use std::time::Instant;

use http::header::{AUTHORIZATION, CONNECTION, COOKIE, HOST, HeaderMap, UPGRADE};
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, OrErr, Result};

use super::context::{Identity, RequestContext};
use crate::policy::request_headers;
use crate::upstream::Wanted;

/// Attempts with a connection that an upstream closed before it answered.
const ATTEMPTS: usize = 2;

/// The peer for the next attempt.
pub(super) async fn peer(ctx: &mut RequestContext) -> Result<Box<HttpPeer>> {
    let deadlines = ctx.snapshot.deadlines;
    let Some(forward) = &mut ctx.forward else {
        return Error::e_explain(ErrorType::InternalError, "no upstream was chosen");
    };
    forward.attempts += 1;
    // A request that is sent again brings its body again.
    ctx.body.restart();
    forward.attempt_started = Some(Instant::now());
    let candidate = forward
        .upstream
        .candidate(
            &deadlines,
            Wanted {
                silence: forward.silence,
                tunnel: forward.websocket,
            },
        )
        .await
        .or_err(ErrorType::ConnectNoRoute, "no address")?;
    forward.addresses = candidate.addresses;
    Ok(candidate.peer)
}

/// Notes how long it took to be connected.
pub(super) fn connected(ctx: &mut RequestContext, reused: bool) {
    if let Some(forward) = &mut ctx.forward {
        let now = Instant::now();
        forward.connected = Some(now);
        forward.connect = forward
            .attempt_started
            .filter(|_| !reused)
            .map(|started| now - started);
    }
}

/// Moves to the upstream's next address; says whether there is one to try.
/// Nothing was sent yet, so any request may be.
pub(super) fn connect_failed(ctx: &mut RequestContext) -> bool {
    let Some(forward) = &mut ctx.forward else {
        return false;
    };
    forward.upstream.connect_failed();
    forward.attempts < forward.addresses
}

/// Whether a request whose connection failed may be sent once more: only on a
/// pooled connection that had gone stale, only where a repetition does no harm,
/// and never once any part of an answer has been seen.
pub(super) fn may_send_again(
    session: &Session,
    error: &Error,
    ctx: &RequestContext,
    client_reused: bool,
) -> bool {
    let Some(forward) = &ctx.forward else {
        return false;
    };
    client_reused
        && ctx.trouble.is_none()
        && forward.attempts < ATTEMPTS
        && forward.first_byte.is_none()
        && is_broken_connection(error)
        && ctx
            .identity
            .as_ref()
            .is_some_and(|i| i.endpoint.is_idempotent)
        && !session.as_ref().retry_buffer_truncated()
}

/// A connection that ended, as opposed to an upstream that is slow or wrong.
fn is_broken_connection(error: &Error) -> bool {
    matches!(
        error.etype(),
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError
    ) && *error.esource() == ErrorSource::Upstream
}

/// Applies the header policy to the head that goes up, and cuts the route's
/// prefix where the route says so. The target is otherwise as it came.
pub(super) fn rewrite_head(
    session: &Session,
    head: &mut RequestHeader,
    ctx: &RequestContext,
) -> Result<()> {
    let (Some(identity), Some(forward)) = (&ctx.identity, &ctx.forward) else {
        return Error::e_explain(ErrorType::InternalError, "a request without a route");
    };
    // What the client nominated in `Connection` may be gone from `head`; what it
    // sent in our fields is looked for in its own head.
    let edits = request_headers::for_upstream(
        &session.req_header().headers,
        identity.client,
        &ctx.request_id,
    );
    for name in edits.remove {
        head.remove_header(&name);
    }
    for (name, value) in edits.set {
        head.insert_header(name, value)?;
    }
    keep_credentials(&session.req_header().headers, head)?;
    name_host(head, identity)?;
    if !forward.websocket {
        head.remove_header(&UPGRADE);
        head.remove_header(&CONNECTION);
    }
    strip_prefix(head, forward.strip)
}

/// `Connection` may name fields that end with this connection; nobody can take
/// credentials away with it.
fn keep_credentials(sent: &HeaderMap, head: &mut RequestHeader) -> Result<()> {
    for name in [AUTHORIZATION, COOKIE] {
        if head.headers.contains_key(&name) {
            continue;
        }
        for value in sent.get_all(&name) {
            head.append_header(name.clone(), value.clone())?;
        }
    }
    Ok(())
}

/// HTTP/1.0 knows no `Host`, HTTP/1.1 demands one: the server name's.
fn name_host(head: &mut RequestHeader, identity: &Identity) -> Result<()> {
    if let Some(site) = &identity.site
        && !head.headers.contains_key(HOST)
    {
        head.insert_header(HOST, &*site.server_host)?;
    }
    Ok(())
}

fn strip_prefix(head: &mut RequestHeader, length: usize) -> Result<()> {
    if length == 0 {
        return Ok(());
    }
    let rest = head.raw_path().get(length..).unwrap_or_default();
    let mut target = Vec::with_capacity(rest.len() + 1);
    if rest.first() != Some(&b'/') {
        target.push(b'/');
    }
    target.extend_from_slice(rest);
    head.set_raw_path(&target)
}
