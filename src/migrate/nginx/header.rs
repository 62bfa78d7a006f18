//! Header fields that are set on the way.

use super::super::directive::Directive;
use super::super::ledger::Ledger;

/// `proxy_set_header`.
pub(super) fn to_upstream(directive: &Directive, ledger: &mut Ledger) {
    let number = directive.number;
    warn(directive, ledger);
    match directive.argument(0).to_ascii_lowercase().as_str() {
        "host" => ledger.not_needed(number, "Host is passed on as it came"),
        "x-forwarded-for" => {
            ledger.not_needed(
                number,
                "X-Forwarded-For is the address of the client, always",
            );
        }
        "x-forwarded-proto" | "x-forwarded-protocol" | "x-forwarded-ssl" => {
            ledger.not_needed(number, "X-Forwarded-Proto says how the client came, always");
        }
        "x-real-ip" | "x-forwarded-host" | "x-forwarded-port" | "x-forwarded-server"
        | "forwarded" => {
            ledger.not_needed(
                number,
                "Synapse reads X-Forwarded-For and Host, which it gets",
            );
        }
        "x-request-id" => {
            ledger.not_needed(number, "each request has an X-Request-Id");
        }
        "upgrade" | "connection" => {
            ledger.not_needed(
                number,
                "connections are kept, and WebSockets pass on routes",
            );
        }
        "accept-encoding" | "early-data" => {
            ledger.not_needed(number, "fields are passed on as they came");
        }
        "authorization" => {
            let help = "here Authorization is passed on as it came";
            ledger.left(number, "fields are passed on as they came", help);
        }
        _ => {
            let help = "set it in the upstream, if it is needed there";
            ledger.left(number, "fields are passed on as they came", help);
        }
    }
}

/// Values that break something.
fn warn(directive: &Directive, ledger: &mut Ledger) {
    let number = Some(directive.number);
    let value = directive.argument(1);
    let field = directive.argument(0).to_ascii_lowercase();
    let appends = ["$proxy_add_x_forwarded_for", "$http_x_forwarded_for"];
    if field == "host" && value.contains("$server_port") {
        let message = "with a port behind Host, single sign-on redirects to itself (fwd.loop)";
        let help = "here it does not: Host is passed on as it came";
        ledger.warn(number, message, help);
    }
    if field == "x-forwarded-for" && appends.iter().any(|variable| value.contains(variable)) {
        let message =
            "clients could forge their address: Synapse takes the first of X-Forwarded-For";
        let help = "here it is replaced; name proxies in front of this one in `trusted_proxies`";
        ledger.warn(number, message, help);
    }
    if field == "authorization" {
        let message = "it replaces the signature of every other server (auth.stripped)";
        ledger.warn(
            number,
            message,
            "here Authorization is passed on as it came",
        );
    }
}

/// `add_header`.
pub(super) fn to_client(directive: &Directive, ledger: &mut Ledger) {
    let number = directive.number;
    let name = directive.argument(0).to_ascii_lowercase();
    if name == "strict-transport-security" {
        let help = "write `hsts` with the number of days";
        ledger.left(number, "there is one `hsts` for all hosts", help);
    } else if name.starts_with("access-control-") {
        ledger.not_needed(
            number,
            "CORS is there: the homeserver's, and on what is answered here",
        );
    } else if matches!(name.as_str(), "cache-control" | "content-type") {
        ledger.not_needed(
            number,
            "well-known documents have it (`well_known.max_age`)",
        );
    } else if name == "alt-svc" {
        ledger.left(
            number,
            "HTTP/3 is not spoken",
            "nothing: clients take HTTP/2",
        );
    } else {
        let help = "Synapse sends what its pages need; for other programs set it there";
        ledger.left(number, "fields are not added to answers", help);
    }
}

/// What `max-age` says in `Strict-Transport-Security`.
pub(super) fn max_age(value: &str) -> Option<u64> {
    let mut parts = value.split(';').map(str::trim);
    parts.find_map(|part| {
        part.strip_prefix("max-age=")?
            .trim_matches('"')
            .parse()
            .ok()
    })
}
