//! Workers that get in each other's way.

use std::collections::HashMap;

use super::diagnostic::Diagnostic;
use super::site::Site;
use super::span::{Span, Spanned};
use super::value::GroupName;
use super::worker::Worker;

pub(super) fn problems(site: &Site) -> Vec<Diagnostic> {
    let names = site.workers.iter().map(|worker| &worker.name);
    let names = names.map(|name| (name.as_str(), name.span()));
    let mut problems = twice(
        names,
        "workers",
        "each name stands for one process: change one",
    );
    let groups = site.groups.iter().map(|limits| &limits.name);
    let groups = groups.map(|name| (name.group().as_str(), name.span()));
    problems.extend(twice(
        groups,
        "[[groups]]",
        "write the limits of a group in one place",
    ));
    problems.extend(site.workers.iter().filter_map(group_twice));
    let members = members(site);
    problems.extend(members.iter().filter_map(|members| too_many(members)));
    problems.extend(members.iter().filter_map(|members| same_address(members)));
    problems
}

/// A worker of a group, and where the group is named.
type Member<'s> = (&'s Worker, &'s Spanned<GroupName>);

/// The workers of each group that has any, in the order of the text.
fn members(site: &Site) -> Vec<Vec<Member<'_>>> {
    let mut groups: Vec<Vec<Member<'_>>> = Vec::new();
    let all = site
        .workers
        .iter()
        .flat_map(|worker| worker.groups.iter().map(move |group| (worker, group)));
    for (worker, group) in all {
        let known = groups
            .iter_mut()
            .find(|members| members.iter().any(|(_, one)| *one == group));
        match known {
            // Named twice by one worker, which is reported by itself.
            Some(members) if members.iter().any(|(one, _)| one.name == worker.name) => {}
            Some(members) => members.push((worker, group)),
            None => groups.push(vec![(worker, group)]),
        }
    }
    groups
}

fn twice<'s>(
    names: impl Iterator<Item = (&'s str, Option<Span>)>,
    what: &str,
    help: &str,
) -> Vec<Diagnostic> {
    let mut first: HashMap<&str, Option<Span>> = HashMap::new();
    let mut problems = Vec::new();
    for (name, span) in names {
        if let Some(earlier) = first.get(name) {
            let problem = Diagnostic::new(format!("two {what} are named \"{name}\""), span);
            problems.push(problem.related(*earlier, "the first one").help(help));
        } else {
            first.insert(name, span);
        }
    }
    problems
}

fn group_twice(worker: &Worker) -> Option<Diagnostic> {
    let mut groups = worker.groups.iter().enumerate();
    let (_, again) = groups.find(|(index, group)| {
        let mut earlier = worker.groups.iter().take(*index);
        earlier.any(|one| one == *group)
    })?;
    let message = format!("worker \"{}\" names {again} twice", worker.name);
    Some(Diagnostic::new(message, again.span()).help("leave one of them out"))
}

/// Two workers where Synapse allows one.
fn too_many(members: &[Member<'_>]) -> Option<Diagnostic> {
    let [(first, place), (second, again), ..] = members else {
        return None;
    };
    if !place.group().is_single() {
        return None;
    }
    let (first, second) = (&first.name, &second.name);
    let message = format!("{again} is answered by \"{first}\" and by \"{second}\"");
    let problem = Diagnostic::new(message, again.span());
    Some(
        problem
            .related(place.span(), "the first one")
            .help("only one process of Synapse can: take the group from the other"),
    )
}

/// A group of several workers that are all one process.
fn same_address(members: &[Member<'_>]) -> Option<Diagnostic> {
    let ((first, group), others) = members.split_first()?;
    let (second, _) = others.first()?;
    let is_same = |member: &Member<'_>| *member.0.upstream.url == *first.upstream.url;
    if !others.iter().all(is_same) {
        return None;
    }
    let message = format!("all workers of {group} are at \"{}\"", first.upstream.url);
    let problem = Diagnostic::new(message, second.upstream.url.span());
    Some(
        problem
            .related(first.upstream.url.span(), "the first one")
            .help("each process listens at an address of its own: change one, or leave one worker"),
    )
}
