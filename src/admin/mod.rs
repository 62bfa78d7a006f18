//! Health, readiness, metrics and the state of upstreams on a listener of its own.
//!
//! It answers without the proxy or an upstream, so that monitoring works when
//! nothing else does. What changes something is for a unix socket or a token.

mod readiness;
mod reloads;
mod token;
mod upstreams;

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use http::{Method, StatusCode};
use pingora::protocols::http::ServerSession;
use tokio::sync::watch;

use crate::listen::{After, App, Downstream, Fault};
use crate::matrix::path;
use crate::message::{Fields, RequestHead};
use crate::snapshot::Snapshot;
use crate::telemetry::{METRICS_CONTENT_TYPE, Telemetry};

use upstreams::Drain;

pub use readiness::{Readiness, ReadyState};
pub use reloads::{Attempt, Reloads, Report, Request};
pub use token::Token;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const NOT_ALLOWED: &str = "{\"error\":\"this needs admin.address = \\\"unix:...\\\", or the token \
                           of admin.token_file as Authorization: Bearer\"}\n";

/// The application of the admin listener.
pub struct Admin {
    telemetry: Arc<Telemetry>,
    readiness: Arc<Readiness>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    token: Arc<ArcSwapOption<Token>>,
    reloads: Arc<Reloads>,
}

impl Admin {
    /// Tells of `telemetry`, `readiness`, the upstreams of `snapshot` and `reloads`. Over TCP
    /// something is changed by whoever has the token.
    pub fn new(
        telemetry: Arc<Telemetry>,
        readiness: Arc<Readiness>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        token: Arc<ArcSwapOption<Token>>,
        reloads: Arc<Reloads>,
    ) -> Self {
        Self {
            telemetry,
            readiness,
            snapshot,
            token,
            reloads,
        }
    }

    /// The answer to one request; `path` is without the query.
    fn answer(&self, method: &Method, path: &str) -> Answer {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        match path {
            "/healthz" | "/readyz" | "/metrics" | "/upstreams" | "/reload" if !reads => {
                Answer::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    TEXT,
                    "only GET and HEAD are answered here\n",
                )
            }
            "/healthz" => Answer::new(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" => self.ready(),
            "/metrics" => {
                let metrics = self.telemetry.render_metrics();
                Answer::new(StatusCode::OK, METRICS_CONTENT_TYPE, metrics)
            }
            "/upstreams" => upstreams::list(&self.snapshot.load()),
            "/reload" => reloads::tell(&self.reloads),
            _ => Answer::new(StatusCode::NOT_FOUND, JSON, "{\"error\":\"not found\"}\n"),
        }
    }

    fn ready(&self) -> Answer {
        let state = self.readiness.state();
        let status = match state {
            ReadyState::Ready => StatusCode::OK,
            ReadyState::Starting | ReadyState::Draining => StatusCode::SERVICE_UNAVAILABLE,
        };
        Answer::new(status, TEXT, format!("{}\n", state.as_str()))
    }
}

impl App for Admin {
    async fn serve(&self, head: RequestHead, downstream: &mut Downstream) -> After {
        let path = str::from_utf8(path::path_of(&head.target)).unwrap_or_default();
        let token = self.token.load_full();
        let may_change = || token::may_change(token.as_deref(), downstream.facts(), &head);
        let answer = match Change::asked(&head.method, path) {
            Some(_) if !may_change() => Answer::new(StatusCode::FORBIDDEN, JSON, NOT_ALLOWED),
            Some(Change::Drain(drain)) => drain.make(&self.snapshot.load()),
            Some(Change::Reload) => reloads::reload(&self.reloads).await,
            None => self.answer(&head.method, path),
        };
        if answer.send(downstream).await.is_err() {
            downstream.abort();
        }
        After::Served
    }

    /// Nothing here becomes a tunnel.
    async fn tunnel(&self, _: ServerSession, _: &watch::Receiver<bool>) {}
}

/// What a request asks to be changed.
enum Change<'r> {
    Drain(Drain<'r>),
    Reload,
}

impl<'r> Change<'r> {
    /// None where it only reads.
    fn asked(method: &Method, path: &'r str) -> Option<Self> {
        if *method != Method::POST {
            return None;
        }
        match path {
            "/reload" => Some(Self::Reload),
            path => Drain::asked(path).map(Self::Drain),
        }
    }
}

/// A small answer, held in memory whole.
struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: StatusCode, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            content_type,
            body: body.into(),
        }
    }

    async fn send(self, downstream: &mut Downstream) -> Result<(), Fault> {
        downstream.answer(self.status, &self.fields(), true)?;
        downstream.send(self.body.into()).await?;
        downstream.end().await
    }

    fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.push("Content-Length", self.body.len().to_string());
        fields.push("Content-Type", self.content_type);
        fields.push("Cache-Control", "no-store");
        fields.push("X-Content-Type-Options", "nosniff");
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            fields.push("Allow", "GET, HEAD");
        }
        fields
    }
}

#[cfg(test)]
mod tests;
