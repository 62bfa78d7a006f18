//! How it is found out which workers are well.

use schemars::JsonSchema;
use serde::Serialize;

use super::section::Section;
use super::value::{Count, Timeout};

/// Checks of `/health` on the workers and on the homeserver beside them. What
/// refuses connections is left out at once, and comes back as soon as it answers;
/// no answer to a request ever counts against a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Health {
    /// From one check of a worker that is well to the next. One that is away is
    /// asked four times a second.
    pub interval: Timeout,
    /// How long an answer may take.
    pub timeout: Timeout,
    /// Failures in a row after which others take its requests, where there are
    /// others.
    pub failures: Count,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            interval: Timeout::seconds(5),
            timeout: Timeout::seconds(5),
            failures: Count::new(3),
        }
    }
}

impl Health {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let health = Self {
            interval: section.or("interval", default.interval),
            timeout: section.or("timeout", default.timeout),
            failures: section.or("failures", default.failures),
        };
        section.finish();
        health
    }
}
