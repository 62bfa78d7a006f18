//! Health, readiness, metrics and the state of everything on a listener of its own.
//!
//! It answers without the proxy or an upstream, so that monitoring works when
//! nothing else does. What changes something is for a unix socket or a token.

mod answer;
mod budgets;
mod names;
mod origins;
mod page;
mod readiness;
mod reloads;
mod self_check;
mod sources;
mod status;
mod token;
mod upstreams;

use std::net::IpAddr;

use http::{Method, StatusCode};
use pingora::protocols::http::ServerSession;
use tokio::sync::watch;

use crate::listen::{After, App, ConnectionFacts, Downstream, Peer};
use crate::matrix::path;
use crate::message::RequestHead;
use crate::telemetry::METRICS_CONTENT_TYPE;

use answer::{Answer, CSS, HTML, TEXT};
use status::{Connections, Status};
use upstreams::Drain;

pub use names::tidy_metrics;
pub use origins::OriginRow;
pub use readiness::{Readiness, ReadyState};
pub use reloads::{Attempt, Reloads, Report, Request};
pub use sources::{CertificateRow, Certificates, Sources};
pub use token::Token;

const NOT_ALLOWED: &str = "this needs admin.address = \"unix:...\", or the token of \
                           admin.token_file as Authorization: Bearer";
const NOT_OUR_NAME: &str = "from this machine, the host must be an address or localhost";

/// The application of the admin listener.
pub struct Admin {
    sources: Sources,
}

impl Admin {
    /// Tells of `sources`. Upstreams are changed by whoever comes through a unix socket or has
    /// the token.
    pub fn new(sources: Sources) -> Self {
        Self { sources }
    }

    /// The answer to one request that changes nothing; `path` is without the query.
    async fn answer(&self, method: &Method, path: &str) -> Answer {
        let sources = &self.sources;
        let answer = match path {
            "/healthz" => Answer::ok(TEXT, "ok\n"),
            "/readyz" => self.ready(),
            "/metrics" => {
                tidy_metrics(&sources.snapshot.load(), &sources.telemetry);
                Answer::ok(METRICS_CONTENT_TYPE, sources.telemetry.render_metrics())
            }
            "/" => Answer::ok(HTML, page::page(&Status::now(sources).await)),
            "/style.css" => Answer::ok(CSS, page::STYLE),
            "/status" => Answer::json(&Status::now(sources).await),
            "/upstreams" => upstreams::list(&sources.snapshot.load()),
            "/connections" => Answer::json(&Connections::of(&sources.telemetry.overview())),
            "/origins" => Answer::json(&origins::list(&sources.telemetry)),
            "/certificates" => match status::certificates(sources).await {
                Ok(rows) => Answer::json(&rows),
                Err(error) => Answer::error(StatusCode::INTERNAL_SERVER_ERROR, &error),
            },
            "/reload" => reloads::tell(&sources.reloads),
            "/self-check" => self_check::reports(&sources.self_check.load()),
            "/config" => Answer::ok(TEXT, sources.configuration.load().as_str()),
            _ => return Answer::error(StatusCode::NOT_FOUND, "not found"),
        };
        match *method {
            Method::GET | Method::HEAD => answer,
            _ => Answer::not_allowed(),
        }
    }

    fn ready(&self) -> Answer {
        let state = self.sources.readiness.state();
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
        let token = self.sources.token.load_full();
        let may_change = || token::may_change(token.as_deref(), downstream.facts(), &head);
        let answer = match Change::asked(&head.method, path) {
            Some(_) if !may_change() => Answer::error(StatusCode::FORBIDDEN, NOT_ALLOWED),
            Some(Change::Drain(drain)) => drain.make(&self.sources.snapshot.load()),
            Some(Change::Reload) => reloads::reload(&self.sources.reloads).await,
            None if !may_read(path, downstream.facts(), &head) => {
                Answer::error(StatusCode::FORBIDDEN, NOT_OUR_NAME)
            }
            None => self.answer(&head.method, path).await,
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

/// Whether it may be read by who asks. A browser on this machine may show a page of somebody
/// whose name has become the address of the loopback; it says that name as the host.
fn may_read(path: &str, facts: &ConnectionFacts, head: &RequestHead) -> bool {
    if matches!(path, "/healthz" | "/readyz" | "/metrics") {
        return true;
    }
    let is_local = matches!(facts.peer, Peer::Tcp(peer) if peer.ip().is_loopback());
    let host = head
        .fields
        .first("host")
        .and_then(|host| str::from_utf8(host).ok());
    !is_local || host.is_none_or(names_this_machine)
}

fn names_this_machine(host: &str) -> bool {
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let address = without_port.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok()
        || without_port.eq_ignore_ascii_case("localhost")
        || !without_port.contains('.')
}

#[cfg(test)]
mod tests;
