//! The streams of a HTTP/2 connection.

use std::sync::Arc;

use pingora::apps::HttpServerApp;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{
    H2Accept, H2Options, HttpSession, default_h2_options, handshake,
};
use pingora::protocols::{Digest, GetProxyDigest, GetSocketDigest, GetTimingDigest, Ssl};

use super::connections::{Permit, stopped};
use super::streams::{OpenStream, OpenStreams};
use super::{Connection, Intake, Limits};

/// Bytes of a request body that a client may send ahead on one stream: enough for a media upload
/// to fill a line of 100 Mbit/s and 80 ms.
const STREAM_WINDOW: u32 = 1 << 20;
/// The same over all streams of a connection.
const CONNECTION_WINDOW: u32 = 2 << 20;
/// Bytes of an answer that a stream may hold while the socket takes nothing. What flows is not
/// slowed: the socket has a buffer of its own.
const SEND_BUFFER: usize = 64 << 10;
/// Requests of a connection that pingora rejects before it is closed.
const MALFORMED: u32 = 32;

/// The settings of HTTP/2 towards clients.
fn options(limits: &Limits) -> H2Options {
    // The bounds on header lists come with these.
    let mut options = default_h2_options();
    options
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
    Draining,
}

/// Serves `connection` until it ends. `permit` is kept until its last stream is over.
pub(super) async fn serve_http2<A>(
    intake: &Arc<Intake<A>>,
    connection: Box<Connection>,
    permit: Permit,
) where
    A: HttpServerApp + Send + Sync + 'static,
{
    let limits = &intake.limits;
    let streams: Arc<OpenStreams> = connection.streams();
    let permit = Arc::new(permit);
    let digest = digest(&connection);
    let Ok(mut http2) = handshake(connection, Some(options(limits))).await else {
        return;
    };
    let mut shutdown = intake.shutdown.clone();
    let mut stage = Stage::Open;
    let mut malformed = 0;
    loop {
        let accept = HttpSession::from_h2_conn(&mut http2, Arc::clone(&digest));
        let accepted = match stage {
            Stage::Draining => tokio::select! {
                biased;
                accepted = accept => accepted,
                () = streams.idle_for(limits.handshake) => return,
            },
            Stage::Open => tokio::select! {
                biased;
                () = stopped(&mut shutdown) => {
                    http2.graceful_shutdown();
                    stage = Stage::Draining;
                    continue;
                }
                accepted = accept => accepted,
                () = streams.idle_for(limits.idle) => {
                    http2.graceful_shutdown();
                    stage = Stage::Draining;
                    continue;
                }
            },
        };
        match accepted {
            Ok(Some(H2Accept::Session(session))) => {
                spawn(intake, session, streams.open(), Arc::clone(&permit));
            }
            Ok(Some(H2Accept::Rejected)) if malformed < MALFORMED => malformed += 1,
            Ok(Some(H2Accept::Rejected) | None) => return,
            Err(error) => {
                tracing::debug!(listener = %intake.listener.name, %error, "connection ended");
                return;
            }
        }
    }
}

fn digest(connection: &Connection) -> Arc<Digest> {
    Arc::new(Digest {
        ssl_digest: connection.get_ssl_digest(),
        timing_digest: connection.get_timing_digest(),
        proxy_digest: connection.get_proxy_digest(),
        socket_digest: connection.get_socket_digest(),
    })
}

fn spawn<A>(intake: &Arc<Intake<A>>, session: HttpSession, stream: OpenStream, permit: Arc<Permit>)
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let intake = Arc::clone(intake);
    tokio::spawn(async move {
        let mut session = ServerSession::new_http2(session);
        // Ends a stream whose client opens no window for the answer.
        session.set_write_timeout(Some(intake.limits.write));
        let shutdown = &intake.shutdown;
        intake.app.process_new_http(session, shutdown).await;
        drop((stream, permit));
    });
}
