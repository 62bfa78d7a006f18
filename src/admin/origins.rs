//! The servers that send most, as an operator sees them.

use serde::{Deserialize, Serialize};

use crate::telemetry::{Origin, Telemetry};

/// One of them, of `/origins`. Numbers are since it is among those that send most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OriginRow {
    /// The name that it claims: a valid server name.
    pub origin: String,
    /// Whether its requests were proven, or the homeserver took them. Others may be anybody's.
    pub believed: bool,
    /// Requests a minute, of late.
    pub per_minute: f64,
    /// Requests.
    pub requests: u64,
    /// Of these, with a signature that was verified here.
    pub verified: u64,
    /// Refused here.
    pub refused: u64,
    /// Failed.
    pub failed: u64,
    /// Bytes of their bodies.
    pub bytes_in: u64,
    /// Bytes of the answers to them.
    pub bytes_out: u64,
    /// Seconds that they have waited for a turn, or for a process that was away, in all.
    pub waited_seconds: f64,
}

/// `/origins`: the busiest first.
pub(super) fn list(telemetry: &Telemetry) -> Vec<OriginRow> {
    telemetry.origins().into_iter().map(OriginRow::of).collect()
}

impl OriginRow {
    fn of(origin: Origin) -> Self {
        let figures = origin.figures;
        Self {
            origin: origin.name.into(),
            believed: origin.is_believed,
            per_minute: origin.per_minute,
            requests: figures.requests,
            verified: figures.verified,
            refused: figures.refused,
            failed: figures.failed,
            bytes_in: figures.bytes_in,
            bytes_out: figures.bytes_out,
            waited_seconds: figures.waited.as_secs_f64(),
        }
    }
}
