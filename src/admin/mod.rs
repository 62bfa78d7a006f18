//! Health, readiness and metrics on a listener of its own.
//!
//! It answers without the proxy, the configuration or an upstream, so that
//! monitoring works when nothing else does. Everything here only reads.

mod readiness;

use std::sync::Arc;

use async_trait::async_trait;
use http::{Method, Response, StatusCode, header};
use pingora::apps::http_app::{HttpServer, ServeHttp};
use pingora::protocols::http::ServerSession;

use crate::telemetry::{METRICS_CONTENT_TYPE, Telemetry};

pub use readiness::{Readiness, ReadyState};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// The application of the admin listener.
pub struct Admin {
    telemetry: Arc<Telemetry>,
    readiness: Arc<Readiness>,
}

impl Admin {
    /// Tells of `telemetry` and `readiness`.
    pub fn new(telemetry: Arc<Telemetry>, readiness: Arc<Readiness>) -> Self {
        Self {
            telemetry,
            readiness,
        }
    }

    /// This application as what an accept loop serves.
    pub fn into_server(self) -> HttpServer<Self> {
        HttpServer::new_app(self)
    }

    /// The answer to one request; `path` is without the query.
    fn answer(&self, method: &Method, path: &str) -> Answer {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let answer = match path {
            "/healthz" | "/readyz" | "/metrics" if !reads => Answer::new(
                StatusCode::METHOD_NOT_ALLOWED,
                TEXT,
                "only GET and HEAD are answered here\n",
            ),
            "/healthz" => Answer::new(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" => self.ready(),
            "/metrics" => {
                let metrics = self.telemetry.render_metrics();
                Answer::new(StatusCode::OK, METRICS_CONTENT_TYPE, metrics)
            }
            _ => Answer::new(StatusCode::NOT_FOUND, JSON, "{\"error\":\"not found\"}\n"),
        };
        if *method == Method::HEAD {
            answer.without_body()
        } else {
            answer
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

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let head = session.req_header();
        self.answer(&head.method, head.uri.path()).into_response()
    }
}

/// A small answer, held in memory whole.
struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Vec<u8>,
    /// The length of the body before [`Answer::without_body`] took it.
    length: usize,
}

impl Answer {
    fn new(status: StatusCode, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self {
            status,
            content_type,
            length: body.len(),
            body,
        }
    }

    fn without_body(mut self) -> Self {
        self.body.clear();
        self
    }

    fn into_response(self) -> Response<Vec<u8>> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, self.length.into());
        let fixed = |value| header::HeaderValue::from_static(value);
        headers.insert(header::CONTENT_TYPE, fixed(self.content_type));
        headers.insert(header::CACHE_CONTROL, fixed("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, fixed("GET, HEAD"));
        }
        response
    }
}

#[cfg(test)]
mod tests;
