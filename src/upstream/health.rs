//! Whether an upstream is there, and the task that finds out.
//!
//! What refuses connections is away from that moment on. What fails its health checks is in
//! doubt, and gets requests only where nothing better is left. No answer to a request ever
//! counts: 502 and 504 are normal answers of a homeserver.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::sync::Notify;

use super::{Deadlines, Inquiry, NoAnswer, Pool, Upstream};
use crate::message::{Fields, Protocol, RequestHead};
use crate::telemetry::Telemetry;

/// From one check of an upstream that is away to the next.
const WHILE_AWAY: Duration = Duration::from_millis(250);
/// The longest answer to a check that is read.
const LONGEST_ANSWER: usize = 16 << 10;

/// What is known of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// It takes requests.
    Well = 0,
    /// It takes connections, and fails its health checks.
    InDoubt = 1,
    /// It takes no connections.
    Away = 2,
}

impl State {
    /// From 0 to 1, for metrics.
    const fn degree(self) -> f64 {
        match self {
            Self::Well => 1.0,
            Self::InDoubt => 0.5,
            Self::Away => 0.0,
        }
    }

    /// The name in the admin listener's answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::InDoubt => "in_doubt",
            Self::Away => "away",
        }
    }
}

/// The state of one upstream, shared by everybody who sends requests there.
#[derive(Debug)]
pub struct Health {
    state: AtomicU8,
    is_drained: AtomicBool,
    /// Wakes the task that checks.
    doubted: Notify,
    /// Wakes the requests that wait for any upstream.
    returned: Arc<Notify>,
}

/// How checks are made.
#[derive(Clone, Copy, Debug)]
pub struct Checks {
    /// From one check to the next.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Failures in a row that put it in doubt.
    pub failures: u32,
}

impl Health {
    /// Well until something else is known. `returned` is told of everything that gets better.
    pub fn new(returned: Arc<Notify>) -> Self {
        Self {
            state: AtomicU8::new(State::Well as u8),
            is_drained: AtomicBool::new(false),
            doubted: Notify::new(),
            returned,
        }
    }

    /// What is known now.
    pub fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            0 => State::Well,
            1 => State::InDoubt,
            _ => State::Away,
        }
    }

    /// Whether an operator wants no new requests to go there.
    pub fn is_drained(&self) -> bool {
        self.is_drained.load(Ordering::Relaxed)
    }

    /// Sets whether new requests go there. True where that is a change.
    pub fn drain(&self, is_drained: bool) -> bool {
        let was = self.is_drained.swap(is_drained, Ordering::Relaxed);
        if was && !is_drained {
            self.returned.notify_waiters();
        }
        was != is_drained
    }

    /// Notes that it took no connection. True where that is news.
    pub fn refused(&self) -> bool {
        let is_news = self.set(State::Away);
        self.doubted.notify_one();
        is_news
    }

    /// Sets the state. True where that is a change.
    pub(super) fn set(&self, state: State) -> bool {
        let before = self.state.swap(state as u8, Ordering::Relaxed);
        if (state as u8) < before {
            self.returned.notify_waiters();
        }
        before != state as u8
    }

    /// To be made before looking at states: what gets better after that ends the wait.
    pub fn returned(&self) -> &Arc<Notify> {
        &self.returned
    }
}

/// What checks are made with.
#[derive(Clone)]
pub struct Checker {
    /// The connections for checks.
    pub pool: Arc<Pool>,
    /// The deadlines of connections.
    pub deadlines: Deadlines,
    /// How checks are made.
    pub checks: Checks,
    /// Told of every change.
    pub telemetry: Arc<Telemetry>,
}

/// Checks `upstream` for as long as the future is polled; one that `is_alone` only while it is not
/// known to be well, because nothing could take its place.
pub async fn keep_watch(upstream: Arc<Upstream>, checker: Checker, is_alone: bool) {
    let Checker {
        pool,
        deadlines,
        checks,
        telemetry,
    } = checker;
    let health = &upstream.health;
    telemetry.upstream_up(&upstream.name, health.state().degree());
    let mut failures = 0;
    let mut told = health.state();
    loop {
        let doubted = health.doubted.notified();
        match health.state() {
            State::Away => tokio::time::sleep(WHILE_AWAY).await,
            State::Well if is_alone => doubted.await,
            State::Well | State::InDoubt => {
                drop(tokio::time::timeout(checks.interval, doubted).await);
            }
        }
        let found = check(&upstream, &pool, &deadlines, checks.timeout).await;
        failures = if found == State::Well {
            0
        } else {
            failures + 1
        };
        let before = health.state();
        if before != told {
            // A request was the first to see it.
            telemetry.upstream_changed(&upstream.name, before.as_str());
            told = before;
        }
        // What has just returned may still be slow: connections are proof enough.
        let is_tolerated = found == State::InDoubt && before == State::Well;
        if is_tolerated && failures < checks.failures {
            continue;
        }
        if health.set(found) {
            tell(&upstream.name, before, found);
            telemetry.upstream_changed(&upstream.name, found.as_str());
            told = found;
        }
        telemetry.upstream_up(&upstream.name, found.degree());
    }
}

fn tell(name: &str, before: State, found: State) {
    match found {
        State::Well => tracing::info!(upstream = name, "the upstream is well again"),
        State::InDoubt if before == State::Away => {
            tracing::warn!(
                upstream = name,
                "the upstream takes connections again, and fails its health check"
            );
        }
        State::InDoubt => tracing::warn!(upstream = name, "the upstream fails its health checks"),
        State::Away => tracing::warn!(upstream = name, "the upstream takes no connections"),
    }
}

/// One check: a connection, and an answer that is no 5xx. Homeservers that know no `/health`
/// answer 404, which is as good.
async fn check(
    upstream: &Upstream,
    pool: &Pool,
    deadlines: &Deadlines,
    timeout: Duration,
) -> State {
    let mut fields = Fields::default();
    fields.push("Host", "localhost");
    let head = RequestHead {
        method: Method::GET,
        target: "/health".into(),
        protocol: Protocol::Http11,
        fields,
    };
    let inquiry = Inquiry {
        head: &head,
        body: Bytes::new(),
        most: LONGEST_ANSWER,
        within: deadlines.connect + timeout,
    };
    match pool.ask(upstream, deadlines, &inquiry).await {
        Ok((answer, _)) if !answer.status.is_server_error() => State::Well,
        Err(NoAnswer::NoConnection(error)) if error.is_away() => State::Away,
        Ok(_) | Err(_) => State::InDoubt,
    }
}
