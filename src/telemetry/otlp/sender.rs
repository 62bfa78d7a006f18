//! What sends spans, on a thread of its own.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prometheus::IntCounter;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout, timeout_at};

use super::span::{Span, export};

/// Spans in one export: about half a megabyte.
const MOST: usize = 512;

/// How long spans are collected before they are sent together.
const LINGER: Duration = Duration::from_secs(1);

/// For one export and its answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The sending end.
pub(super) struct Sender {
    endpoint: Uri,
    client: Client<HttpConnector, Full<Bytes>>,
    send_failed: IntCounter,
    /// Whether the last export was taken.
    healthy: bool,
}

impl Sender {
    pub(super) fn new(endpoint: Uri, send_failed: IntCounter) -> Self {
        Self {
            endpoint,
            client: Client::builder(TokioExecutor::new()).build_http(),
            send_failed,
            healthy: true,
        }
    }

    /// Sends what comes until the queue is closed and empty.
    pub(super) async fn run(mut self, mut queue: Receiver<Span>) {
        let mut spans = Vec::with_capacity(MOST);
        while queue.recv_many(&mut spans, MOST).await > 0 {
            collect(&mut queue, &mut spans).await;
            self.send(&spans).await;
            spans.clear();
        }
    }

    /// One attempt: spans are worth less than the memory that a collector's absence would take.
    async fn send(&mut self, spans: &[Span]) {
        let sent = match timeout(TIMEOUT, self.post(export(spans))).await {
            Ok(sent) => sent,
            Err(_) => Err("no answer in time".to_owned()),
        };
        match &sent {
            Ok(()) if !self.healthy => tracing::info!("spans are sent again"),
            Ok(()) => {}
            Err(error) => {
                let lost = u64::try_from(spans.len()).unwrap_or(u64::MAX);
                self.send_failed.inc_by(lost);
                // Once for each disturbance, not for each batch.
                if self.healthy {
                    let endpoint = &self.endpoint;
                    tracing::warn!(%error, %endpoint, "cannot send spans; they are dropped");
                }
            }
        }
        self.healthy = sent.is_ok();
    }

    async fn post(&self, body: String) -> Result<(), String> {
        let request = Request::post(&self.endpoint)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body))
            .map_err(|error| error.to_string())?;
        let answer = self.client.request(request).await;
        let status = answer.map_err(|error| error.to_string())?.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(format!("the collector answered with {}", status.as_u16()))
        }
    }
}

/// Adds what comes within the linger time, as long as there is room.
async fn collect(queue: &mut Receiver<Span>, spans: &mut Vec<Span>) {
    let until = Instant::now() + LINGER;
    while spans.len() < MOST {
        let room = MOST - spans.len();
        // None come any more, or not in time.
        let more = timeout_at(until, queue.recv_many(spans, room)).await;
        if matches!(more, Ok(0) | Err(_)) {
            return;
        }
    }
}
