//! Rules and lists that contradict each other, the sites or the listeners.

use std::collections::HashMap;

use super::{Federation, ListSource, OriginList, OriginRule, Permission, Signatures, WhenStale};
use crate::config::Config;
use crate::config::diagnostic::Diagnostic;
use crate::config::span::{Span, Spanned};
use crate::matrix::ServerName;

/// A request asks them one after the other.
const MOST_RULES: usize = 256;
/// Each is looked at by a task of its own.
const MOST_LISTS: usize = 64;

pub(in crate::config) fn problems(config: &Config, listeners_are_known: bool) -> Vec<Diagnostic> {
    let federation = &config.federation;
    let rules = federation.rules.iter();
    let names = rules.clone().map(|r| (r.name.as_str(), r.name.span()));
    let mut problems = twice(names, "rules");
    let names = federation.lists.iter();
    let names = names.map(|list| (list.name.as_str(), list.name.span()));
    problems.extend(twice(names, "lists"));
    problems.extend(too_many(federation));
    problems.extend(without_signatures(federation));
    problems.extend(never_reached(federation));
    for rule in rules {
        problems.extend(unknown_lists(rule, federation));
        problems.extend(unknown_sites(rule, config));
        if listeners_are_known {
            problems.extend(unknown_listeners(rule, config));
        }
    }
    for list in &federation.lists {
        problems.extend(without_use(list, federation));
        problems.extend(room_of_no_site(list, config));
    }
    problems
}

fn twice<'s>(names: impl Iterator<Item = (&'s str, Option<Span>)>, what: &str) -> Vec<Diagnostic> {
    let mut first: HashMap<&str, Option<Span>> = HashMap::new();
    let mut problems = Vec::new();
    for (name, span) in names {
        if let Some(earlier) = first.get(name) {
            let problem = Diagnostic::new(format!("two {what} are named \"{name}\""), span);
            let problem = problem.related(*earlier, "the first one");
            problems.push(problem.help("metrics and logs could not tell them apart: change one"));
        } else {
            first.insert(name, span);
        }
    }
    problems
}

fn too_many(federation: &Federation) -> Vec<Diagnostic> {
    let rule = federation.rules.get(MOST_RULES).map(|rule| {
        let message = format!("there are more than {MOST_RULES} rules");
        let help = "name many servers in one rule, or in a list";
        Diagnostic::new(message, rule.name.span()).help(help)
    });
    let list = federation.lists.get(MOST_LISTS).map(|list| {
        let message = format!("there are more than {MOST_LISTS} lists");
        Diagnostic::new(message, list.name.span()).help("put several into one")
    });
    rule.into_iter().chain(list).collect()
}

/// A rule that nobody could be held to.
fn without_signatures(federation: &Federation) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    if federation.signatures < Signatures::Enforce {
        let allowing = federation.rules.iter().map(|rule| &rule.action);
        for action in allowing.filter(|action| ***action == Permission::Allow) {
            let message = "a rule that allows needs proof of who asks";
            let problem = Diagnostic::new(message, action.span());
            problems.push(problem.help(
                "write signatures = \"enforce\" in [federation]: else whoever claims an allowed \
                 name would pass",
            ));
        }
    }
    if federation.signatures == Signatures::Off {
        let rules = federation.rules.iter().map(|rule| rule.name.span());
        let strangers = [&federation.strangers, &federation.ip_literals].into_iter();
        let strangers = strangers.filter(|permission| ***permission == Permission::Deny);
        let mut places = rules.chain(strangers.map(Spanned::span));
        if let Some(place) = places.next() {
            let problem = Diagnostic::new("with signatures = \"off\" no rule is asked", place);
            problems.push(problem.help("leave `signatures` out, or write \"enforce\""));
        }
    }
    problems
}

fn never_reached(federation: &Federation) -> Option<Diagnostic> {
    let rules = &federation.rules;
    let all = rules.iter().position(OriginRule::is_about_everything)?;
    let (all, next) = (rules.get(all)?, rules.get(all + 1)?);
    let problem = Diagnostic::new("this rule is never reached", next.name.span());
    Some(
        problem
            .related(all.name.span(), "this one fits everything")
            .help("the first rule that fits decides: put the one for everybody last"),
    )
}

fn unknown_lists(rule: &OriginRule, federation: &Federation) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for name in &rule.lists {
        let list = federation.lists.iter().find(|list| *list.name == **name);
        let Some(list) = list else {
            let message = format!("there is no list \"{name}\"");
            let known = federation.lists.iter().map(|list| list.name.as_str());
            let known: Vec<&str> = known.collect();
            let help = match known.as_slice() {
                [] => format!("write [[federation.lists]] with name = \"{name}\""),
                known => format!("the lists are {}", known.join(", ")),
            };
            problems.push(Diagnostic::new(message, name.span()).help(help));
            continue;
        };
        if *rule.action == Permission::Deny && list.when_stale == WhenStale::Closed {
            let message = "a rule that denies would let everybody in once this list is too old";
            let problem = Diagnostic::new(message, name.span());
            problems.push(
                problem
                    .related(list.name.span(), "when_stale = \"closed\" stands here")
                    .help("leave `when_stale` out there, or make two lists of it"),
            );
        }
    }
    problems
}

fn unknown_sites(rule: &OriginRule, config: &Config) -> Vec<Diagnostic> {
    let names = || config.sites.iter().map(|site| &*site.server_name);
    let unknown = rule
        .sites
        .iter()
        .filter(|site| !names().any(|name| *name == ***site));
    unknown
        .map(|site| {
            let known: Vec<&str> = names().map(ServerName::as_str).collect();
            let problem = Diagnostic::new(format!("there is no site \"{site}\""), site.span());
            problem.help(format!("the sites are {}", known.join(", ")))
        })
        .collect()
}

fn unknown_listeners(rule: &OriginRule, config: &Config) -> Vec<Diagnostic> {
    let listeners = config.listeners.iter();
    let federating = listeners.filter(|listener| listener.profile.takes_federation());
    let addresses: Vec<_> = federating.flat_map(|listener| &listener.address).collect();
    let mut problems = Vec::new();
    for listener in &rule.listeners {
        if !addresses.iter().any(|address| **address == *listener) {
            let message = format!("no listener on \"{listener}\" takes federation");
            let known: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let help = format!("the addresses are {}", known.join(", "));
            problems.push(Diagnostic::new(message, listener.span()).help(help));
        }
    }
    problems
}

fn without_use(list: &OriginList, federation: &Federation) -> Option<Diagnostic> {
    let mut used = federation.rules.iter().flat_map(|rule| &rule.lists);
    if used.any(|name| **name == *list.name) {
        return None;
    }
    let problem = Diagnostic::new(
        format!("no rule uses the list \"{}\"", list.name),
        list.name.span(),
    );
    Some(problem.help(format!("write lists = [\"{}\"] in a rule", list.name)))
}

fn room_of_no_site(list: &OriginList, config: &Config) -> Option<Diagnostic> {
    let ListSource::Room { room, site, .. } = &list.source else {
        return None;
    };
    let sites: Vec<&str> = config
        .sites
        .iter()
        .map(|site| site.server_name.as_str())
        .collect();
    let (message, place) = match site {
        Some(site) if sites.contains(&site.as_str()) => return None,
        Some(site) => (format!("there is no site \"{site}\""), site.span()),
        None if sites.len() < 2 => return None,
        None => (
            "which homeserver is asked for this room?".to_owned(),
            room.span(),
        ),
    };
    let help = format!("write site = \"...\", one of {}", sites.join(", "));
    Some(Diagnostic::new(message, place).help(help))
}
