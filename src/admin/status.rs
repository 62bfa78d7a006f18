//! What the status page shows, as values: `/status` has them as JSON.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use time::OffsetDateTime;

use super::origins::{self, OriginRow};
use super::sources::{CertificateRow, Sources};
use super::upstreams::{self, SiteState};
use crate::federation::{Report, Verdict};
use crate::lists::List;
use crate::telemetry::{
    ClassTraffic, Counted, OpenConnections, Overview, Trouble, recent_troubles,
};

/// Everything at one moment. Times are those of RFC 3339.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    pub(super) version: &'static str,
    /// `starting`, `ready` or `draining`.
    pub(super) state: &'static str,
    pub(super) started: String,
    pub(super) uptime_seconds: u64,
    pub(super) configuration: Loaded,
    pub(super) sites: Vec<SiteState>,
    pub(super) certificates: Vec<CertificateRow>,
    /// Why the certificates are not known.
    pub(super) certificates_error: Option<String>,
    pub(super) lists: Vec<ListRow>,
    pub(super) connections: Connections,
    pub(super) traffic: Traffic,
    /// The servers that send most, the busiest first.
    pub(super) origins: Vec<OriginRow>,
    pub(super) troubles: Vec<TroubleRow>,
    /// One for each site; none where there was no self-check yet.
    pub(super) self_check: Vec<SelfCheckRow>,
    #[serde(skip)]
    pub(super) now: OffsetDateTime,
}

/// The configuration in force.
#[derive(Debug, Serialize)]
pub(super) struct Loaded {
    pub(super) version: i64,
    pub(super) loaded: Option<String>,
}

/// `/connections`: who is there, as numbers.
#[derive(Debug, Serialize)]
pub(super) struct Connections {
    pub(super) open: i64,
    pub(super) by_listener: Vec<ListenerRow>,
    /// Being served now.
    pub(super) requests: i64,
    pub(super) requests_by_class: Vec<InFlight>,
    /// Of those being served: `shaped` for a turn in their budget, `queued` for one at a process, or `held` for a process that is away.
    pub(super) requests_waiting: Vec<Row>,
}

/// The connections of one listener that speak one protocol.
#[derive(Debug, Serialize)]
pub(super) struct ListenerRow {
    pub(super) listener: String,
    pub(super) protocol: String,
    pub(super) open: i64,
}

/// Requests of one class that are being served.
#[derive(Debug, Serialize)]
pub(super) struct InFlight {
    pub(super) class: String,
    pub(super) requests: i64,
}

/// Requests since the start.
#[derive(Debug, Serialize)]
pub(super) struct Traffic {
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) classes: Vec<ClassRow>,
    pub(super) refusals: Vec<Row>,
    pub(super) failures: Vec<Row>,
}

/// The requests of one class.
#[derive(Debug, Serialize)]
pub(super) struct ClassRow {
    pub(super) class: String,
    pub(super) in_flight: i64,
    pub(super) requests: u64,
    pub(super) errors: u64,
    /// On average since the start.
    pub(super) per_minute: f64,
}

/// A number of something.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) count: u64,
}

/// A warning or an error of the log.
#[derive(Debug, Serialize)]
pub(super) struct TroubleRow {
    pub(super) at: String,
    pub(super) level: &'static str,
    pub(super) message: String,
    pub(super) times: u64,
}

/// A list of servers that rules name.
#[derive(Debug, Serialize)]
pub(super) struct ListRow {
    pub(super) name: String,
    /// `file`, `url` or `room`.
    pub(super) source: &'static str,
    /// Names in force.
    pub(super) entries: usize,
    /// Entries of a policy room that name no servers.
    pub(super) skipped: usize,
    /// When it was read last, or found to be the same.
    pub(super) read: Option<String>,
    /// Why it could not be read since.
    pub(super) problem: Option<String>,
}

/// What the last self-check found.
#[derive(Debug, Serialize)]
pub(super) struct SelfCheckRow {
    pub(super) site: String,
    pub(super) at: String,
    pub(super) ok: bool,
    pub(super) findings: Vec<String>,
}

