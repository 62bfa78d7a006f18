//! The metrics: families declared in one table, counted without locks, shown
//! in Prometheus' text format.

mod declared;
mod family;
mod labelled;
mod process;
mod reference;
mod request_series;

use std::time::SystemTime;

use prometheus::{IntGauge, Registry, TextEncoder};

pub use reference::metrics_reference;

pub(super) use declared::Families;

use labelled::Labelled;
use process::Process;
use request_series::RequestSeries;

/// The `Content-Type` of the metrics as they are rendered.
pub const METRICS_CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// The registry and everything registered with it.
pub(super) struct Metrics {
    pub(super) families: Families,
    pub(super) in_flight: IntGauge,
    registry: Registry,
    requests: Labelled<RequestSeries, 5>,
    process: Process,
}

impl Metrics {
    pub(super) fn new(started: SystemTime) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let families = Families::register(&registry)?;
        families
            .build_info
            .with([env!("CARGO_PKG_VERSION")], |gauge| gauge.set(1));
        Ok(Self {
            in_flight: families.requests_in_flight.child([]),
            process: Process::new(&families, started),
            requests: Labelled::new(),
            registry,
            families,
        })
    }

    /// All families with at least one series, as Prometheus reads them.
    pub(super) fn render(&self) -> String {
        self.process.refresh();
        let mut text = String::with_capacity(16 * 1024);
        let encoded = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text);
        debug_assert!(encoded.is_ok());
        text
    }
}
