//! The federation API as strangers see it: version, errors, authorization, limits.

use bytes::Bytes;
use serde_json::Value;

use super::Place;
use crate::federation::context::{Context, Failure};
use crate::federation::fault;
use crate::federation::findings::{Findings, Names};
use crate::federation::http::{Answer, Body};
use crate::federation::report::Version;
use crate::federation::text::printable;

const VERSION: &str = "/_matrix/federation/v1/version";
/// An endpoint that asks for authorization before anything else.
const EVENT: &str = "/_matrix/federation/v1/event/%24vestibule-check";
/// A transaction may have 200 times 64 KiB (Synapse).
const LARGEST_TRANSACTION: u64 = 200 << 16;

type Answered = Result<Answer, Failure>;

/// What was answered to each question.
struct Observed {
    version: Answered,
    event: Answered,
    unknown: Answered,
    wrong_method: Answered,
    malformed: Answered,
    other_host: Answered,
    large: Answered,
    head: Answered,
    options: Answered,
}

/// What came of it.
pub(in crate::federation) struct Checked {
    pub(in crate::federation) findings: Findings,
    pub(in crate::federation) version: Option<Version>,
    /// What is answered to who has no authorization, where that is the homeserver's word.
    pub(in crate::federation) unauthorized: Option<Answer>,
}

/// Asks, and judges.
pub(in crate::federation) async fn check(
    context: &Context,
    place: &Place,
    server_name: &str,
    names: &Names,
) -> Checked {
    let observed = observe(context, place).await;
    let mut findings = Findings::default();
    let unauthorized = judge_route(&observed, place, names, &mut findings);
    let version = judge_version(&observed.version, place, names, &mut findings);
    if unauthorized.is_some() {
        judge_errors(&observed, place, names, &mut findings);
        judge_authorization(&observed, place, names, &mut findings);
        judge_limits(&observed, place, names, &mut findings);
    }
    judge_other_host(
        &observed.other_host,
        server_name,
        place,
        names,
        &mut findings,
    );
    Checked {
        findings,
        version,
        unauthorized,
    }
}

async fn observe(context: &Context, place: &Place) -> Observed {
    let ask = |request| async move { place.ask(context, &request).await };
    let unknown = place.get("/_matrix/federation/v1/vestibule_check");
    let malformed = place
        .get(EVENT)
        .with("Authorization", "X-Matrix vestibule-check");
    let mut other_host = place.get("/_matrix/key/v2/server");
    "vestibule-check.invalid".clone_into(&mut other_host.host);
    let large = place
        .get("/_matrix/federation/v1/send/vestibule-check")
        .method("PUT")
        .with("Content-Type", "application/json")
        .body(Body::Withheld(LARGEST_TRANSACTION - 1024));
    let empty = Body::Whole(Bytes::new());
    let (version, event, unknown, wrong_method, malformed, other_host, large, head, options) = tokio::join!(
        ask(place.get(VERSION)),
        ask(place.get(EVENT)),
        ask(unknown),
        ask(place.get(VERSION).method("DELETE").body(empty)),
        ask(malformed),
        ask(other_host),
        ask(large),
        ask(place.get(VERSION).method("HEAD")),
        ask(place.get(VERSION).method("OPTIONS")),
    );
    Observed {
        version,
        event,
        unknown,
        wrong_method,
        malformed,
        other_host,
        large,
        head,
        options,
    }
}

/// Whether the homeserver itself speaks on the federation API.
fn judge_route(
    observed: &Observed,
    place: &Place,
    names: &Names,
    findings: &mut Findings,
) -> Option<Answer> {
    let at = place.address;
    let answer = observed.event.as_ref().ok()?;
    let is_challenge = answer.status == 401 && answer.errcode().is_none();
    let is_route = answer.errcode().is_some() && !answer.is_error(404, "M_UNRECOGNIZED");
    if is_challenge {
        let seen = format!("{at} wants a password for {EVENT}");
        findings.add(&fault::AUTH_CHALLENGE, seen, names);
        return None;
    }
    if answer.is_redirect() {
        let location = printable(answer.fields.first("location").unwrap_or_default());
        let seen = format!("{at} redirects GET {EVENT} to {location}");
        findings.add(
            &fault::HTTP_REDIRECT,
            seen,
            &names.with("location", location),
        );
        return None;
    }
    if !is_route {
        let seen = format!("{at} answers {} to GET {EVENT}", answer.summary());
        findings.add(&fault::ROUTE_FEDERATION, seen, names);
        return None;
    }
    Some(answer.clone())
}

