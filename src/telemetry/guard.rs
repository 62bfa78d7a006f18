//! Guards that hold a gauge up while something lives.

use prometheus::IntGauge;

/// Counts one open connection until it is dropped.
#[derive(Debug)]
#[must_use = "the connection counts as closed when this is dropped"]
pub struct ConnectionGuard {
    _raised: Raised,
}

/// Counts one request being served until it is dropped.
#[derive(Debug)]
#[must_use = "the request counts as finished when this is dropped"]
pub struct InFlightGuard {
    _raised: Raised,
}

/// Counts one request that waits for a key until it is dropped.
#[derive(Debug)]
#[must_use = "the request counts as served when this is dropped"]
pub struct KeyWaitGuard {
    _raised: Raised,
}

#[derive(Debug)]
struct Raised(IntGauge);

impl ConnectionGuard {
    pub(super) fn new(gauge: &IntGauge) -> Self {
        Self {
            _raised: Raised::new(gauge),
        }
    }
}

impl InFlightGuard {
    pub(super) fn new(gauge: &IntGauge) -> Self {
        Self {
            _raised: Raised::new(gauge),
        }
    }
}

impl KeyWaitGuard {
    pub(super) fn new(gauge: &IntGauge) -> Self {
        Self {
            _raised: Raised::new(gauge),
        }
    }
}

impl Raised {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        self.0.dec();
    }
}
