//! `Header` and `RequestHeader`.

use super::super::directive::Directive;
use super::super::ledger::Ledger;

/// The action, the field and the value, behind the condition that may stand first.
fn parts(directive: &Directive) -> (String, String, &str) {
    let is_condition = |word: &&String| {
        word.eq_ignore_ascii_case("always") || word.eq_ignore_ascii_case("onsuccess")
    };
    let mut words = directive.arguments.iter().skip_while(is_condition);
    let mut next = || words.next().map(String::as_str).unwrap_or_default();
    let (action, field) = (next().to_ascii_lowercase(), next().to_ascii_lowercase());
    (action, field, next())
}

pub(super) fn to_upstream(directive: &Directive, ledger: &mut Ledger) {
    let number = directive.number;
    let (_, field, _) = parts(directive);
    match field.as_str() {
        "x-forwarded-proto" | "x-forwarded-for" | "x-forwarded-ssl" => {
            ledger.not_needed(
                number,
                "X-Forwarded-For and -Proto say who came and how, always",
            );
        }
        "x-real-ip" | "x-forwarded-host" | "x-forwarded-port" | "forwarded" => {
            ledger.not_needed(
                number,
                "Synapse reads X-Forwarded-For and Host, which it gets",
            );
        }
        "host" => ledger.not_needed(number, "Host is passed on as it came"),
        "x-request-id" => ledger.not_needed(number, "each request has an X-Request-Id"),
        "authorization" => {
            let message = "it takes the signature of every other server away (auth.stripped)";
            let help = "here Authorization is passed on as it came";
            ledger.left(number, "fields are passed on as they came", help);
            ledger.warn(Some(number), message, help);
        }
        _ => {
            let help = "set it in the upstream, if it is needed there";
            ledger.left(number, "fields are passed on as they came", help);
        }
    }
}

pub(super) fn to_client(directive: &Directive, ledger: &mut Ledger) {
    let number = directive.number;
    let (_, field, _) = parts(directive);
    if field == "strict-transport-security" {
        let help = "write `hsts` with the number of days";
        ledger.left(number, "there is one `hsts` for all hosts", help);
    } else if field.starts_with("access-control-") {
        ledger.not_needed(
            number,
            "CORS is there: the homeserver's, and on what is answered here",
        );
    } else if matches!(field.as_str(), "cache-control" | "content-type") {
        ledger.not_needed(
            number,
            "well-known documents have it (`well_known.max_age`)",
        );
    } else {
        let help = "Synapse sends what its pages need; for other programs set it there";
        ledger.left(number, "fields are not added to answers", help);
    }
}

/// What `max-age` says, if it is about `Strict-Transport-Security`.
pub(super) fn max_age(directive: &Directive) -> Option<u64> {
    let (action, field, value) = parts(directive);
    if field != "strict-transport-security" || action == "unset" {
        return None;
    }
    let mut parts = value.split(';').map(str::trim);
    parts.find_map(|part| part.strip_prefix("max-age=")?.parse().ok())
}
