//! What the requests of other servers came to, for the busiest of them.

use std::time::{Duration, Instant};

use super::Telemetry;
use super::record::{AccessRecord, Outcome};

/// One of the servers that send most.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The name that it claims: a valid server name.
    pub name: Box<str>,
    /// Whether its requests are proven, or the homeserver took them; others may be anybody's.
    pub is_believed: bool,
    /// Requests a minute, of late.
    pub per_minute: f64,
    /// Since it is among those that send most.
    pub figures: OriginFigures,
}

/// What requests came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OriginFigures {
    /// All that have ended.
    pub requests: u64,
    /// Of these, with a signature that was verified here.
    pub verified: u64,
    /// Refused here, or what would have been, were it not for a dry run.
    pub refused: u64,
    /// Failed.
    pub failed: u64,
    /// Bytes of their bodies.
    pub bytes_in: u64,
    /// Bytes of the answers to them.
    pub bytes_out: u64,
    /// How long they have waited, for a turn or for a process that was away.
    pub waited: Duration,
}

impl OriginFigures {
    /// Of one request.
    pub(super) fn of(record: &AccessRecord<'_>) -> Self {
        let waits = [record.shaped, record.queued, record.held];
        let is_refused =
            matches!(record.outcome, Outcome::Refused(_)) || record.would_refuse.is_some();
        Self {
            requests: 1,
            verified: (record.signature == Some("verified")).into(),
            refused: is_refused.into(),
            failed: matches!(record.outcome, Outcome::Failed(_)).into(),
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            waited: waits.into_iter().flatten().sum(),
        }
    }

    pub(super) fn add(&mut self, more: &Self) {
        self.requests += more.requests;
        self.verified += more.verified;
        self.refused += more.refused;
        self.failed += more.failed;
        self.bytes_in += more.bytes_in;
        self.bytes_out += more.bytes_out;
        self.waited += more.waited;
    }
}

impl Telemetry {
    /// The servers that send most, the busiest first: twenty that are believed, and twenty that
    /// are not.
    pub fn origins(&self) -> Vec<Origin> {
        self.metrics.origins(Instant::now())
    }
}
