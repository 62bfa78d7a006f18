//! Log, access log and metrics: every name declared once.
//!
//! The rest of the program says what happened through the typed recorders of
//! [`Telemetry`]; no other module knows the name of a metric, a label or a log
//! field. Labels come from closed sets: words fixed in the program and names
//! from the configuration.

mod access_log;
mod guard;
mod journal;
mod known;
mod logging;
mod metrics;
mod origins;
#[cfg(feature = "otlp")]
mod otlp;
mod overview;
mod recent;
mod record;
mod redact;

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::SystemTime;

use prometheus::core::{Atomic, GenericCounter};

pub use access_log::{AccessLogError, AccessLogTarget, LogFormat, access_line};
pub use guard::{ConnectionGuard, InFlightGuard, KeyWaitGuard};
pub use known::Known;
pub use logging::{LogControl, LogLevel, LoggingError, init};
pub use metrics::{METRICS_CONTENT_TYPE, metrics_reference};
pub use origins::{Origin, OriginFigures};
#[cfg(feature = "otlp")]
pub use otlp::{TraceError, TraceSettings};
pub use overview::{ClassTraffic, Counted, OpenConnections, Overview};
pub use recent::{Trouble, recent_troubles};
pub use record::{AccessRecord, Name, Outcome, RuleResult};

use access_log::{AccessLog, Lost};
use metrics::Metrics;

use crate::matrix::affinity::Key;
use crate::matrix::endpoint::Class;

/// How telemetry begins.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When the process started.
    pub started: SystemTime,
    /// The access log; none is written without.
    pub access_log: Option<AccessLogSettings>,
}

/// How the access log is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessLogSettings {
    /// Text or JSON.
    pub format: LogFormat,
    /// Where to.
    pub target: AccessLogTarget,
}

