//! Requests that open a WebSocket, carried by pingora's engine.
//!
//! The steps are the same; only who calls them differs.

use std::os::unix::io::RawFd;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};
use pingora::apps::HttpServerApp;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::protocols::http::ServerSession;
use pingora::proxy::{FailToProxy, HttpProxy, ProxyHttp, Session};
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, OrErr, Result};
use tokio::sync::watch;

use super::answer::Answer;
use super::carry::head_for_upstream;
use super::context::RequestContext;
use super::exchange::MOST_INTERIM;
use super::failure::{Failure, Problem, Trouble, of_tunnel};
use super::reply::Reply;
use super::request::{Step, decide};
use super::{FrontDoor, record, response};
use crate::listen::ConnectionFacts;
use crate::message::{Fields, Protocol, RequestHead, ResponseHead as Answered, syntax};
use crate::policy::Refusal;
use crate::upstream::Wanted;

/// Attempts of one request, over all addresses of its upstream; the front door decides which of
/// them make sense.
const MOST_ATTEMPTS: usize = 8;

/// pingora's engine, made for the first tunnel: it reads the system's certificates, and panics
/// where it cannot.
pub struct TunnelEngine {
    door: Arc<FrontDoor>,
    proxy: OnceLock<Arc<HttpProxy<Tunnels>>>,
}

impl TunnelEngine {
    /// An engine that is not made yet.
    pub fn new(door: Arc<FrontDoor>) -> Self {
        let proxy = OnceLock::new();
        Self { door, proxy }
    }

    /// Serves the request that `session` begins with, until the connection ends.
    pub(super) async fn serve(&self, session: ServerSession, shutdown: &watch::Receiver<bool>) {
        let proxy = self.proxy.get_or_init(|| {
            let settings = ServerConf {
                max_retries: MOST_ATTEMPTS,
                ..ServerConf::default()
            };
            let tunnels = Tunnels {
                door: self.door.clone(),
            };
            let mut proxy = HttpProxy::new(tunnels, Arc::new(settings));
            proxy.handle_init_modules();
            Arc::new(proxy)
        });
        // What comes after a tunnel is not HTTP: the connection is not used again.
        drop(proxy.process_new_http(session, shutdown).await);
    }
}

/// The front door as pingora's engine sees it.
struct Tunnels {
    door: Arc<FrontDoor>,
}

/// What is carried through the phases of one tunnel.
struct Tunnel {
    door: Arc<FrontDoor>,
    /// None until the request has been looked at.
    facts: Option<Arc<ConnectionFacts>>,
    ctx: RequestContext,
    head: RequestHead,
    /// Connection attempts so far, and how many make sense: one for each address.
    attempts: usize,
    addresses: usize,
}

impl Tunnels {
    async fn refuse(&self, session: &mut Session, tunnel: &mut Tunnel, problem: &Problem) {
        let trouble = problem.trouble();
        tunnel.ctx.trouble = Some(trouble);
        record::note_trouble(&self.door.telemetry, &tunnel.ctx, problem);
        session.set_keepalive(None);
        let reply = Reply::error(&Answer::from(trouble));
        match send(session, &reply, &tunnel.ctx).await {
            Ok(()) => tunnel.ctx.status = Some(reply.status),
            Err(error) => tracing::debug!(%error, "the client did not take the error answer"),
        }
    }
}

#[async_trait]
impl ProxyHttp for Tunnels {
    type CTX = Tunnel;

