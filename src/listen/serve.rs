//! The requests of one connection: HTTP/1 one by one, HTTP/2 side by side.

use std::pin::{Pin, pin};
use std::sync::Arc;

use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;

use super::app::{After, App};
use super::connections::{Permit, stopped};
use super::downstream::{Downstream, Http1};
use super::gate::Gate;
use super::http2::serve_http2;
use super::{Connection, Intake, Refusal};

/// Serves `connection` until it ends. `permit` is kept until its last request is over.
pub async fn serve<A>(intake: &Arc<Intake<A>>, mut connection: Box<Connection>, permit: Permit)
where
    A: App,
{
    let limits = &intake.limits;
    let mut closing = intake.closing.clone();
    // Made once: it is polled with every request.
    let mut stop = pin!(stopped(&mut closing));
    if intake.tls.is_none() {
        match connection.begins_http2(limits, stop.as_mut()).await {
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
        serve_http1(intake, connection, stop).await;
    }
}

async fn serve_http1<A: App>(
    intake: &Arc<Intake<A>>,
    mut connection: Box<Connection>,
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) {
    loop {
        let request = match connection.gate(&intake.limits, stop.as_mut()).await {
            Gate::Ready(request) => request,
            Gate::Closed => return,
            Gate::Refused(refusal) => return refuse(intake, &mut connection, refusal).await,
        };
        let facts = Arc::clone(connection.facts());
        let http1 = Http1::new(connection, &request);
        let mut downstream = Downstream::http1(facts, http1);
        // Boxed, so that a connection that waits for its next request has no room for one.
        let after = Box::pin(intake.app.serve(request.head, &mut downstream)).await;
        let Some(http1) = downstream.into_http1() else {
            return;
        };
        connection = match after {
            After::Served => match http1.finish().await {
                Some(connection) => connection,
                None => return,
            },
            After::Tunnel(head) => {
                let mut connection = http1.into_connection();
                if connection.begin_tunnel(&head).is_ok() {
                    let mut session = ServerSession::new_http1(connection as Stream);
                    // The connection has its own deadlines, which do not begin anew with every read.
                    session.set_read_timeout(None);
                    Box::pin(intake.app.tunnel(session, &intake.shutdown)).await;
                }
                return;
            }
        };
    }
}

async fn refuse<A>(intake: &Intake<A>, connection: &mut Connection, refusal: Refusal) {
    let ip = connection.facts().ip();
    let (status, reason) = (refusal.status(), refusal.reason());
    tracing::debug!(listener = %intake.listener.name, status, reason, "request head refused");
    intake
        .telemetry
        .head_refused(&intake.listener.name, ip, status, reason);
    connection.refuse(refusal).await;
}
