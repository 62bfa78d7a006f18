//! Whether the request target reaches the homeserver byte for byte, told by its own errors.

use super::Place;
use crate::federation::context::{Context, Failure};
use crate::federation::fault;
use crate::federation::findings::{Findings, Names};
use crate::federation::http::Answer;
use crate::federation::text::printable;

/// `%2F` inside of an id, as event ids of room version 3 have it.
const SLASH: &str = "/_matrix/federation/v1/event/%24vestibule%2Fcheck";
/// The same encoded twice.
const TWICE: &str = "/_matrix/federation/v1/event/%24vestibule%252Fcheck";
/// Two slashes, which are another path than one.
const MERGED: &str = "/_matrix//federation/v1/version";
/// A parameter of the path, which belongs to it.
const PARAMETER: &str = "/_matrix/federation/v1/version;vestibule=check";

/// What was answered to each spelling.
#[derive(Debug)]
pub(in crate::federation) struct Observed {
    /// To an id without anything odd.
    pub(in crate::federation) plain: Answer,
    pub(in crate::federation) slash: Result<Answer, Failure>,
    pub(in crate::federation) twice: Result<Answer, Failure>,
    pub(in crate::federation) merged: Result<Answer, Failure>,
    pub(in crate::federation) parameter: Result<Answer, Failure>,
    /// To the alias `#vestibule/check`, which the homeserver repeats.
    pub(in crate::federation) alias: Result<Answer, Failure>,
}

/// Asks, and judges. `plain` is what the homeserver answers to who has no authorization.
pub(in crate::federation) async fn check(
    context: &Context,
    place: &Place,
    plain: Answer,
    server_name: &str,
    names: &Names,
) -> Findings {
    let ask = |target: String| async move { place.ask(context, &place.get(target)).await };
    let colon = server_name.replace(':', "%3A");
    let alias = format!("/_matrix/client/v3/directory/room/%23vestibule%2Fcheck%3A{colon}");
    let (slash, twice, merged, parameter, alias) = tokio::join!(
        ask(SLASH.to_owned()),
        ask(TWICE.to_owned()),
        ask(MERGED.to_owned()),
        ask(PARAMETER.to_owned()),
        ask(alias),
    );
    let observed = Observed {
        plain,
        slash,
        twice,
        merged,
        parameter,
        alias,
    };
    judge(&observed, &place.address.to_string(), names)
}

/// One cause at a time: what decodes also merges.
pub(in crate::federation) fn judge(observed: &Observed, at: &str, names: &Names) -> Findings {
    let mut findings = Findings::default();
    let plain = &observed.plain;
    let is_intact =
        |answer: &Answer| answer.status == plain.status && answer.errcode() == plain.errcode();
    if let Ok(slash) = &observed.slash
        && !is_intact(slash)
    {
        let seen = format!(
            "{at} answers {} to GET {SLASH}, and {} without %2F",
            slash.summary(),
            plain.summary()
        );
        let fault = if slash.is_redirect() {
            &fault::PATH_REDIRECTED
        } else if slash.errcode().is_some() {
            &fault::PATH_DECODED
        } else {
            &fault::PATH_REFUSED
        };
        findings.add(fault, seen, names);
        return findings;
    }
    if let Ok(twice) = &observed.twice
        && !is_intact(twice)
    {
        let seen = format!("{at} answers {} to GET {TWICE}", twice.summary());
        findings.add(&fault::PATH_REFUSED, seen, names);
        return findings;
    }
    if let Ok(alias) = &observed.alias
        && let Some(repeated) = repeated(alias)
        && repeated.contains("%2F")
    {
        let seen = format!("of #vestibule%2Fcheck the homeserver at {at} sees {repeated}");
        findings.add(&fault::PATH_ENCODED, seen, names);
        return findings;
    }
    if let Ok(merged) = &observed.merged {
        if merged.is_redirect() {
            findings.add(
                &fault::PATH_REDIRECTED,
                format!("{at} redirects GET {MERGED}"),
                names,
            );
        } else if is_version(merged) {
            findings.add(
                &fault::PATH_MERGED,
                format!("{at} answers GET {MERGED}"),
                names,
            );
        }
    }
    if let Ok(parameter) = &observed.parameter
        && is_version(parameter)
    {
        let seen = format!("{at} answers GET {PARAMETER}");
        findings.add(&fault::PATH_PARAMETERS, seen, names);
    }
    findings
}

/// Whether the homeserver says its version, and not a proxy something that it has for every path.
fn is_version(answer: &Answer) -> bool {
    let json = answer.json().unwrap_or_default();
    answer.status == 200 && json.contains_key("server")
}

/// The alias as the homeserver repeats it in `Room alias #a/b:c not found`.
fn repeated(answer: &Answer) -> Option<String> {
    let json = answer.json()?;
    let error = json.get("error")?.as_str()?;
    let alias = error.strip_prefix("Room alias ")?.split(' ').next()?;
    Some(printable(alias))
}
