//! Spans of requests for a collector, by OTLP over HTTP as JSON.
//!
//! A request only puts its span into a bounded queue; a thread of its own sends them in batches.
//! What the queue does not take, and what the collector does not, is dropped and counted.

mod sender;
mod span;
mod trace_parent;

use std::convert::Infallible;
use std::sync::mpsc as ended;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use http::Uri;
use prometheus::IntCounter;
use tokio::sync::mpsc;

use self::sender::Sender;
use self::span::Span;
use self::trace_parent::TraceParent;
use super::record::AccessRecord;

/// How many spans may wait.
const QUEUE_LENGTH: usize = 4096;

/// How long [`Traces::close`] waits for a collector that takes nothing.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// Where spans go, and of which requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceSettings {
    /// The collector's `http://` address with its path.
    pub endpoint: String,
    /// One of so many traces that begin here is exported.
    pub sample_one_in: u32,
}

/// Why no spans can be sent.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The endpoint cannot be asked.
    #[error(
        "tracing.endpoint {0:?} is not an address of a collector; write http://HOST:4318/v1/traces"
    )]
    Endpoint(String),
    /// The system refuses a thread, or what it waits with.
    #[error("the system refuses a thread to send spans: {0}")]
    Thread(#[source] std::io::Error),
}

/// Where dropped spans are counted.
#[derive(Clone)]
pub(super) struct Dropped {
    pub(super) queue_full: IntCounter,
    pub(super) send_failed: IntCounter,
}

/// The way to the collector.
pub(super) struct Traces {
    /// None once the end has begun.
    queue: Mutex<Option<mpsc::Sender<Span>>>,
    /// Disconnects when the thread has ended.
    ended: Mutex<ended::Receiver<Infallible>>,
    sample_one_in: u64,
    queue_full: IntCounter,
}

impl Traces {
    /// Starts the thread that sends.
    pub(super) fn start(settings: TraceSettings, dropped: Dropped) -> Result<Self, TraceError> {
        let endpoint: Option<Uri> = settings.endpoint.parse().ok();
        let endpoint = endpoint.ok_or(TraceError::Endpoint(settings.endpoint))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(TraceError::Thread)?;
        let (queue, waiting) = mpsc::channel(QUEUE_LENGTH);
        let (end, ended) = ended::channel();
        let sender = Sender::new(endpoint, dropped.send_failed);
        thread::Builder::new()
            .name("otlp".to_owned())
            .spawn(move || {
                runtime.block_on(sender.run(waiting));
                drop(end);
            })
            .map_err(TraceError::Thread)?;
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            ended: Mutex::new(ended),
            sample_one_in: settings.sample_one_in.into(),
            queue_full: dropped.queue_full,
        })
    }

    /// Queues the span of a finished request, where its trace is sampled. `parents` are the
    /// values of its `traceparent` fields.
    pub(super) fn record<'r>(
        &self,
        record: &AccessRecord<'_>,
        parents: impl Iterator<Item = &'r [u8]>,
    ) {
        let parent = TraceParent::of_fields(parents);
        if parent.is_some_and(|parent| !parent.is_sampled) {
            return;
        }
        let Some([trace_high, trace_low, span_id]) = random() else {
            return;
        };
        if parent.is_none() && trace_low % self.sample_one_in.max(1) != 0 {
            return;
        }
        let new_trace = u128::from(trace_high) << 64 | u128::from(trace_low);
        let span = Span::new(record, parent, new_trace, span_id);
        // Only where the end has begun is there none to take it, and nobody to miss it.
        if let Some(queue) = &*lock(&self.queue)
            && queue.try_send(span).is_err()
        {
            self.queue_full.inc();
        }
    }

    /// Sends what is queued and ends the thread. Blocks until that is done, five seconds at most.
    /// Says whether it was.
    pub(super) fn close(&self) -> bool {
        drop(lock(&self.queue).take());
        let ended = lock(&self.ended).recv_timeout(CLOSE_PATIENCE);
        ended == Err(ended::RecvTimeoutError::Disconnected)
    }
}

/// Three random numbers, none of them zero: an id of zeros is no id.
fn random() -> Option<[u64; 3]> {
    let mut bytes = [0; 24];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    let (numbers, _) = bytes.as_chunks::<8>();
    let [high, low, span] = numbers else {
        return None;
    };
    Some([high, low, span].map(|number| u64::from_be_bytes(*number).max(1)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
