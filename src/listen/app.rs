//! What serves the requests of a listener.

use pingora::protocols::http::ServerSession;
use tokio::sync::watch;

use super::Downstream;
use crate::message::RequestHead;

/// What becomes of a connection when a request has been looked at.
#[derive(Debug)]
pub enum After {
    /// The request was answered, or given up.
    Served,
    /// Its upgrade is for pingora to carry: [`App::tunnel`] is called with the same head.
    Tunnel(RequestHead),
}

/// What serves the requests of a listener.
pub trait App: Send + Sync + 'static {
    /// Serves one request.
    fn serve(
        &self,
        head: RequestHead,
        downstream: &mut Downstream,
    ) -> impl Future<Output = After> + Send;

    /// Serves a request that asks for another protocol, and the connection until it ends.
    fn tunnel(
        &self,
        session: ServerSession,
        shutdown: &watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send;
}
