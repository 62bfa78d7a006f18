//! Configurations that were put in force, or refused, and the way to ask for the next.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::answer::{Answer, JSON};

/// Requests to reload that may wait for their turn.
const MOST_WAITING: usize = 8;

/// The state of the configuration, as `/reload` tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The process, to send a signal to.
    pub process: u32,
    /// 1 at the start, one more with each configuration that was put in force.
    pub version: i64,
    /// When this version was put in force, as seconds since 1970.
    pub since: i64,
    /// How often another one was tried, whatever came of it.
    pub attempts: u64,
    /// What came of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Attempt>,
    /// How often another process could not take this one's place.
    pub failed_upgrades: u64,
    /// Why not, the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_upgrade: Option<String>,
}

/// One attempt to put another configuration in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When, as seconds since 1970.
    pub at: i64,
    /// Whether it is in force now. If not, everything is as it was.
    pub is_in_force: bool,
    /// What stood in the way, each with its place.
    pub problems: Vec<String>,
    /// What of it waits for a restart or an upgrade of the process.
    pub needs_restart: Vec<String>,
}

/// Whoever asks for a reload is told what came of it.
pub type Request = oneshot::Sender<Arc<Report>>;

/// The reloads of one process.
#[derive(Debug)]
pub struct Reloads {
    report: ArcSwap<Report>,
    ask: mpsc::Sender<Request>,
    asked: Mutex<Option<mpsc::Receiver<Request>>>,
}

impl Reloads {
    /// None yet.
    pub fn new() -> Self {
        let (ask, asked) = mpsc::channel(MOST_WAITING);
        let report = Report {
            process: std::process::id(),
            ..Report::default()
        };
        Self {
            report: ArcSwap::from_pointee(report),
            ask,
            asked: Mutex::new(Some(asked)),
        }
    }

    /// What there is to tell.
    pub fn report(&self) -> Arc<Report> {
        self.report.load_full()
    }

    /// Notes what is to be told from now on.
    pub fn publish(&self, report: Report) {
        self.report.store(Arc::new(report));
    }

    /// The requests to reload, for whoever does it: once.
    pub fn requests(&self) -> Option<mpsc::Receiver<Request>> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.take()
    }

    /// Asks for a reload, and waits for what comes of it. None where nobody does it, or there
    /// are too many requests.
    async fn ask(&self) -> Option<Arc<Report>> {
        let (answer, answered) = oneshot::channel();
        self.ask.try_send(answer).ok()?;
        answered.await.ok()
    }
}

impl Default for Reloads {
    fn default() -> Self {
        Self::new()
    }
}

/// `GET /reload`.
pub(super) fn tell(reloads: &Reloads) -> Answer {
    answer(StatusCode::OK, &reloads.report())
}

/// `POST /reload`: 422 where everything stays as it was.
pub(super) async fn reload(reloads: &Reloads) -> Answer {
    let Some(report) = reloads.ask().await else {
        let error = "{\"error\":\"the process is stopping, or has other requests to reload\"}\n";
        return Answer::new(StatusCode::SERVICE_UNAVAILABLE, JSON, error);
    };
    let is_in_force = report.last.as_ref().is_some_and(|last| last.is_in_force);
    let status = if is_in_force {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    answer(status, &report)
}

fn answer(status: StatusCode, report: &Report) -> Answer {
    let body = serde_json::to_string_pretty(report).unwrap_or_default();
    Answer::new(status, JSON, body + "\n")
}
