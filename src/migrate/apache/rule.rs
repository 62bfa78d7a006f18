//! Rules for paths: `ProxyPass`, `<Location>`, `Alias`, `Redirect`, `DocumentRoot`.

use regex::{Regex, RegexBuilder};

use super::super::directive::Directive;
use super::super::front::{Action, Choice, Limit, Paths, Rule, Target, VirtualHost};
use super::super::ledger::Ledger;
use super::{Balancers, address, host};

/// A pattern that needs more memory is none of a person.
const LARGEST_PATTERN: usize = 1 << 20;
const HELP: &str = "write a [[routes]], if it is needed";

/// Reads them in the order in which Apache asks them: what is passed on, folders, redirects, files.
pub(super) fn read_all(
    children: &[Directive],
    balancers: &Balancers,
    host: &mut VirtualHost,
    ledger: &mut Ledger,
) {
    let named = |names: &'static [&'static str]| {
        let is_named = |child: &&Directive| {
            names
                .iter()
                .any(|name| child.name.eq_ignore_ascii_case(name))
        };
        children.iter().filter(is_named)
    };
    for child in named(&["proxypass", "proxypassmatch", "location", "locationmatch"]) {
        if child.block.is_some() {
            location(child, balancers, host, ledger);
        } else {
            pass(child, balancers, host, ledger);
        }
    }
    for child in named(&["alias"]) {
        ledger.left(child.number, "no route was made of it", HELP);
        let folder = child.argument(1).to_owned();
        let is_file = folder
            .rsplit('/')
            .next()
            .is_some_and(|name| name.contains('.'));
        let is_known = child.argument(0).starts_with("/.well-known/matrix/");
        let action = if is_file || is_known {
            Action::File(folder)
        } else {
            Action::Files(folder)
        };
        let paths = Paths::Prefix(child.argument(0).to_owned());
        host.rules
            .push(rule(child.number, child.number, paths, action));
    }
    for child in named(&["redirect", "redirectpermanent", "redirecttemp"]) {
        redirect(child, host, ledger);
    }
    for child in named(&["documentroot"]) {
        let folder = child.argument(0).to_owned();
        let paths = Paths::Prefix("/".to_owned());
        host.rules.push(rule(
            child.number,
            child.number,
            paths,
            Action::Files(folder),
        ));
    }
}

fn rule(directive: usize, acting: usize, paths: Paths, action: Action) -> Rule {
    Rule {
        directive,
        acting,
        root: None,
        paths,
        action,
        networks: Vec::new(),
        read_timeout: None,
        body: None,
    }
}

fn pattern(text: &str) -> Option<Regex> {
    RegexBuilder::new(text)
        .size_limit(LARGEST_PATTERN)
        .build()
        .ok()
}

/// `ProxyPass PATH URL ...` outside of any section.
fn pass(directive: &Directive, balancers: &Balancers, host: &mut VirtualHost, ledger: &mut Ledger) {
    let number = directive.number;
    let [path, to, options @ ..] = directive.arguments.as_slice() else {
        ledger.left(number, "it names no path and no address", HELP);
        return;
    };
    let is_pattern = directive.name.eq_ignore_ascii_case("proxypassmatch");
    let paths = if is_pattern {
        pattern(path).map(Paths::Pattern)
    } else {
        Some(Paths::Prefix(path.clone()))
    };
    let Some(paths) = paths else {
        ledger.left(number, "its pattern looks around, or is no pattern", HELP);
        return;
    };
    ledger.left(number, "no route was made of it", HELP);
    let action = action(directive, &paths, to, balancers, ledger);
    warn_of_canon(directive, &paths, &action, options, ledger);
    let mut one = rule(number, number, paths, action);
    one.read_timeout = timeout(number, options);
    host.rules.push(one);
}

/// `<Location PATH>` with a `ProxyPass` in it.
fn location(
    directive: &Directive,
    balancers: &Balancers,
    host: &mut VirtualHost,
    ledger: &mut Ledger,
) {
    let number = directive.number;
    let is_match = directive.name.eq_ignore_ascii_case("locationmatch");
    let (is_pattern, path) = match directive.arguments.as_slice() {
        [tilde, path] if tilde == "~" => (true, path),
        [path] => (is_match, path),
        _ => {
            ledger.left(number, "it names no path", HELP);
            return;
        }
    };
    let paths = if is_pattern {
        pattern(path).map(Paths::Pattern)
    } else {
        Some(Paths::Prefix(path.clone()))
    };
    let Some(paths) = paths else {
        ledger.left(number, "its pattern looks around, or is no pattern", HELP);
        return;
    };
    ledger.not_needed(number, "what is in it is listed by itself");
    let children = directive.children();
    let named = |name: &str| {
        children
            .iter()
            .find(|child| child.name.eq_ignore_ascii_case(name))
    };
    let (networks, is_closed) = networks(children, ledger);
    let passed = named("proxypass").or(named("proxypassmatch"));
    let Some(passed) = passed else {
        if is_closed {
            host.rules
                .insert(0, rule(number, number, paths, Action::Refuse));
        } else {
            guard(host, &paths, &networks);
            if !networks.is_empty() {
                ledger.carried(number, "networks of the route");
            }
        }
        return;
    };
    ledger.left(passed.number, "no route was made of it", HELP);
    let Some((to, options)) = passed.arguments.split_first() else {
        ledger.left(passed.number, "it names no address", HELP);
        return;
    };
    let action = action(passed, &paths, to, balancers, ledger);
    warn_of_canon(passed, &paths, &action, options, ledger);
    let mut one = rule(number, passed.number, paths, action);
    one.networks = networks;
    one.read_timeout = timeout(passed.number, options);
    one.body = named("limitrequestbody").and_then(host::body);
    host.rules.push(one);
}

