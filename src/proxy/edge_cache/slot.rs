//! The place of one document: what is kept, and the one request for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Mutex as WaitingMutex;

use super::PAUSE;
use super::kept::Kept;
use super::question::{Brought, Question};
use crate::proxy::failure::Problem;
use crate::telemetry::Telemetry;
use crate::upstream::Pool;

/// How long requests pass by a place where the answer was none to keep.
const PASSES_FOR: Duration = Duration::from_mins(1);

/// The place of one document.
#[derive(Default)]
pub(super) struct Slot {
    state: Mutex<State>,
    /// Held while the homeserver is asked, on whichever thread.
    pub flight: Arc<WaitingMutex<Flight>>,
}

/// What is known of a document.
#[derive(Clone, Default)]
pub(super) struct State {
    pub kept: Option<Arc<Kept>>,
    /// Until then requests go up side by side.
    pub passes_until: Option<Instant>,
    /// When the homeserver last failed to answer, if it has not answered since.
    failed: Option<Instant>,
}

/// The last request for a document.
#[derive(Default)]
pub(super) struct Flight(Option<(Instant, Landed)>);

/// What it brought.
pub(super) enum Landed {
    /// A document.
    Kept(Arc<Kept>),
    /// An answer that is not for others.
    Other,
    /// None.
    Failure {
        /// It was waited for as long as one may.
        was_silent: bool,
    },
}

impl Flight {
    /// What the last request brought, where that was after `came`.
    pub(super) fn since(&self, came: Instant) -> Option<&Landed> {
        let (at, landed) = self.0.as_ref()?;
        (*at >= came).then_some(landed)
    }
}

impl Slot {
    pub(super) fn state(&self) -> State {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the homeserver has just failed, or has and is being asked again.
    pub(super) fn is_down(&self, now: Instant) -> bool {
        let failed = self.state().failed;
        failed.is_some_and(|at| {
            now.saturating_duration_since(at) < PAUSE || self.flight.try_lock().is_err()
        })
    }

    /// Keeps what a request brought.
    pub(super) fn land(&self, flight: &mut Flight, brought: &Brought) {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let landed = match brought {
            Brought::Kept(kept, _) => {
                *state = State {
                    kept: Some(kept.clone()),
                    ..State::default()
                };
                Landed::Kept(kept.clone())
            }
            // Its own trouble, and perhaps soon over.
            Brought::Own(whole, _) if whole.head.status.is_server_error() => {
                state.failed = None;
                Landed::Other
            }
            Brought::Own(..) | Brought::TooLarge => {
                *state = State {
                    passes_until: Some(now + PASSES_FOR),
                    ..State::default()
                };
                Landed::Other
            }
            Brought::Failure(problem) => {
                state.failed = Some(now);
                Landed::Failure {
                    was_silent: matches!(problem, Problem::Silent),
                }
            }
        };
        flight.0 = Some((now, landed));
    }
}

/// Fetches a new document while the old one is given out, unless somebody does so already.
pub(super) fn refresh(
    slot: &Arc<Slot>,
    pool: &Arc<Pool>,
    telemetry: &Arc<Telemetry>,
    question: Question,
) {
    let Ok(mut flight) = slot.flight.clone().try_lock_owned() else {
        return;
    };
    let (slot, pool, telemetry) = (slot.clone(), pool.clone(), telemetry.clone());
    tokio::spawn(async move {
        let brought = question.ask(&pool, question.silence, &telemetry).await;
        slot.land(&mut flight, &brought);
    });
}