fn judge_version(
    answer: &Answered,
    place: &Place,
    names: &Names,
    findings: &mut Findings,
) -> Option<Version> {
    let at = place.address;
    let answer = answer.as_ref().ok()?;
    if answer.is_redirect() {
        let location = printable(answer.fields.first("location").unwrap_or_default());
        let seen = format!("{at} redirects GET {VERSION} to {location}");
        findings.add(
            &fault::HTTP_REDIRECT,
            seen,
            &names.with("location", location),
        );
        return None;
    }
    let text = |server: &Value, key: &str| server.get(key)?.as_str().map(printable);
    let version = answer.json().and_then(|json| {
        let server = json.get("server")?;
        Some(Version {
            name: text(server, "name")?,
            version: text(server, "version")?,
        })
    });
    let is_routed = !findings.has("http.route") && !findings.has("auth.");
    if version.is_none() && is_routed {
        let seen = format!("{at} answers {} to GET {VERSION}", answer.summary());
        findings.add(&fault::VER_SCHEMA, seen, names);
    }
    version
}

fn judge_errors(observed: &Observed, place: &Place, names: &Names, findings: &mut Findings) {
    let at = place.address;
    if let Ok(answer) = &observed.unknown
        && answer.errcode().is_none()
    {
        let seen = format!("{at} answers {} for an unknown endpoint", answer.summary());
        findings.add(&fault::JSON_UNKNOWN, seen, names);
        return;
    }
    if let Ok(answer) = &observed.wrong_method
        && answer.errcode().is_none()
    {
        let seen = format!("{at} answers {} to DELETE {VERSION}", answer.summary());
        findings.add(&fault::JSON_METHOD, seen, names);
        return;
    }
    for (method, answer) in [("HEAD", &observed.head), ("OPTIONS", &observed.options)] {
        if let Ok(answer) = answer
            && matches!(answer.status, 403 | 405 | 501)
            && answer
                .field("content-type")
                .is_some_and(|kind| kind.starts_with("text/html"))
        {
            let seen = format!("{at} answers {} to {method} {VERSION}", answer.summary());
            findings.add(&fault::LIMITS_METHOD, seen, names);
        }
    }
}

/// A header that cannot be read is another mistake than no header.
fn judge_authorization(observed: &Observed, place: &Place, names: &Names, findings: &mut Findings) {
    let at = place.address;
    let (Ok(without), Ok(with)) = (&observed.event, &observed.malformed) else {
        return;
    };
    let is_missing = |answer: &Answer| {
        let json = answer.json().unwrap_or_default();
        let error = json
            .get("error")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        error.contains("Missing Authorization")
    };
    if is_missing(without) && is_missing(with) {
        let seen = format!("the homeserver at {at} does not see the Authorization header");
        findings.add(&fault::AUTH_STRIPPED, seen, names);
    } else if with.errcode().is_none() {
        let seen = format!("{at} answers {} to X-Matrix authorization", with.summary());
        findings.add(&fault::AUTH_CHALLENGE, seen, names);
    }
}

fn judge_limits(observed: &Observed, place: &Place, names: &Names, findings: &mut Findings) {
    if let Ok(answer) = &observed.large
        && answer.status == 413
    {
        let mebibytes = LARGEST_TRANSACTION >> 20;
        let seen = format!("{} answers 413 to a body of {mebibytes} MiB", place.address);
        findings.add(&fault::LIMITS_BODY, seen, names);
    }
}

fn judge_other_host(
    answer: &Answered,
    server_name: &str,
    place: &Place,
    names: &Names,
    findings: &mut Findings,
) {
    let Ok(answer) = answer else { return };
    let json = answer.json().unwrap_or_default();
    let own = json.get("server_name").and_then(Value::as_str);
    if let Some(other) = own.filter(|own| answer.status == 200 && *own != server_name) {
        let seen = format!(
            "{} has the keys of {} for any host",
            place.address,
            printable(other)
        );
        findings.add(&fault::HTTP_HOST_OTHER, seen, names);
    }
}
