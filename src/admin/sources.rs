//! Where the admin listener finds what it tells. Everything is read when it is asked for, so
//! that an exchanged configuration shows at once.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use serde::Serialize;

use super::{Readiness, Reloads, Token};
use crate::federation::Report;
use crate::lists::List;
use crate::snapshot::Snapshot;
use crate::telemetry::Telemetry;

/// What the admin listener tells of.
pub struct Sources {
    /// The counters.
    pub telemetry: Arc<Telemetry>,
    /// Whether the process wants traffic.
    pub readiness: Arc<Readiness>,
    /// What runs.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// What was written, as TOML with every default and without secrets.
    pub configuration: Arc<ArcSwap<String>>,
    /// The certificates.
    pub certificates: Arc<Certificates>,
    /// The lists of servers that rules name.
    pub lists: Arc<ArcSwap<Vec<Arc<List>>>>,
    /// What the program found when it last looked at itself from outside.
    pub self_check: Arc<ArcSwap<Vec<Report>>>,
    /// Who has it may change something over TCP.
    pub token: Arc<ArcSwapOption<Token>>,
    /// Configurations that were put in force, and the way to ask for the next.
    pub reloads: Arc<Reloads>,
}

/// Finds out what there is of certificates; it may read files. An error is for people.
pub type Certificates = dyn Fn() -> Result<Vec<CertificateRow>, String> + Send + Sync;

/// What is known of the certificate for one name. Times are those of RFC 3339.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CertificateRow {
    /// The name.
    pub name: String,
    /// `acme`, `internal` or `files`.
    pub source: &'static str,
    /// Who signed it, where that is an authority by ACME.
    pub authority: Option<String>,
    /// When it ends.
    pub expires: Option<String>,
    /// When the next one is ordered.
    pub next_renewal: Option<String>,
    /// Why there is no other yet.
    pub last_error: Option<String>,
}
