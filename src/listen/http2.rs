//! The streams of a HTTP/2 connection.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::Request;
use http::header::HOST;

use super::app::{After, App};
use super::connections::{Permit, stopped};
use super::downstream::{Downstream, Http2};
use super::idle::Idle;
use super::streams::{OpenStream, OpenStreams};
use super::{Connection, ConnectionFacts, Intake, Limits};
use crate::message::{Fields, Protocol, RequestHead};

/// Bytes of a request body that a client may send ahead on one stream: enough for a media upload
/// to fill a line of 26 Mbit/s and 80 ms, and what twenty uploads hold is not much.
const STREAM_WINDOW: u32 = 256 << 10;
/// The same over all streams of a connection.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// Bytes of an answer that a stream may hold while the socket takes nothing. What flows is not
/// slowed: the socket has a buffer of its own.
const SEND_BUFFER: usize = 64 << 10;

/// The settings of HTTP/2 towards clients.
fn options(limits: &Limits) -> Builder {
    let mut options = Builder::new();
    options
        // A head above the limit is refused with a body that says so; the codec's refusal has none.
        .max_header_list_size(u32::try_from(limits.head_size.saturating_mul(2)).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.h2_streams)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        // A client may cancel all its streams at once without losing the connection.
        .max_pending_accept_reset_streams(limits.h2_streams as usize);
    options
}

/// Where a connection is in its life.
enum Stage {
    Open,
    /// It has had its GOAWAY and goes on until its last stream ends; then the client has a while
    /// to confirm the GOAWAY.
    Draining {
        since: Instant,
    },
}

/// What happens on a connection.
#[expect(clippy::large_enum_variant, reason = "lives for one step")]
enum Event {
    Request(Request<RecvStream>, SendResponse<Bytes>),
    /// Nothing has been asked for too long, or Vestibule stops.
    Over,
    Ended(Option<h2::Error>),
}

/// Serves `connection` until it ends: when its listener closes, it has its GOAWAY at once. `permit`
/// is kept until its last stream is over.
pub(super) async fn serve_http2<A: App>(
    intake: &Arc<Intake<A>>,
    connection: Box<Connection>,
    permit: Permit,
) {
    let limits = &intake.limits;
    let mut shutdown = intake.shutdown.clone();
    let mut stop = pin!(stopped(&mut shutdown));
    let streams: Arc<OpenStreams> = connection.streams();
    let permit = Arc::new(permit);
    let facts = Arc::clone(connection.facts());
    let Ok(mut http2) = options(limits).handshake::<_, Bytes>(connection).await else {
        return;
    };
    let (mut stage, mut idle) = (Stage::Open, Idle::default());
    loop {
        let event = poll_fn(|cx| {
            if matches!(stage, Stage::Open) && stop.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Over);
            }
            if let Poll::Ready(accepted) = http2.poll_accept(cx) {
                return Poll::Ready(match accepted {
                    Some(Ok((request, respond))) => Event::Request(request, respond),
                    Some(Err(error)) => Event::Ended(Some(error)),
                    None => Event::Ended(None),
                });
            }
            let (since, limit) = match stage {
                Stage::Open => (streams.idle_since(), limits.idle),
                Stage::Draining { since } => {
                    let idle_since = streams.idle_since().map(|idle| idle.max(since));
                    (idle_since, limits.handshake)
                }
            };
            idle.poll(cx, since, limit).map(|()| Event::Over)
        });
        match event.await {
            Event::Request(request, respond) => {
                let stream = (streams.open(), Arc::clone(&permit));
                spawn(intake, &facts, request, respond, stream);
            }
            Event::Over if matches!(stage, Stage::Open) => {
                http2.graceful_shutdown();
                let since = Instant::now();
                (stage, idle) = (Stage::Draining { since }, Idle::default());
            }
            Event::Ended(Some(error)) => {
                tracing::debug!(listener = %intake.listener.name, %error, "connection ended");
                return;
            }
            Event::Over | Event::Ended(None) => return,
        }
    }
}

fn spawn<A: App>(
    intake: &Arc<Intake<A>>,
    facts: &Arc<ConnectionFacts>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    stream: (OpenStream, Arc<Permit>),
) {
    let (parts, body) = request.into_parts();
    let head = head(&parts);
    let bodies = Arc::clone(&facts.bodies);
    let http2 = Http2::new(&parts.method, body, respond, bodies, intake.limits.write);
    let mut downstream = Downstream::http2(Arc::clone(facts), http2);
    let intake = Arc::clone(intake);
    tokio::spawn(async move {
        match intake.app.serve(head, &mut downstream).await {
            // No stream asks for an upgrade (RFC 9113, 8.6).
            After::Served | After::Tunnel(_) => {}
        }
        if let Some(http2) = downstream.into_http2() {
            http2.finish().await;
        }
        drop(stream);
    });
}

/// The head of a stream's request in the form of HTTP/1.
fn head(parts: &http::request::Parts) -> RequestHead {
    let size = parts
        .headers
        .iter()
        .map(|(n, v)| n.as_str().len() + v.len() + 4);
    let mut fields = Fields::with_capacity(parts.headers.len() + 1, 256 + size.sum::<usize>());
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    if let Some(authority) = authority {
        fields.push("host", authority);
    }
    for (name, value) in &parts.headers {
        let is_said = name == HOST && Some(value.as_bytes()) == authority.map(str::as_bytes);
        if !is_said {
            fields.push(name, value);
        }
    }
    let target = parts
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str());
    RequestHead {
        method: parts.method.clone(),
        target: Bytes::copy_from_slice(target.as_bytes()),
        protocol: Protocol::Http2,
        fields,
    }
}