/// A section that limits rules which stand outside of it.
fn guard(host: &mut VirtualHost, paths: &Paths, networks: &[(usize, String)]) {
    for rule in &mut host.rules {
        if rule.paths.literal().is_some() && rule.paths.literal() == paths.literal() {
            rule.networks.extend_from_slice(networks);
        }
    }
}

fn action(
    directive: &Directive,
    paths: &Paths,
    to: &str,
    balancers: &Balancers,
    ledger: &mut Ledger,
) -> Action {
    if to == "!" {
        ledger.not_needed(directive.number, "what nobody answers gets 404");
        return Action::Refuse;
    }
    let prefix = paths.literal();
    let balanced = balancers.iter().find_map(|(name, target)| {
        let path = to.strip_prefix(name.as_str())?;
        Some((target.clone(), path.to_owned()))
    });
    let single = || {
        let (address, path) = address::understand(to)?;
        let addresses = vec![address];
        Some((
            Target {
                name: String::new(),
                addresses,
            },
            path,
        ))
    };
    let Some((target, path)) = balanced
        .or_else(single)
        .filter(|(target, _)| !target.addresses.is_empty())
    else {
        let help = "write where it leads, in `homeserver` or a [[routes]]";
        ledger.left(directive.number, "it is no address of ours", help);
        return Action::Unknown;
    };
    let is_kept = match prefix {
        Some(prefix) => path.trim_end_matches('/') == prefix.trim_end_matches('/'),
        // A pattern that takes the whole path along.
        None => matches!(path.as_str(), "" | "$0" | "$1"),
    };
    Action::Pass {
        to: Choice::Always(target),
        path: (!is_kept).then_some(path),
    }
}

fn warn_of_canon(
    directive: &Directive,
    paths: &Paths,
    action: &Action,
    options: &[String],
    ledger: &mut Ledger,
) {
    let is_matrix = paths.names("_matrix") || paths.literal() == Some("/");
    let has_nocanon = options
        .iter()
        .any(|option| option.eq_ignore_ascii_case("nocanon"));
    if is_matrix && !has_nocanon && matches!(action, Action::Pass { .. }) {
        let message =
            "without nocanon paths are written anew, so that signatures do not match (path.merged)";
        ledger.warn(
            Some(directive.number),
            message,
            "here paths are passed on byte for byte",
        );
    }
}

fn timeout(number: usize, options: &[String]) -> Option<Limit> {
    let seconds = options
        .iter()
        .find_map(|option| option.strip_prefix("timeout="));
    Some(Limit {
        directive: number,
        number: seconds?.parse().ok()?,
    })
}

/// `Require ip ...`, and whether nobody may.
fn networks(children: &[Directive], ledger: &mut Ledger) -> (Vec<(usize, String)>, bool) {
    let mut networks = Vec::new();
    let mut is_closed = false;
    for child in children
        .iter()
        .filter(|child| child.name.eq_ignore_ascii_case("require"))
    {
        let number = child.number;
        match child.argument(0).to_ascii_lowercase().as_str() {
            "ip" => {
                let listed = child.arguments.iter().skip(1);
                networks.extend(listed.map(|network| (number, network.clone())));
            }
            "local" => {
                networks.push((number, "127.0.0.0/8".to_owned()));
                networks.push((number, "::1".to_owned()));
            }
            "all" if child.has("denied") => {
                is_closed = true;
                ledger.not_needed(number, "what nobody may gets 404");
            }
            "all" => ledger.not_needed(number, "who may is everyone"),
            _ => {}
        }
    }
    (networks, is_closed)
}

/// `Redirect [STATUS] PATH URL`.
fn redirect(directive: &Directive, host: &mut VirtualHost, ledger: &mut Ledger) {
    let number = directive.number;
    ledger.left(number, "no route was made of it", HELP);
    let (path, url) = match directive.arguments.as_slice() {
        [path, url] | [_, path, url] if path.starts_with('/') => (path, url),
        _ => return,
    };
    let paths = Paths::Prefix(path.clone());
    host.rules
        .push(rule(number, number, paths, Action::Redirect(url.clone())));
}
