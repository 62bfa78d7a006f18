//! The one `ProxyHttp`: the life of a request in order.
//!
//! | phase of the engine | what happens | where |
//! |---|---|---|
//! | `new_ctx` | the snapshot in force, a request id | here |
//! | `request_filter` | who asks for what, route, limits; own answers end it | [`request`], [`reply`], [`folder`] |
//! | `upstream_peer` | an address to try | [`forward`] |
//! | `upstream_request_filter` | header policy, target as it came | [`forward`] |
//! | `request_body_filter` | body limit, counted | here |
//! | `upstream_response_filter` | is this an answer to what was asked | [`response`] |
//! | `response_filter` | header policy, 308 | [`response`] |
//! | `fail_to_proxy` | trouble to Matrix JSON | [`failure`], [`answer`] |
//! | `logging` | one record | [`record`] |

pub mod answer;
mod context;
mod failure;
mod folder;
mod forward;
mod record;
mod reply;
mod request;
mod response;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};

use self::answer::Answer;
use self::context::RequestContext;
use self::failure::{Failure, Trouble};
use self::reply::Reply;
use self::request::Step;
use crate::listen::ConnectionFacts;
use crate::policy::{BodyCount, Refusal};
use crate::snapshot::Snapshot;
use crate::telemetry::Telemetry;

/// The front door: everything a request meets between the two sockets.
pub struct FrontDoor {
    snapshot: Arc<ArcSwap<Snapshot>>,
    telemetry: Arc<Telemetry>,
    first_half_of_ids: u64,
    requests: AtomicU64,
}

impl FrontDoor {
    /// A front door that serves what `snapshot` holds at each moment.
    /// `seed` keeps the request ids of different runs apart.
    pub fn new(snapshot: Arc<ArcSwap<Snapshot>>, telemetry: Arc<Telemetry>, seed: u64) -> Self {
        Self {
            snapshot,
            telemetry,
            first_half_of_ids: seed,
            requests: AtomicU64::new(0),
        }
    }

    async fn answer(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
        reply: Reply,
    ) -> Result<()> {
        let hsts = ctx.hsts();
        ctx.bytes_out += reply::send(session, reply, hsts.as_ref()).await? as u64;
        Ok(())
    }

    async fn refuse(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
        refusal: Refusal,
    ) -> Result<()> {
        ctx.trouble = Some(Trouble::Refused(refusal));
        self.answer(session, ctx, Reply::error(&refusal.into()))
            .await
    }
}

#[async_trait]
impl ProxyHttp for FrontDoor {
    type CTX = RequestContext;

    fn new_ctx(&self) -> RequestContext {
        let count = self.requests.fetch_add(1, Ordering::Relaxed);
        RequestContext {
            snapshot: self.snapshot.load_full(),
            started: Instant::now(),
            time: SystemTime::now(),
            request_id: request::request_id(self.first_half_of_ids, count),
            identity: None,
            forward: None,
            body: BodyCount::new(0),
            pending_body: None,
            bytes_out: 0,
            trouble: None,
            in_flight: self.telemetry.request_started(),
        }
    }

    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn request_filter(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<bool> {
        let Some(facts) = session.digest().and_then(ConnectionFacts::of) else {
            return Error::e_explain(ErrorType::InternalError, "a connection without facts");
        };
        let (bodies, is_draining) = (facts.bodies.clone(), facts.is_draining());
        let step = request::decide(session.req_header(), facts, ctx);
        request::prepare(session, &ctx.snapshot.limits, is_draining);
        match step {
            Step::Forward => {
                ctx.pending_body = (!session.as_mut().is_body_done()).then(|| bodies.pending());
                return Ok(false);
            }
            Step::Answer(reply) => self.answer(session, ctx, reply).await?,
            Step::Refuse(refusal) => self.refuse(session, ctx, refusal).await?,
            Step::File(file) => {
                let hsts = ctx.hsts();
                let sent = folder::serve(session, &file.folder, &file.path, hsts.as_ref()).await?;
                ctx.bytes_out += sent as u64;
            }
        }
        Ok(true)
    }

    async fn upstream_peer(
        &self,
        _: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<Box<HttpPeer>> {
        forward::peer(ctx).await
    }

    async fn connected_to_upstream(
        &self,
        _: &mut Session,
        reused: bool,
        _: &HttpPeer,
        _: std::os::unix::io::RawFd,
        _: Option<&Digest>,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        forward::connected(ctx, reused);
        Ok(())
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        ctx: &mut RequestContext,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let another = forward::connect_failed(ctx);
        error.set_retry(another);
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        head: &mut RequestHeader,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        forward::rewrite_head(session, head, ctx)
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        let length = body.as_ref().map_or(0, Bytes::len);
        if session.was_upgraded() {
            return Ok(());
        }
        match ctx.body.add(length) {
            Ok(new) => {
                if let Some(pending) = &ctx.pending_body {
                    pending.received(new);
                }
                ctx.pending_body.take_if(|_| end);
            }
            Err(refusal) => {
                ctx.trouble = Some(Trouble::Refused(refusal));
                return Error::e_explain(ErrorType::HTTPStatus(413), "the body is over its limit");
            }
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        head: &mut ResponseHeader,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        response::check(session, head, ctx)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        head: &mut ResponseHeader,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        response::rewrite_head(session, head, ctx)
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _end: bool,
        ctx: &mut RequestContext,
    ) -> Result<Option<std::time::Duration>> {
        ctx.bytes_out += body.as_ref().map_or(0, Bytes::len) as u64;
        Ok(None)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        ctx: &mut RequestContext,
        client_reused: bool,
    ) -> Box<Error> {
        let again = forward::may_send_again(session, &error, ctx, client_reused);
        error.set_retry(again);
        error
    }

    fn suppress_error_log(&self, _: &Session, _: &RequestContext, _: &Error) -> bool {
        true
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut RequestContext,
    ) -> FailToProxy {
        let trouble = *ctx.trouble.get_or_insert_with(|| failure::classify(error));
        let answer = Answer::from(trouble);
        record::note_trouble(&self.telemetry, ctx, trouble, error);
        session.set_keepalive(None);
        // Interim answers are no answer yet.
        let is_answered = session
            .response_written()
            .is_some_and(|head| !head.status.is_informational());
        let is_answerable = !is_answered
            && !matches!(
                trouble,
                Trouble::Failed(Failure::ClientGone | Failure::ClientStalled)
            );
        if is_answerable && let Err(error) = self.answer(session, ctx, Reply::error(&answer)).await
        {
            tracing::debug!(%error, "the client did not take the error answer");
        }
        FailToProxy {
            error_code: answer.status.as_u16(),
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, ctx: &mut RequestContext) {
        record::write(&self.telemetry, session, ctx);
        // Own answers end with the engine's own farewell; what was being
        // forwarded is dropped where the client has not sent all of its body.
        reply::let_client_read(session, ctx.forward.is_some()).await;
    }
}
