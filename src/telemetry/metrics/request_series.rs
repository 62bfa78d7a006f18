//! What one finished request adds to, resolved once for each combination.

use http::StatusCode;
use prometheus::{Histogram, IntCounter};

use super::{Metrics, NONE};
use crate::telemetry::origins::OriginFigures;
use crate::telemetry::record::{AccessRecord, Outcome, method_label};

/// The children that a request of one (site, class, method, status, upstream)
/// adds to, so that a request costs one look-up and no reference counting.
pub(super) struct RequestSeries {
    requests: IntCounter,
    seconds: Histogram,
    received: IntCounter,
    sent: IntCounter,
    /// Connect and first byte, where the request went to an upstream.
    upstream: Option<(Histogram, Histogram)>,
}

impl Metrics {
    /// Counts a request that has come to its end.
    pub(in crate::telemetry) fn count_request(&self, record: &AccessRecord<'_>) {
        let site = record.site.map_or(NONE, AsRef::as_ref);
        let class = record.class.unwrap_or(NONE);
        let upstream = record.upstream.map(AsRef::as_ref);
        let status = status_of(record.status);
        let labels = [
            site,
            class,
            record.method.map_or(NONE, method_label),
            status_label(status.as_ref()),
            upstream.unwrap_or(NONE),
        ];
        self.requests.with(
            labels,
            || self.resolve(labels, upstream),
            |series| series.add(record),
        );
        self.count_placement(record, site, class);
        if let Some(origin) = record.origin {
            let is_believed = record.outcome == Outcome::Served && record.status != 401;
            let figures = OriginFigures::of(record);
            let is_proven = figures.verified > 0 || is_believed;
            self.talkers.count(origin.as_str(), is_proven, &figures);
        }
        if let Some(result) = record.signature {
            self.families.signatures.with([result], IntCounter::inc);
        }
        if let Some((rule, result)) = record.rule {
            let labels = [rule, result.as_str()];
            self.families.origin_rules.with(labels, IntCounter::inc);
        }
        if let Some(reason) = record.would_refuse {
            self.families.dry_run.with([reason], IntCounter::inc);
        }
        match record.outcome {
            Outcome::Served => {}
            Outcome::Refused(reason) => self.families.refusals.with([reason], IntCounter::inc),
            Outcome::Failed(reason) => self.families.failures.with([reason], IntCounter::inc),
        }
    }

    /// Counts how a request found its process, where there was something to find.
    fn count_placement(&self, record: &AccessRecord<'_>, site: &str, class: &str) {
        self.count_shaped(record);
        let (Some(group), families) = (record.group, &self.families) else {
            return;
        };
        if let (Some(by), Some(upstream)) = (record.placed_by, record.upstream) {
            let labels = [site, group, upstream, by];
            families.placements.with(labels, IntCounter::inc);
        }
        let outcome = outcome_of(record);
        if let Some(time) = record.queued {
            families.queued.with([group, outcome], IntCounter::inc);
            let seconds = time.as_secs_f64();
            families
                .queued_seconds
                .with([group], |h| h.observe(seconds));
        }
        if let Some(time) = record.held {
            families.held.with([class, outcome], IntCounter::inc);
            let seconds = time.as_secs_f64();
            families.held_seconds.with([class], |h| h.observe(seconds));
        }
    }

    /// Counts how a request waited for its turn, where it had to.
    fn count_shaped(&self, record: &AccessRecord<'_>) {
        let (Some(budget), Some(time)) = (record.budget, record.shaped) else {
            return;
        };
        let families = &self.families;
        let outcome = outcome_of(record);
        families.shaped.with([budget, outcome], IntCounter::inc);
        let seconds = time.as_secs_f64();
        families
            .shaped_seconds
            .with([budget], |h| h.observe(seconds));
    }

    /// Counts a request whose head was refused: it has no site and no class.
    pub(in crate::telemetry) fn count_refused_head(&self, status: u16, reason: &'static str) {
        let status = status_of(status);
        let labels = [NONE, NONE, NONE, status_label(status.as_ref()), NONE];
        self.families.requests.with(labels, IntCounter::inc);
        self.families.refusals.with([reason], IntCounter::inc);
    }

    fn resolve(&self, labels: [&str; 5], upstream: Option<&str>) -> RequestSeries {
        let families = &self.families;
        let [site, class, ..] = labels;
        RequestSeries {
            requests: families.requests.child(labels),
            seconds: families.request_seconds.child([site, class]),
            received: families.body_bytes.child([site, class, "request"]),
            sent: families.body_bytes.child([site, class, "response"]),
            upstream: upstream.map(|name| {
                (
                    families.upstream_connect_seconds.child([name]),
                    families.upstream_first_byte_seconds.child([name]),
                )
            }),
        }
    }
}

impl RequestSeries {
    fn add(&self, record: &AccessRecord<'_>) {
        self.requests.inc();
        self.seconds.observe(record.duration.as_secs_f64());
        self.received.inc_by(record.bytes_in);
        self.sent.inc_by(record.bytes_out);
        if let Some((connect, first_byte)) = &self.upstream {
            if let Some(time) = record.upstream_connect {
                connect.observe(time.as_secs_f64());
            }
            if let Some(time) = record.upstream_first_byte {
                first_byte.observe(time.as_secs_f64());
            }
        }
    }
}

fn outcome_of(record: &AccessRecord<'_>) -> &'static str {
    match record.outcome {
        Outcome::Served => "served",
        Outcome::Refused(reason) | Outcome::Failed(reason) => reason,
    }
}

/// Statuses that HTTP knows; an upstream may send any three digits.
fn status_of(status: u16) -> Option<StatusCode> {
    StatusCode::from_u16(status)
        .ok()
        .filter(|status| status.as_u16() < 600)
}

fn status_label(status: Option<&StatusCode>) -> &str {
    status.map_or("other", StatusCode::as_str)
}
