//! One `location`, and what stands in those that are in it.

use regex::RegexBuilder;

use super::super::directive::Directive;
use super::super::front::{Action, Paths, Rule, VirtualHost};
use super::super::ledger::Ledger;
use super::destination::Destinations;
use super::server::is_redirect_to_https;
use super::{Scope, Variable};

/// A pattern that needs more memory is none of a person.
const LARGEST_PATTERN: usize = 1 << 20;

pub(super) fn variables(children: &[Directive]) -> Vec<Variable> {
    let set = children.iter().filter(|child| child.name == "set");
    let mut variables: Vec<Variable> = set
        .map(|set| {
            (
                set.number,
                set.argument(0).to_owned(),
                set.argument(1).to_owned(),
            )
        })
        .collect();
    // $name_two before $name.
    variables.sort_by_key(|(_, name, _)| std::cmp::Reverse(name.len()));
    variables
}

pub(super) fn read(
    directive: &Directive,
    outer: &Scope,
    destinations: &Destinations,
    host: &mut VirtualHost,
    ledger: &mut Ledger,
) {
    let number = directive.number;
    let children = directive.children();
    let mut scope = outer.clone();
    for child in children {
        scope.read(child);
    }
    let nearer = variables(children);
    scope.variables.splice(0..0, nearer);
    for child in children.iter().filter(|child| child.name == "location") {
        read(child, &scope, destinations, host, ledger);
    }
    let paths = match paths(directive) {
        Ok(paths) => paths,
        Err(reason) => {
            let help = "write a [[routes]] for the prefix, if it is none of Matrix";
            for child in children {
                if !ledger.is_settled(child.number) {
                    ledger.left(child.number, reason.clone(), help);
                }
            }
            ledger.left(number, reason, help);
            return;
        }
    };
    for condition in children.iter().filter(|child| child.name == "if") {
        conditional(condition, ledger);
    }
    let reason = "it is no path of Matrix, and does nothing that a route does";
    ledger.left(number, reason, "write a [[routes]], if it is needed");
    let (acting, mut action) =
        action(children, &paths, &scope, destinations, ledger).unwrap_or((number, Action::Unknown));
    let rewrites = children.iter().any(|child| child.name == "rewrite");
    if rewrites && matches!(action, Action::Pass { .. }) {
        let help = "let the upstream know the path as clients do, and write a [[routes]]";
        ledger.left(number, "it changes paths", help);
        ledger.left(acting, "it changes paths", help);
        action = Action::Unknown;
    }
    let is_files = matches!(action, Action::Files(_) | Action::File(_));
    let root = scope
        .root
        .as_ref()
        .filter(|_| is_files)
        .map(|(root, _)| *root);
    warn_of(children, &action, ledger);
    let own_limit = |limit: Option<super::Limit>| {
        limit.filter(|limit| children.iter().any(|child| child.number == limit.directive))
    };
    host.rules.push(Rule {
        directive: number,
        acting,
        root,
        paths,
        action,
        networks: networks(children, ledger),
        read_timeout: own_limit(scope.read_timeout),
        body: own_limit(scope.body),
    });
}

fn paths(directive: &Directive) -> Result<Paths, String> {
    let (modifier, path) = match directive.arguments.as_slice() {
        [path] => ("", path.as_str()),
        [modifier, path] => (modifier.as_str(), path.as_str()),
        _ => return Err("it is not a path".to_owned()),
    };
    let path_owned = path.to_owned();
    match modifier {
        "=" => Ok(Paths::Exact(path_owned)),
        "^~" => Ok(Paths::FirmPrefix(path_owned)),
        "~" | "~*" => pattern(path, modifier == "~*").map(Paths::Pattern),
        "" if path.starts_with('@') => Err("it is reached from other rules only".to_owned()),
        // `location =/path`, which nginx takes too.
        "" => match path.strip_prefix("^~").or(path.strip_prefix('=')) {
            Some(rest) if path.starts_with('=') => Ok(Paths::Exact(rest.to_owned())),
            Some(rest) => Ok(Paths::FirmPrefix(rest.to_owned())),
            None => Ok(Paths::Prefix(path_owned)),
        },
        _ => Err("it is not a path".to_owned()),
    }
}

fn pattern(text: &str, ignores_case: bool) -> Result<regex::Regex, String> {
    RegexBuilder::new(text)
        .case_insensitive(ignores_case)
        .size_limit(LARGEST_PATTERN)
        .build()
        .map_err(|_| "its pattern looks around, or is no pattern".to_owned())
}

fn action(
    children: &[Directive],
    paths: &Paths,
    scope: &Scope,
    destinations: &Destinations,
    ledger: &mut Ledger,
) -> Option<(usize, Action)> {
    let find = |name: &str| children.iter().find(|child| child.name == name);
    if let Some(answer) = find("return") {
        return Some((answer.number, returned(answer, ledger)));
    }
    if let Some(pass) = find("proxy_pass") {
        return Some((
            pass.number,
            passed(pass, &scope.variables, destinations, ledger),
        ));
    }
    if let Some(alias) = find("alias") {
        let path = alias.argument(0).to_owned();
        ledger.left(
            alias.number,
            "no route was made of it",
            "write a [[routes]] with `folder`",
        );
        let is_file = |path: &str| {
            path.rsplit('/')
                .next()
                .is_some_and(|name| name.contains('.'))
        };
        let action = if is_file(&path) {
            Action::File(path)
        } else {
            Action::Files(path)
        };
        return Some((alias.number, action));
    }
    let (number, root) = scope.root.as_ref()?;
    let written_here = find("root").or(find("try_files"));
    let number = written_here.map_or(*number, |child| child.number);
    let below = paths.literal()?;
    let action = match paths {
        Paths::Exact(path) => Action::File(format!("{root}{path}")),
        Paths::Prefix(_) | Paths::FirmPrefix(_) | Paths::Pattern(_) => {
            Action::Files(format!("{}{below}", root.trim_end_matches('/')))
        }
    };
    Some((number, action))
}