    fn new_ctx(&self) -> Tunnel {
        Tunnel {
            door: self.door.clone(),
            facts: None,
            ctx: self.door.begin(),
            head: RequestHead {
                method: http::Method::GET,
                target: Bytes::new(),
                protocol: Protocol::Http11,
                fields: Fields::default(),
            },
            attempts: 0,
            addresses: 1,
        }
    }

    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, tunnel: &mut Tunnel) -> Result<bool> {
        let Some(facts) = facts(session) else {
            return Error::e_explain(ErrorType::InternalError, "a connection without facts");
        };
        tunnel.head = head_of(session.req_header());
        tunnel.facts = Some(facts.clone());
        session.set_read_timeout(None);
        // The snapshot may have changed since the request was looked at first.
        let step = decide(&tunnel.head, &facts, &mut tunnel.ctx);
        tunnel.ctx.count_in_flight(&self.door.telemetry);
        match step {
            Step::Forward if tunnel.ctx.is_tunnel() => return Ok(false),
            Step::Refuse(refusal) => self.refuse(session, tunnel, &refusal.into()).await,
            Step::Forward | Step::Answer(_) | Step::File(_) => {
                let refusal = Refusal::NothingHere;
                self.refuse(session, tunnel, &refusal.into()).await;
            }
        }
        Ok(true)
    }

    async fn upstream_peer(&self, _: &mut Session, tunnel: &mut Tunnel) -> Result<Box<HttpPeer>> {
        let Some(forward) = &tunnel.ctx.forward else {
            return Error::e_explain(ErrorType::InternalError, "no upstream was chosen");
        };
        tunnel.attempts += 1;
        let wanted = Wanted {
            silence: forward.silence,
            tunnel: true,
        };
        let address = forward.upstream.next_address().await;
        let (address, addresses) = address.or_err(ErrorType::ConnectNoRoute, "no address")?;
        tunnel.addresses = addresses;
        let deadlines = &tunnel.ctx.snapshot.deadlines;
        let peer = forward.upstream.peer(address, deadlines, wanted);
        peer.map(Box::new)
            .or_err(ErrorType::ConnectNoRoute, "no address")
    }

    async fn connected_to_upstream(
        &self,
        _: &mut Session,
        _: bool,
        _: &HttpPeer,
        _: RawFd,
        _: Option<&Digest>,
        tunnel: &mut Tunnel,
    ) -> Result<()> {
        let started = tunnel.ctx.started;
        if let Some(forward) = &mut tunnel.ctx.forward {
            let now = Instant::now();
            forward.connected = Some(now);
            forward.connect = Some(now - started);
        }
        Ok(())
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        tunnel: &mut Tunnel,
        mut error: Box<Error>,
    ) -> Box<Error> {
        if let Some(forward) = &tunnel.ctx.forward {
            forward.upstream.connect_failed();
        }
        // Nothing was sent yet.
        error.set_retry(tunnel.attempts < tunnel.addresses);
        error
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        head: &mut RequestHeader,
        tunnel: &mut Tunnel,
    ) -> Result<()> {
        let up = head_for_upstream(&tunnel.head, &tunnel.ctx)
            .or_err(ErrorType::InternalError, "a tunnel without a route")?;
        let names: Vec<_> = head.headers.keys().cloned().collect();
        for name in names {
            head.remove_header(&name);
        }
        for (name, value) in up.fields.iter() {
            let name = String::from_utf8_lossy(name).into_owned();
            head.append_header(name, value)?;
        }
        head.insert_header("Connection", "Upgrade")?;
        head.insert_header("Upgrade", "websocket")?;
        head.set_raw_path(&up.target)
    }

    async fn upstream_response_filter(
        &self,
        _: &mut Session,
        head: &mut ResponseHeader,
        tunnel: &mut Tunnel,
    ) -> Result<()> {
        if let Some(forward) = &mut tunnel.ctx.forward {
            if forward.first_byte.is_none() {
                forward.first_byte = forward.connected.map(|at| at.elapsed());
            }
            let is_interim = head.status.is_informational();
            forward.interim = forward.interim.saturating_add(is_interim.into());
            let is_sound = forward.interim <= MOST_INTERIM && framing_is_sound(&head.headers);
            if !is_sound {
                let error = Error::explain(ErrorType::InvalidHTTPHeader, "not a valid answer");
                return Err(error.into_up());
            }
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        head: &mut ResponseHeader,
        tunnel: &mut Tunnel,
    ) -> Result<()> {
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            tunnel.ctx.status = Some(head.status);
            return Ok(());
        }
        if head.status.is_informational() {
            return Ok(());
        }
        session.set_keepalive(None);
        let answered = Answered {
            status: head.status,
            fields: fields_of(&head.headers),
        };
        let down = response::for_downstream(&answered, &tunnel.head.method, &tunnel.ctx);
        let is_chunked = head.headers.contains_key(TRANSFER_ENCODING);
        let names: Vec<_> = head.headers.keys().cloned().collect();
        for name in names {
            head.remove_header(&name);
        }
        for (name, value) in down.fields.iter() {
            head.append_header(String::from_utf8_lossy(name).into_owned(), value)?;
        }
        if is_chunked {
            head.insert_header(TRANSFER_ENCODING, "chunked")?;
        }
        tunnel.ctx.status = Some(down.status);
        head.set_status(down.status)
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        tunnel: &mut Tunnel,
    ) -> Result<Option<std::time::Duration>> {
        tunnel.ctx.bytes_out += body.as_ref().map_or(0, Bytes::len) as u64;
        Ok(None)
    }

    fn suppress_error_log(&self, _: &Session, _: &Tunnel, _: &Error) -> bool {
        true
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        tunnel: &mut Tunnel,
    ) -> FailToProxy {
        let problem = of_tunnel(error);
        let answer = Answer::from(problem.trouble());
        if tunnel.ctx.status.is_none() {
            self.refuse(session, tunnel, &problem).await;
        } else {
            tunnel.ctx.trouble = Some(problem.trouble());
            record::note_trouble(&self.door.telemetry, &tunnel.ctx, &problem);
        }
        FailToProxy {
            error_code: answer.status.as_u16(),
            can_reuse_downstream: false,
        }
    }

    /// The record is written when the tunnel is dropped, which it also is where it is cut.
    async fn logging(&self, _: &mut Session, _: Option<&Error>, _: &mut Tunnel) {}
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let Some(facts) = &self.facts else {
            return;
        };
        if facts.is_cut() {
            self.ctx
                .trouble
                .get_or_insert(Trouble::Failed(Failure::Cut));
        }
        record::write(&self.door.telemetry, facts, &self.head, &self.ctx);
    }
}

