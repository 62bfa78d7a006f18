//! The metrics: families declared in one table, counted without locks, shown
//! in Prometheus' text format.

mod declared;
mod family;
mod labelled;
mod process;
mod ranking;
mod reference;
mod request_series;
mod talkers;

use std::time::{Instant, SystemTime};

use prometheus::{IntGauge, Registry, TextEncoder};

pub use reference::metrics_reference;

pub(super) use declared::Families;

use labelled::Labelled;
use process::Process;
use request_series::RequestSeries;
use talkers::Talkers;

use super::origins::Origin;
use crate::matrix::endpoint::Class;

/// The `Content-Type` of the metrics as they are rendered.
pub const METRICS_CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Where there is no site, endpoint class or upstream.
pub(super) const NONE: &str = "none";

/// The registry and everything registered with it.
pub(super) struct Metrics {
    pub(super) families: Families,
    /// One for each of [`Class::ALL`], in its order.
    pub(super) in_flight: Vec<IntGauge>,
    pub(super) started: SystemTime,
    registry: Registry,
    requests: Labelled<RequestSeries, 5>,
    process: Process,
    talkers: Talkers,
}

impl Metrics {
    pub(super) fn new(started: SystemTime) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let families = Families::register(&registry)?;
        families
            .build_info
            .with([env!("CARGO_PKG_VERSION")], |gauge| gauge.set(1));
        let in_flight = |class: &Class| families.requests_in_flight.child([class.as_str()]);
        Ok(Self {
            in_flight: Class::ALL.iter().map(in_flight).collect(),
            started,
            process: Process::new(&families, started),
            requests: Labelled::new(),
            talkers: Talkers::new(),
            registry,
            families,
        })
    }

    /// Forgets the series with a label of which `is_kept`, given its name and value, says no.
    pub(super) fn retain(&self, is_kept: &dyn Fn(&str, &str) -> bool) {
        self.families.retain(is_kept);
        // Afterwards, so that what is resolved from here on is resolved to series that are shown.
        self.requests.retain(|[site, _, _, _, upstream]| {
            is_kept("site", site) && is_kept("upstream", upstream)
        });
    }

    /// The servers that send most, now.
    pub(super) fn origins(&self, now: Instant) -> Vec<Origin> {
        self.talkers.show(&self.families.origin_requests, now);
        self.talkers.origins()
    }

    /// All families with at least one series, as Prometheus reads them.
    pub(super) fn render(&self) -> String {
        self.process.refresh();
        self.talkers
            .show(&self.families.origin_requests, Instant::now());
        let mut text = String::with_capacity(16 * 1024);
        let encoded = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text);
        debug_assert!(encoded.is_ok());
        text
    }
}
