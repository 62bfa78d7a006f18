//! Doors that should be shut to strangers.

use super::Place;
use crate::federation::context::Context;
use crate::federation::fault;
use crate::federation::findings::{Findings, Names};
use crate::federation::http::Answer;

const ADMIN: &str = "/_synapse/admin/v1/server_version";
const REPLICATION: &str = "/_synapse/replication/presence_bump_active_time/x";
/// A path that nothing serves, to compare with.
const NOTHING: &str = "/_synapse/vestibule_check/x";
const METRICS: [&str; 2] = ["/metrics", "/_synapse/metrics"];

/// Tries them.
pub(in crate::federation) async fn check(
    context: &Context,
    place: &Place,
    names: &Names,
) -> Findings {
    if context
        .options
        .own
        .as_ref()
        .is_some_and(|own| own.is_insider)
    {
        return Findings::default();
    }
    let ask =
        |target: &'static str| async move { place.ask(context, &place.get(target)).await.ok() };
    let [metrics, own_metrics] = METRICS;
    let (admin, replication, nothing, metrics, own_metrics) = tokio::join!(
        ask(ADMIN),
        ask(REPLICATION),
        ask(NOTHING),
        ask(metrics),
        ask(own_metrics),
    );
    let mut findings = Findings::default();
    let at = place.address;
    if admin.as_ref().is_some_and(is_admin) {
        findings.add(&fault::LEAK_ADMIN, format!("{at} serves {ADMIN}"), names);
    }
    if let (Some(replication), Some(nothing)) = (&replication, &nothing)
        && replication.errcode().is_some()
        && (replication.status, replication.errcode()) != (nothing.status, nothing.errcode())
    {
        findings.add(
            &fault::LEAK_REPLICATION,
            format!("{at} serves /_synapse/replication"),
            names,
        );
    }
    for (path, answer) in METRICS.iter().zip([metrics, own_metrics]) {
        if answer.as_ref().is_some_and(is_metrics) {
            findings.add(&fault::LEAK_METRICS, format!("{at} serves {path}"), names);
        }
    }
    findings
}

/// Synapse answers with its version, or asks for a token.
fn is_admin(answer: &Answer) -> bool {
    let errcode = answer.errcode();
    match answer.status {
        200 => answer
            .json()
            .is_some_and(|json| json.contains_key("server_version")),
        401 | 403 => matches!(
            errcode.as_deref(),
            Some("M_MISSING_TOKEN" | "M_UNKNOWN_TOKEN")
        ),
        _ => false,
    }
}

fn is_metrics(answer: &Answer) -> bool {
    let has = |what: &[u8]| answer.body.windows(what.len()).any(|window| window == what);
    answer.status == 200 && has(b"# TYPE ")
}
