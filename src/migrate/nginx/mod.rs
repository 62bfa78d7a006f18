//! What an nginx does.

mod destination;
mod header;
mod location;
mod parse;
mod server;
mod words;

pub(super) use parse::read;

use super::directive::Directive;
use super::front::{AccessLog, Front, Limit};
use super::ledger::{Ledger, find};
use destination::Destinations;

/// What holds where nothing nearer says otherwise.
#[derive(Clone, Default)]
struct Scope {
    body: Option<Limit>,
    read_timeout: Option<Limit>,
    /// The folder of files, and the directive that says so.
    root: Option<(usize, String)>,
    /// Those that were `set`, the nearest first.
    variables: Vec<Variable>,
}

/// A variable that was `set`: directive, name, value.
type Variable = (usize, String, String);

/// Reads the directives, and settles what can be settled by each alone.
pub(super) fn understand(tree: &[Directive], ledger: &mut Ledger) -> Front {
    settle(tree, ledger);
    let mut front = Front::default();
    let mut destinations = Destinations::default();
    destinations.collect(tree, &mut front, ledger);
    block(tree, &Scope::default(), &destinations, &mut front, ledger);
    front
}

/// The top of a file, or what is in `http`.
fn block(
    tree: &[Directive],
    outer: &Scope,
    destinations: &Destinations,
    front: &mut Front,
    ledger: &mut Ledger,
) {
    let mut scope = outer.clone();
    for directive in tree {
        scope.read(directive);
        whole_proxy(directive, front, ledger);
    }
    for directive in tree {
        match directive.name.as_str() {
            "http" => block(directive.children(), &scope, destinations, front, ledger),
            "server" if directive.block.is_some() => {
                let host = server::read(directive, &scope, destinations, front, ledger);
                front.hosts.push(host);
            }
            "location" => {
                let help = "name the file that includes this one";
                ledger.left(directive.number, "it stands outside of a server", help);
            }
            _ => {}
        }
    }
}

impl Scope {
    fn read(&mut self, directive: &Directive) {
        let number = directive.number;
        match directive.name.as_str() {
            "client_max_body_size" => {
                self.body = size(directive.argument(0)).map(|bytes| Limit {
                    directive: number,
                    number: bytes,
                });
            }
            "proxy_read_timeout" => {
                self.read_timeout = seconds(directive.argument(0)).map(|seconds| Limit {
                    directive: number,
                    number: seconds,
                });
            }
            "root" => self.root = Some((number, directive.argument(0).to_owned())),
            _ => {}
        }
    }
}

/// What holds for all hosts here, wherever it is written there.
fn whole_proxy(directive: &Directive, front: &mut Front, ledger: &mut Ledger) {
    let number = directive.number;
    let value = directive.argument(0);
    match directive.name.as_str() {
        "access_log" => access_log(directive, front, ledger),
        "set_real_ip_from" => front.trusted.push((number, value.to_owned())),
        "real_ip_header" => {
            front.trusts_proxy_protocol = value.eq_ignore_ascii_case("proxy_protocol");
            if front.trusts_proxy_protocol || value.eq_ignore_ascii_case("x-forwarded-for") {
                ledger.carried(number, "where the address of a client is taken from");
            } else {
                let help = "let the proxy in front send X-Forwarded-For";
                ledger.left(number, "X-Forwarded-For alone is believed", help);
            }
        }
        "add_header" if value.eq_ignore_ascii_case("strict-transport-security") => {
            if let Some(age) = header::max_age(directive.argument(1)) {
                front.hsts.get_or_insert((number, age));
            }
        }
        _ => {}
    }
}

fn access_log(directive: &Directive, front: &mut Front, ledger: &mut Ledger) {
    let number = directive.number;
    let path = directive.argument(0);
    if front.access_log.is_some() {
        let help = "the lines name the host: filter them";
        ledger.left(number, "there is one access log for all hosts", help);
        return;
    }
    if path.starts_with("syslog:") || path.contains('$') {
        let help = "write access_log.path, or let the service manager keep standard output";
        ledger.left(
            number,
            "the access log goes to one file or to standard output",
            help,
        );
        return;
    }
    let log = match path {
        "off" => AccessLog::Nowhere,
        path => AccessLog::File(path.to_owned()),
    };
    front.access_log = Some((number, log));
}

/// What becomes of a directive by its name alone.
fn settle(tree: &[Directive], ledger: &mut Ledger) {
    for directive in tree {
        if directive.unread.is_some() {
            continue;
        }
        let number = directive.number;
        let name = directive.name.as_str();
        match name {
            "proxy_set_header" => header::to_upstream(directive, ledger),
            "add_header" => header::to_client(directive, ledger),
            "ssl_protocols" => protocols(directive, ledger),
            _ => {
                if let Some((_, why)) = find(words::NOT_NEEDED, name, |row| row.0) {
                    ledger.not_needed(number, *why);
                } else if let Some((_, why, remedy)) = find(words::LEFT, name, |row| row.0) {
                    ledger.left(number, *why, *remedy);
                }
            }
        }
        let answers_itself = name == "error_page"
            || (name == "proxy_intercept_errors" && directive.argument(0) == "on");
        if answers_itself {
            let message = "pages in the place of Matrix errors look like an outage (json.unknown)";
            ledger.warn(
                Some(number),
                message,
                "here the homeserver's errors pass unchanged",
            );
        }
        settle(directive.children(), ledger);
    }
}

fn protocols(directive: &Directive, ledger: &mut Ledger) {
    let number = directive.number;
    ledger.not_needed(number, "TLS 1.2 and 1.3 are spoken");
    if ["SSLv3", "TLSv1", "TLSv1.1"]
        .iter()
        .any(|old| directive.has(old))
    {
        let message = "TLS before 1.2 was accepted (tls.proto.old)";
        ledger.warn(
            Some(number),
            message,
            "no homeserver needs it, and clients of ten years know 1.2",
        );
    }
}

/// `50M`, `1024k`, `0`: bytes.
fn size(text: &str) -> Option<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let factor: u64 = match unit {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// `60`, `90s`, `10m`, `1h30m`: seconds.
fn seconds(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, unit) = rest.split_at_checked(end)?;
        let number: u64 = number.parse().ok()?;
        let unit_end = unit
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(unit.len());
        let (unit, others) = unit.split_at_checked(unit_end)?;
        let seconds = match unit.trim() {
            "" | "s" => number,
            "ms" => number.div_ceil(1000),
            "m" => number.checked_mul(60)?,
            "h" => number.checked_mul(3600)?,
            "d" => number.checked_mul(86_400)?,
            _ => return None,
        };
        total = total.checked_add(seconds)?;
        rest = others.trim_start();
    }
    Some(total).filter(|_| !text.is_empty())
}
