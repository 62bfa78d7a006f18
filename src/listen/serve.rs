//! The requests of one connection, handed to pingora: HTTP/1 one by one, HTTP/2 side by side.

use std::sync::Arc;

use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;

use super::connections::Permit;
use super::gate::Gate;
use super::http2::serve_http2;
use super::{Connection, Intake, Refusal};

/// Serves `connection` until it ends. `permit` is kept until its last request is over.
pub async fn serve<A>(intake: &Arc<Intake<A>>, mut connection: Box<Connection>, permit: Permit)
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let limits = &intake.limits;
    if intake.tls.is_none() {
        let mut shutdown = intake.shutdown.clone();
        match connection.begins_http2(limits, &mut shutdown).await {
            Some(true) => connection.become_http2(limits),
            Some(false) => {}
            None => return,
        }
    }
    let name = &intake.listener.name;
    if connection.is_http2() {
        let _guard = intake.telemetry.connection_opened(name, "h2");
        Box::pin(serve_http2(intake, connection, permit)).await;
    } else {
        let _guard = intake.telemetry.connection_opened(name, "http/1.1");
        serve_http1(intake, connection).await;
    }
}

async fn serve_http1<A>(intake: &Arc<Intake<A>>, mut connection: Box<Connection>)
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let mut shutdown = intake.shutdown.clone();
    let mut settings: Option<HttpPersistentSettings> = None;
    loop {
        match connection.gate(&intake.limits, &mut shutdown).await {
            Gate::Ready => {}
            Gate::Closed => return,
            Gate::Refused(refusal) => return refuse(intake, &mut connection, refusal).await,
        }
        let mut session = ServerSession::new_http1(connection as Stream);
        if let Some(settings) = settings.take() {
            settings.apply_to_session(&mut session);
        }
        // The connection has its own deadlines, which do not begin anew with every read.
        session.set_read_timeout(None);
        let reused = intake.app.process_new_http(session, &intake.shutdown).await;
        let Some((stream, next)) = reused.map(ReusedHttpStream::consume) else {
            return;
        };
        let Ok(next_connection) = stream.into_any().downcast::<Connection>() else {
            return;
        };
        connection = next_connection;
        settings = next;
    }
}

async fn refuse<A>(intake: &Intake<A>, connection: &mut Connection, refusal: Refusal) {
    let ip = connection.facts().and_then(super::ConnectionFacts::ip);
    let (status, reason) = (refusal.status(), refusal.reason());
    tracing::debug!(listener = %intake.listener.name, status, reason, "request head refused");
    intake
        .telemetry
        .head_refused(&intake.listener.name, ip, status, reason);
    connection.refuse(refusal).await;
}