/// Why there is no telemetry.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The access log cannot be written.
    #[error(transparent)]
    AccessLog(#[from] AccessLogError),
    /// Spans cannot be sent.
    #[cfg(feature = "otlp")]
    #[error(transparent)]
    Traces(#[from] TraceError),
    /// Two metrics clash: a fault of the program.
    #[error("the metrics are inconsistent: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// The metrics and the access log of one running Vestibule. Made once and
/// shared; nothing of it is global, so tests run side by side.
pub struct Telemetry {
    metrics: Metrics,
    access_log: Option<AccessLog>,
    #[cfg(feature = "otlp")]
    traces: Option<otlp::Traces>,
    /// Made at start, kept nowhere: what it hashes cannot be found again by guessing.
    users: RandomState,
}

impl Telemetry {
    /// Declares the metrics, opens the access log and starts its writer.
    pub fn start(settings: Settings) -> Result<Self, TelemetryError> {
        let metrics = Metrics::new(settings.started)?;
        let dropped = &metrics.families.access_log_dropped;
        let lost = Lost {
            queue_full: dropped.child(["queue_full"]),
            write_failed: dropped.child(["write_failed"]),
        };
        let access_log = settings
            .access_log
            .map(|log| AccessLog::start(log.format, log.target, lost))
            .transpose()?;
        Ok(Self {
            metrics,
            access_log,
            #[cfg(feature = "otlp")]
            traces: None,
            users: RandomState::new(),
        })
    }

    /// Sends spans of requests as well.
    #[cfg(feature = "otlp")]
    pub fn with_traces(self, settings: TraceSettings) -> Result<Self, TelemetryError> {
        let dropped = &self.metrics.families.trace_spans_dropped;
        let dropped = otlp::Dropped {
            queue_full: dropped.child(["queue_full"]),
            send_failed: dropped.child(["send_failed"]),
        };
        let traces = Some(otlp::Traces::start(settings, dropped)?);
        Ok(Self { traces, ..self })
    }

    /// A downstream connection begins to speak `protocol`; it counts as open
    /// until the guard is dropped.
    pub fn connection_opened(&self, listener: &str, protocol: &'static str) -> ConnectionGuard {
        let families = &self.metrics.families;
        families
            .connections_accepted
            .with([listener, protocol], count);
        families
            .connections_open
            .with([listener, protocol], ConnectionGuard::new)
    }

    /// A connection was closed before anything was read from it.
    pub fn connection_refused(&self, listener: &str, reason: &'static str) {
        let family = &self.metrics.families.connections_refused;
        family.with([listener, reason], count);
    }

    /// The accept system call failed.
    pub fn accept_failed(&self, listener: &str) {
        self.metrics.families.accept_errors.with([listener], count);
    }

    /// A TLS handshake succeeded after `seconds`: with this version, key exchange group and kind.
    pub fn handshake(&self, listener: &str, terms: [&'static str; 3], seconds: f64) {
        let families = &self.metrics.families;
        let [version, group, kind] = terms;
        let labels = [listener, version, group, kind];
        families.tls_handshakes.with(labels, count);
        families
            .tls_handshake_seconds
            .with([listener], |histogram| histogram.observe(seconds));
    }

    /// A TLS handshake failed.
    pub fn handshake_failed(&self, listener: &str, reason: &'static str) {
        let family = &self.metrics.families.tls_handshake_failures;
        family.with([listener, reason], count);
    }

    /// The certificate called `name` ends at `unix_seconds`.
    pub fn certificate_expiry(&self, name: &str, unix_seconds: i64) {
        let family = &self.metrics.families.certificate_expiry;
        family.with([name], |gauge| gauge.set(unix_seconds));
    }

    /// Whether the certificate called `name` is our own, for want of another.
    pub fn certificate_self_signed(&self, name: &str, is_self_signed: bool) {
        let family = &self.metrics.families.certificate_self_signed;
        family.with([name], |gauge| gauge.set(is_self_signed.into()));
    }

    /// An authority was asked for a certificate for `name`; `result` is a fixed word.
    pub fn certificate_order(&self, name: &str, result: &'static str) {
        let family = &self.metrics.families.certificate_orders;
        family.with([name, result], count);
    }

    /// A request head was answered with `status` before it became a request.
    pub fn head_refused(
        &self,
        listener: &str,
        peer: Option<IpAddr>,
        status: u16,
        reason: &'static str,
    ) {
        self.metrics.count_refused_head(status, reason);
        if let Some(log) = &self.access_log {
            log.refused_head(listener, peer, status, reason);
        }
    }

    /// A request of `class` is being served until the guard is dropped.
    pub fn request_started(&self, class: Class) -> Option<InFlightGuard> {
        let gauge = self.metrics.in_flight.get(class as usize);
        gauge.map(InFlightGuard::new)
    }

    /// A try to read the list of servers called `list`; `result` is a fixed word.
    pub fn list_read(&self, list: &str, result: &'static str) {
        let family = &self.metrics.families.list_reads;
        family.with([list, result], count);
    }

    /// So many names are in `list`, which was read last at `unix_seconds`; whether the last try
    /// to read it succeeded.
    pub fn list_state(&self, list: &str, entries: usize, unix_seconds: i64, is_current: bool) {
        let families = &self.metrics.families;
        let entries = i64::try_from(entries).unwrap_or(i64::MAX);
        families
            .list_entries
            .with([list], |gauge| gauge.set(entries));
        families
            .list_read_time
            .with([list], |gauge| gauge.set(unix_seconds));
        families
            .list_current
            .with([list], |gauge| gauge.set(is_current.into()));
    }

    /// A request waits until the guard is dropped; `state` is `shaped`, `queued` or `held`.
    pub fn request_waits(&self, state: &'static str) -> InFlightGuard {
        let family = &self.metrics.families.requests_waiting;
        family.with([state], InFlightGuard::new)
    }

    /// What stands in the access log for a user whom `key` stands for; none where there is no log.
    pub fn user_hash(&self, key: impl FnOnce() -> Option<Key>) -> Option<u64> {
        self.access_log.as_ref()?;
        key().map(|key| self.users.hash_one(key))
    }

    /// A request has come to its end: counts it and writes its record.
    pub fn request_finished(&self, record: &AccessRecord<'_>) {
        self.metrics.count_request(record);
        if let Some(log) = &self.access_log {
            log.record(record);
        }
    }

    /// A request has come to its end: sends its span. `parents` are the values of its `traceparent`
    /// fields.
    #[cfg(feature = "otlp")]
    pub fn request_traced<'r>(
        &self,
        record: &AccessRecord<'_>,
        parents: impl Iterator<Item = &'r [u8]>,
    ) {
        if let Some(traces) = &self.traces {
            traces.record(record, parents);
        }
    }

    /// An attempt at an upstream failed.
    pub fn upstream_error(&self, upstream: &str, kind: &'static str) {
        let family = &self.metrics.families.upstream_errors;
        family.with([upstream, kind], count);
    }

    /// The name that stands for the processes of `worker` was looked up.
    pub fn discovery(&self, worker: &str, result: &'static str) {
        let family = &self.metrics.families.discovery_lookups;
        family.with([worker, result], count);
    }

    /// So many processes of `worker` were found.
    pub fn members(&self, worker: &str, members: usize) {
        let members = i64::try_from(members).unwrap_or(i64::MAX);
        let family = &self.metrics.families.discovered_members;
        family.with([worker], |gauge| gauge.set(members));
    }

    /// A public document was asked for at `endpoint`, and answered so.
    pub fn edge_cache(&self, endpoint: &'static str, result: &'static str) {
        let family = &self.metrics.families.edge_cache;
        family.with([endpoint, result], count);
    }

    /// So many public documents have a place.
    pub fn documents_kept(&self, documents: usize) {
        let documents = i64::try_from(documents).unwrap_or(i64::MAX);
        let family = &self.metrics.families.edge_cache_documents;
        family.with([], |gauge| gauge.set(documents));
    }

    /// A request was sent to `upstream` once more.
    pub fn repeated(&self, upstream: &str) {
        self.metrics.families.repeated.with([upstream], count);
    }

    /// How well `upstream` is, from 0 to 1.
    pub fn upstream_up(&self, upstream: &str, degree: f64) {
        let family = &self.metrics.families.upstream_up;
        family.with([upstream], |gauge| gauge.set(degree));
    }

    /// `upstream` became `state`, a fixed word.
    pub fn upstream_changed(&self, upstream: &str, state: &'static str) {
        let family = &self.metrics.families.upstream_changes;
        family.with([upstream, state], count);
    }

    /// So many requests are in progress at `upstream`, and whether it is drained.
    pub fn upstream_load(&self, upstream: &str, requests: u32, is_drained: bool) {
        let families = &self.metrics.families;
        families
            .upstream_requests
            .with([upstream], |gauge| gauge.set(requests.into()));
        families
            .upstream_drained
            .with([upstream], |gauge| gauge.set(is_drained.into()));
    }

    /// So many requests of a budget of `site` are active and wait, of so many that may be active.
    pub fn budget(&self, site: &str, budget: &'static str, [active, waiting, allowed]: [u32; 3]) {
        let families = &self.metrics.families;
        for (state, requests) in [("active", active), ("waiting", waiting)] {
            let labels = [site, budget, state];
            let family = &families.budget_requests;
            family.with(labels, |gauge| gauge.set(requests.into()));
        }
        families
            .budget_allowed
            .with([site, budget], |gauge| gauge.set(allowed.into()));
    }

    /// The work for other servers may have this part of what `site` can do.
    pub fn federation_share(&self, site: &str, share: f64) {
        let family = &self.metrics.families.federation_share;
        family.with([site], |gauge| gauge.set(share));
    }

    /// The user behind an access token was looked up.
    pub fn user_lookup(&self, result: &'static str) {
        self.metrics.families.user_lookups.with([result], count);
    }

    /// So many access tokens are remembered.
    pub fn tokens_known(&self, tokens: usize) {
        let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
        let family = &self.metrics.families.user_tokens;
        family.with([], |gauge| gauge.set(tokens));
    }

    /// The keys of a server were looked up.
    pub fn key_lookup(&self, result: &'static str) {
        self.metrics.families.key_lookups.with([result], count);
    }

    /// The keys of a server were not looked up, as there have been too many.
    pub fn key_lookup_refused(&self, reason: &'static str) {
        let family = &self.metrics.families.key_lookups_refused;
        family.with([reason], count);
    }

    /// So many lookups of keys are under way.
    pub fn key_lookups_under_way(&self, lookups: usize) {
        let lookups = i64::try_from(lookups).unwrap_or(i64::MAX);
        let family = &self.metrics.families.key_lookups_under_way;
        family.with([], |gauge| gauge.set(lookups));
    }

    /// So many keys of servers are remembered, and so many servers are let be.
    pub fn keys_known(&self, keys: u64, let_be: usize) {
        let families = &self.metrics.families;
        let keys = i64::try_from(keys).unwrap_or(i64::MAX);
        families.server_keys.with([], |gauge| gauge.set(keys));
        let let_be = i64::try_from(let_be).unwrap_or(i64::MAX);
        families.servers_let_be.with([], |gauge| gauge.set(let_be));
    }

    /// A request waits for a key, until the guard is dropped.
    pub fn key_waited_for(&self) -> KeyWaitGuard {
        let family = &self.metrics.families.key_waits;
        family.with([], KeyWaitGuard::new)
    }

    /// This version of the configuration is in force since `loaded`, in seconds since 1970.
    pub fn configuration_version(&self, version: i64, loaded: i64) {
        let families = &self.metrics.families;
        families
            .configuration_version
            .with([], |gauge| gauge.set(version));
        families
            .configuration_loaded
            .with([], |gauge| gauge.set(loaded));
        families
            .configuration_current
            .with([], |gauge| gauge.set(1));
    }

    /// Another process could not take this one's place.
    pub fn upgrade_failed(&self) {
        self.metrics.families.upgrades_failed.with([], count);
    }

    /// A reload was tried.
    pub fn reloaded(&self, is_done: bool) {
        let families = &self.metrics.families;
        let result = if is_done { "done" } else { "failed" };
        families.configuration_reloads.with([result], count);
        families
            .configuration_current
            .with([], |gauge| gauge.set(is_done.into()));
    }

    /// So much of this severity was found by the program's check of itself at `unix_seconds`.
    pub fn self_check(&self, severity: &'static str, findings: usize, unix_seconds: i64) {
        let findings = i64::try_from(findings).unwrap_or(i64::MAX);
        let families = &self.metrics.families;
        families
            .self_check_findings
            .with([severity], |gauge| gauge.set(findings));
        families
            .self_check_time
            .with([], |gauge| gauge.set(unix_seconds));
    }

    /// All metrics in Prometheus' text format ([`METRICS_CONTENT_TYPE`]).
    pub fn render_metrics(&self) -> String {
        self.metrics.render()
    }

    /// Opens the access log's file anew, after something moved it away.
    pub fn reopen(&self) {
        if let Some(log) = &self.access_log {
            log.reopen();
        }
    }

    /// Writes the access records that wait, sends the spans that do, and takes no more. Blocks until
    /// that is done, five seconds at most for each; says whether it was.
    pub fn close(&self) -> bool {
        #[cfg(feature = "otlp")]
        let are_sent = self.traces.as_ref().is_none_or(otlp::Traces::close);
        #[cfg(not(feature = "otlp"))]
        let are_sent = true;
        self.access_log.as_ref().is_none_or(AccessLog::close) && are_sent
    }
}

fn count<P: Atomic>(counter: &GenericCounter<P>) {
    counter.inc();
}

#[cfg(test)]
mod tests;
