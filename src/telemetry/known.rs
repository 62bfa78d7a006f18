//! Names that are in use, and the end of what is counted under others.

use std::collections::HashSet;

use super::Telemetry;

/// What sites, upstreams and workers are called now. Whoever counts under another
/// name counts for something that has gone: a process that DNS names no longer, a site that a
/// new configuration has not.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Values of the label `site`.
    pub sites: HashSet<String>,
    /// Values of the label `upstream`.
    pub upstreams: HashSet<String>,
    /// Values of the label `worker`.
    pub workers: HashSet<String>,
    /// Values of the label `rule`.
    pub rules: HashSet<String>,
    /// Values of the label `list`.
    pub lists: HashSet<String>,
}

impl Known {
    fn has(&self, label: &str, value: &str) -> bool {
        let names = match label {
            "site" => &self.sites,
            "upstream" => &self.upstreams,
            "worker" => &self.workers,
            "rule" => &self.rules,
            "list" => &self.lists,
            _ => return true,
        };
        value == super::metrics::NONE || names.contains(value)
    }
}

impl Telemetry {
    /// Forgets every series of what is not `known`. A request that still runs for it may bring
    /// one back, until this is called again.
    pub fn keep(&self, known: &Known) {
        self.metrics.retain(&|label, value| known.has(label, value));
    }

    /// Forgets every series of a certificate whose name is none of `names`.
    pub fn keep_certificates(&self, names: &HashSet<String>) {
        self.metrics
            .retain(&|label, value| label != "name" || names.contains(value));
    }
}