/// Whether an answer's body is delimited in one way. Of a length beside chunks pingora drops the
/// length before it can be seen here.
fn framing_is_sound(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    let is_length = |length: &HeaderValue| syntax::length(length.as_bytes()).is_some();
    lengths.next().is_none_or(is_length)
        && codings.next().is_none_or(is_chunked)
        && lengths.next().is_none()
        && codings.next().is_none()
}

fn facts(session: &Session) -> Option<Arc<ConnectionFacts>> {
    session.digest().and_then(ConnectionFacts::of).cloned()
}

fn head_of(head: &RequestHeader) -> RequestHead {
    RequestHead {
        method: head.method.clone(),
        target: Bytes::copy_from_slice(head.raw_path()),
        protocol: Protocol::Http11,
        fields: fields_of(&head.headers),
    }
}

fn fields_of(headers: &HeaderMap) -> Fields {
    headers.iter().collect()
}

/// Sends an answer of ours through pingora's session.
async fn send(session: &mut Session, reply: &Reply, ctx: &RequestContext) -> Result<()> {
    let fields = reply.fields(ctx.hsts());
    let mut header = ResponseHeader::build(reply.status, Some(fields.len()))?;
    for (name, value) in fields.iter() {
        header.append_header(String::from_utf8_lossy(name).into_owned(), value)?;
    }
    session
        .write_response_header(Box::new(header), false)
        .await?;
    session
        .write_response_body(Some(reply.body.clone()), true)
        .await
}
