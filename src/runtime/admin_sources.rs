//! What the admin listener is told of.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::certificate_list;
use super::certificates::Certificates;
use crate::admin::{Readiness, Sources, Token};
use crate::config::Config;
use crate::snapshot::Snapshot;
use crate::telemetry::Telemetry;

/// The sources of a process that starts with `config`.
pub(super) fn of(
    config: &Config,
    snapshot: Arc<ArcSwap<Snapshot>>,
    telemetry: &Arc<Telemetry>,
    certificates: Option<&Certificates>,
    token: Option<Token>,
) -> Sources {
    let written = Arc::new(ArcSwap::from_pointee(config.clone()));
    Sources {
        telemetry: telemetry.clone(),
        readiness: Arc::new(Readiness::new()),
        snapshot,
        configuration: Arc::new(ArcSwap::from_pointee(config.shown())),
        certificates: certificate_list::of_running(written, certificates),
        self_check: Arc::default(),
        token,
    }
}
