//! Which workers stand in a configuration, and with which groups.

use std::collections::BTreeSet;

use super::address::Address;
use super::deployment::Deployment;
use super::listener::{Listener, Resource, needed};
use super::process::Process;
use super::remark::Remark;
use super::role::{Role, duty};
use super::stream::{MAIN, fails_elsewhere, shown as shown_writers};
use crate::config::UpstreamAddress;
use crate::matrix::worker::Group;

/// The longest name that a worker may have in a configuration.
const LONGEST_NAME: usize = 64;

/// A worker as it stands in a configuration.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) process: &'a Process,
    pub(super) name: String,
    pub(super) address: Address,
    pub(super) groups: BTreeSet<Group>,
}

/// The workers that requests go to, in the order of their names.
pub(super) fn entries<'a>(
    deployment: &'a Deployment,
    main: &UpstreamAddress,
    remarks: &mut Vec<Remark>,
) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = Vec::new();
    for worker in &deployment.workers {
        match entry(worker, deployment, main, &entries) {
            Ok((entry, said)) => {
                entries.push(entry);
                remarks.extend(said);
            }
            Err(said) => remarks.extend(said),
        }
    }
    remarks.extend(take_transactions(deployment, &mut entries));
    entries
}

/// Has the readers of federation take its transactions too, where nobody else
/// would: neither a worker, nor the main process, which only has client requests
/// at its address.
fn take_transactions(deployment: &Deployment, entries: &mut [Entry<'_>]) -> Option<Remark> {
    let main = deployment.main.front()?;
    let takes = |entry: &Entry<'_>| {
        [Group::FederationInbound, Group::GenericWorker]
            .iter()
            .any(|one| entry.groups.contains(one))
    };
    if main.has(Resource::Federation) || entries.iter().any(takes) {
        return None;
    }
    let readers = entries
        .iter_mut()
        .filter(|entry| entry.groups.contains(&Group::FederationReader));
    let count = readers
        .map(|entry| entry.groups.insert(Group::FederationInbound))
        .count();
    let message = "federation_inbound goes to the readers of federation, because the main \
                   process takes no federation at its address";
    (count > 0).then(|| Remark::warning(message))
}

fn entry<'a>(
    worker: &'a Process,
    deployment: &'a Deployment,
    main: &UpstreamAddress,
    earlier: &[Entry<'a>],
) -> Result<(Entry<'a>, Vec<Remark>), Vec<Remark>> {
    let Some(listener) = worker.front() else {
        return Err(vec![without_requests(worker, deployment)]);
    };
    let shown = worker.shown();
    let mut role = Role::of(worker, listener, deployment);
    let mut said = of_role(worker, listener, &role, deployment);
    for taken in earlier {
        let twice = role
            .groups
            .iter()
            .filter(|group| group.is_single() && taken.groups.contains(group));
        let twice: Vec<Group> = twice.copied().collect();
        for group in twice {
            role.groups.remove(&group);
            said.push(Remark::left(format!(
                "{shown}: {group}, for which {} stands already; Synapse allows one",
                taken.process.shown()
            )));
        }
    }
    if role.groups.is_empty() {
        said.push(without_requests(worker, deployment));
        return Err(said);
    }
    let Some(address) = Address::of(worker, listener, deployment) else {
        let message = format!("{shown}: its address is none that requests can be sent to");
        said.push(
            Remark::left(message).help("add it with a host name of letters, digits and \"-\""),
        );
        return Err(said);
    };
    let others = earlier
        .iter()
        .map(|other| (&other.address.upstream, other.process));
    let mut others = others.chain([(main, &deployment.main)]);
    if let Some((upstream, other)) = others.find(|(upstream, _)| **upstream == address.upstream) {
        let other = other.shown();
        let message = format!("{shown}: {upstream} would be its address, and is that of {other}");
        let help = "add it by hand: they cannot both listen there";
        said.push(Remark::problem(message).help(help));
        return Err(said);
    }
    let names: Vec<&str> = earlier.iter().map(|entry| &*entry.name).collect();
    let name = name(&worker.name, &names);
    if name != worker.name {
        let message = format!(
            "{shown} is called \"{name}\": letters, digits, \"-\", \"_\" and \".\" may be in a name"
        );
        said.push(Remark::warning(message));
    }
    let entry = Entry {
        process: worker,
        name,
        address,
        groups: role.groups,
    };
    Ok((entry, said))
}

fn of_role(
    worker: &Process,
    listener: &Listener,
    role: &Role,
    deployment: &Deployment,
) -> Vec<Remark> {
    let shown = worker.shown();
    let place = &listener.place;
    let mut said = Vec::new();
    for group in &role.without_resource {
        let missing = missing(worker, listener, *group);
        let message = format!("{shown}: {group}, because on {place} it has no {missing}");
        let help = format!(
            "add it to the `resources` in {} and import again",
            worker.file
        );
        said.push(Remark::left(message).help(help));
    }
    for stream in &role.not_written {
        let writers = shown_writers(&deployment.writers.of(*stream));
        let message = format!("{shown} is named after {stream}, which {writers} writes");
        said.push(Remark::warning(message).help("check `stream_writers`"));
    }
    if role.is_guess {
        let groups: Vec<&str> = role.groups.iter().map(|group| group.as_str()).collect();
        let message = format!(
            "{shown}: neither its name nor `stream_writers` tells what it is for: {}",
            groups.join(", ")
        );
        let help = "name other `groups` to keep it for them, such as synchrotron";
        said.push(Remark::warning(message).help(help));
    }
    let others = worker
        .listeners
        .iter()
        .filter(|other| other.usefulness() > 0 && !std::ptr::eq(*other, listener));
    said.extend(others.map(|other| {
        Remark::left(format!(
            "{shown}: its listener on {}, beside {place}",
            other.place
        ))
        .help("each process is reached at one address: join their `resources`")
    }));
    said
}

/// Why nothing is sent to a worker.
fn without_requests(worker: &Process, deployment: &Deployment) -> Remark {
    let shown = worker.shown();
    let reason = match duty(worker, deployment) {
        Some(duty) => format!("it {duty}"),
        None if worker.front().is_some() => "no group is left for it".to_owned(),
        None => "it listens for no client, federation or media requests".to_owned(),
    };
    Remark::left(format!("{shown}: no requests go there, {reason}"))
}

/// What a listener lacks for a group.
pub(super) fn missing(process: &Process, listener: &Listener, group: Group) -> String {
    let missing = needed(group)
        .iter()
        .filter(|one| !process.answers(listener, **one));
    let missing: Vec<&str> = missing.map(|resource| resource.as_str()).collect();
    missing.join(" and ")
}

/// Whether the main process answers for a group that no worker is in.
pub(super) fn is_answered_by_main(deployment: &Deployment, group: Group) -> bool {
    let needs_media = needed(group).contains(&Resource::Media);
    if needs_media && !deployment.main.has_media_repository {
        return false;
    }
    !fails_elsewhere(group) || deployment.writers.has(group, MAIN)
}

/// The name of a worker as a configuration may write it, none of `taken`.
fn name(written: &str, taken: &[&str]) -> String {
    let name = plain(written);
    let numbered = (2..).map(|number| format!("{name:.60}_{number}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    names
        .find(|name| !taken.contains(&&**name))
        .unwrap_or_default()
}

/// A name with what a configuration does not allow in it replaced.
pub(super) fn plain(written: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name = written.chars().take(LONGEST_NAME);
    let name: String = name.map(|c| if is_plain(c) { c } else { '_' }).collect();
    if name == Group::Main.as_str() || name.is_empty() {
        return format!("{name}_");
    }
    name
}