fn returned(directive: &Directive, ledger: &mut Ledger) -> Action {
    let number = directive.number;
    if is_redirect_to_https(directive) {
        ledger.carried(
            number,
            "plain requests are sent to https (profile = \"redirect\")",
        );
        return Action::Redirect(directive.argument(1).to_owned());
    }
    let reason = "no route was made of it";
    ledger.left(
        number,
        reason,
        "write a [[routes]] with `redirect`, or nothing",
    );
    let (status, text) = match directive.arguments.as_slice() {
        [url] if url.contains("://") => return Action::Redirect(url.clone()),
        [status] => (status, ""),
        [status, text, ..] => (status, text.as_str()),
        [] => return Action::Unknown,
    };
    match status.parse() {
        Ok(301 | 302 | 303 | 307 | 308) => Action::Redirect(text.to_owned()),
        Ok(_) if text.is_empty() => {
            ledger.not_needed(number, "what nobody answers gets 404 or 421");
            Action::Refuse
        }
        Ok(status) => Action::Document {
            status,
            text: text.to_owned(),
        },
        Err(_) => Action::Unknown,
    }
}

fn passed(
    directive: &Directive,
    variables: &[Variable],
    destinations: &Destinations,
    ledger: &mut Ledger,
) -> Action {
    let number = directive.number;
    match destinations.understand(directive.argument(0), variables) {
        Ok(destination) => {
            let reason = "no route was made of it";
            ledger.left(
                number,
                reason,
                "write a [[routes]] with `upstream`, if it is needed",
            );
            for number in destination.by {
                ledger.carried(number, "where requests go");
            }
            Action::Pass {
                to: destination.to,
                path: destination.path,
            }
        }
        Err(reason) => {
            ledger.left(
                number,
                reason,
                "write where it leads, in `homeserver` or a [[routes]]",
            );
            Action::Unknown
        }
    }
}

/// What `return` outside of any location does.
pub(super) fn whole_server(directive: &Directive, host: &mut VirtualHost, ledger: &mut Ledger) {
    let action = returned(directive, ledger);
    host.rules.push(rule(directive.number, "/", action));
}

/// The files that a server has where no location says otherwise.
pub(super) fn files_of_server(scope: &Scope, host: &mut VirtualHost) {
    let has_all = host
        .rules
        .iter()
        .any(|rule| matches!(rule.paths.literal(), Some("/")));
    if let Some((number, folder)) = scope.root.as_ref().filter(|_| !has_all) {
        host.rules
            .push(rule(*number, "", Action::Files(folder.clone())));
    }
}

fn rule(number: usize, prefix: &str, action: Action) -> Rule {
    Rule {
        directive: number,
        acting: number,
        root: None,
        paths: Paths::Prefix(prefix.to_owned()),
        action,
        networks: Vec::new(),
        read_timeout: None,
        body: None,
    }
}

fn networks(children: &[Directive], ledger: &mut Ledger) -> Vec<(usize, String)> {
    let is_closed = children
        .iter()
        .any(|child| child.name == "deny" && child.has("all"));
    let mut networks = Vec::new();
    for child in children {
        let help = "limit a route to `networks`";
        match child.name.as_str() {
            "allow" | "deny" if !is_closed => {
                ledger.left(child.number, "networks are let in, none is kept out", help);
            }
            "allow" => {
                ledger.left(child.number, "the homeserver is open to everyone", help);
                networks.push((child.number, child.argument(0).to_owned()));
            }
            "deny" => ledger.not_needed(child.number, "who is not in `networks` gets 404"),
            _ => {}
        }
    }
    networks
}

/// An `if` that does not send to https.
pub(super) fn conditional(directive: &Directive, ledger: &mut Ledger) {
    let answers_options =
        directive.argument(0).contains("$request_method") && directive.has("OPTIONS)");
    if answers_options {
        let why = "preflights are answered at the door, with CORS";
        ledger.not_needed(directive.number, why);
        for child in directive.children() {
            ledger.not_needed(child.number, why);
        }
        return;
    }
    let help = "write a [[routes]] for the path or the host that it is about";
    ledger.left(directive.number, "there are no conditions", help);
    for child in directive.children() {
        ledger.left(child.number, "it stands in a condition", help);
    }
}

/// Mistakes that show where requests are passed on.
fn warn_of(children: &[Directive], action: &Action, ledger: &mut Ledger) {
    if !matches!(action, Action::Pass { .. }) {
        return;
    }
    let cors = children.iter().find(|child| {
        child.name == "add_header"
            && child
                .argument(0)
                .eq_ignore_ascii_case("access-control-allow-origin")
    });
    if let Some(cors) = cors {
        let message =
            "Synapse sends CORS too, and browsers accept neither of two (client.cors.double)";
        ledger.warn(Some(cors.number), message, "here there is one");
    }
    for condition in children.iter().filter(|child| child.name == "if") {
        let is_preflight =
            condition.argument(0).contains("$request_method") && condition.has("OPTIONS)");
        if is_preflight {
            let message = "a preflight without CORS keeps web clients out (client.cors.missing)";
            ledger.warn(
                Some(condition.number),
                message,
                "here they are answered with it",
            );
        }
    }
}