impl Status {
    /// What is known now.
    pub(super) async fn now(sources: &Sources) -> Self {
        let (certificates, certificates_error) = match certificates(sources).await {
            Ok(rows) => (rows, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let now = SystemTime::now();
        let overview = sources.telemetry.overview();
        let uptime = now.duration_since(overview.started).unwrap_or_default();
        let (version, loaded) = overview.configuration;
        let loaded = OffsetDateTime::from_unix_timestamp(loaded).ok();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            state: sources.readiness.state().as_str(),
            started: text(overview.started),
            uptime_seconds: uptime.as_secs(),
            configuration: Loaded {
                version,
                loaded: loaded.filter(|_| version > 0).map(text),
            },
            sites: upstreams::sites(&sources.snapshot.load()),
            certificates,
            certificates_error,
            lists: sources
                .lists
                .load()
                .iter()
                .map(|list| ListRow::of(list))
                .collect(),
            connections: Connections::of(&overview),
            traffic: Traffic::of(overview, uptime),
            origins: origins::list(&sources.telemetry),
            troubles: recent_troubles().into_iter().map(TroubleRow::of).collect(),
            self_check: sources
                .self_check
                .load()
                .iter()
                .map(SelfCheckRow::of)
                .collect(),
            now: now.into(),
        }
    }
}

/// What there is of certificates; files are read where nobody waits for it.
pub(super) async fn certificates(sources: &Sources) -> Result<Vec<CertificateRow>, String> {
    let list = sources.certificates.clone();
    let listed = tokio::task::spawn_blocking(move || list()).await;
    listed.unwrap_or_else(|error| Err(error.to_string()))
}

impl Connections {
    pub(super) fn of(overview: &Overview) -> Self {
        let listener = |of: &OpenConnections| ListenerRow {
            listener: of.listener.clone(),
            protocol: of.protocol.clone(),
            open: of.open,
        };
        let in_flight = |of: &ClassTraffic| InFlight {
            class: of.class.clone(),
            requests: of.in_flight,
        };
        let classes = || overview.classes.iter().filter(|of| of.in_flight > 0);
        Self {
            open: overview.connections.iter().map(|of| of.open).sum(),
            by_listener: overview.connections.iter().map(listener).collect(),
            requests: classes().map(|of| of.in_flight).sum(),
            requests_by_class: classes().map(in_flight).collect(),
            requests_waiting: overview.waiting.iter().cloned().map(Row::of).collect(),
        }
    }
}

impl Traffic {
    fn of(overview: Overview, uptime: Duration) -> Self {
        let minutes = (uptime.as_secs_f64() / 60.0).max(1.0 / 60.0);
        let class = |of: ClassTraffic| ClassRow {
            per_minute: per_minute(of.requests, minutes),
            class: of.class,
            in_flight: of.in_flight,
            requests: of.requests,
            errors: of.errors,
        };
        let classes: Vec<_> = overview.classes.into_iter().map(class).collect();
        Self {
            requests: classes.iter().map(|of| of.requests).sum(),
            errors: classes.iter().map(|of| of.errors).sum(),
            classes,
            refusals: overview.refusals.into_iter().map(Row::of).collect(),
            failures: overview.failures.into_iter().map(Row::of).collect(),
        }
    }
}

/// With one decimal.
fn per_minute(requests: u64, minutes: f64) -> f64 {
    let requests = u32::try_from(requests).map_or(f64::from(u32::MAX), f64::from);
    (requests / minutes * 10.0).round() / 10.0
}

impl Row {
    fn of(Counted { name, count }: Counted) -> Self {
        Self { name, count }
    }
}

impl TroubleRow {
    fn of(trouble: Trouble) -> Self {
        Self {
            at: text(trouble.at),
            level: trouble.level,
            message: trouble.message,
            times: trouble.times,
        }
    }
}

impl ListRow {
    fn of(list: &List) -> Self {
        let report = list.report();
        Self {
            name: report.name.to_string(),
            source: report.source,
            entries: report.entries,
            skipped: report.skipped,
            read: report.read.map(text),
            problem: report.problem,
        }
    }
}

impl SelfCheckRow {
    fn of(report: &Report) -> Self {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(report.checked_at);
        let findings = report.findings.iter();
        Self {
            site: report.server_name.clone(),
            at: text(at),
            ok: report.verdict != Verdict::Broken,
            findings: findings
                .map(|it| format!("{}: {} {}", it.id, it.why, it.remedy))
                .collect(),
        }
    }
}

/// As RFC 3339 has it, in whole seconds.
fn text(at: impl Into<OffsetDateTime>) -> String {
    let at = at.into();
    let (date, (hour, minute, second)) = (at.date(), at.to_hms());
    format!("{date}T{hour:02}:{minute:02}:{second:02}Z")
}
