//! What a worker answers: told by the streams it writes, by its name, and by
//! what it listens for.

use std::collections::BTreeSet;

use super::deployment::Deployment;
use super::listener::{Listener, Resource, needed};
use super::process::Process;
use super::stream::STREAMS;
use crate::matrix::worker::Group;

/// What a name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// It answers for a group.
    Group(Group),
    /// It answers nothing, but has a duty.
    Duty(&'static str),
}

/// Words in the names of workers, as Synapse's own container, its documents,
/// ess-helm and matrix-docker-ansible-deploy write them. The first that fits
/// counts, so longer ones stand first.
const WORDS: [(&[&str], Meaning); 26] = [
    (
        &["initial", "synchrotron"],
        Meaning::Group(Group::InitialSynchrotron),
    ),
    (
        &["initial", "sync"],
        Meaning::Group(Group::InitialSynchrotron),
    ),
    (&["sliding", "sync"], Meaning::Group(Group::SlidingSync)),
    (&["synchrotron"], Meaning::Group(Group::Synchrotron)),
    (&["sync"], Meaning::Group(Group::Synchrotron)),
    (
        &["federation", "inbound"],
        Meaning::Group(Group::FederationInbound),
    ),
    (
        &["federation", "receiver"],
        Meaning::Group(Group::FederationInbound),
    ),
    (
        &["federation", "reader"],
        Meaning::Group(Group::FederationReader),
    ),
    (
        &["federation", "sender"],
        Meaning::Duty("sends to other servers"),
    ),
    (&["client", "reader"], Meaning::Group(Group::ClientReader)),
    (&["sso", "login"], Meaning::Group(Group::SsoLogin)),
    (&["sso"], Meaning::Group(Group::SsoLogin)),
    (&["login"], Meaning::Group(Group::Login)),
    (&["event", "creator"], Meaning::Group(Group::EventCreator)),
    (&["room", "worker"], Meaning::Group(Group::EventCreator)),
    (&["user", "dir"], Meaning::Group(Group::UserDir)),
    (&["user", "directory"], Meaning::Group(Group::UserDir)),
    (
        &["media", "repository"],
        Meaning::Group(Group::MediaRepository),
    ),
    (&["media"], Meaning::Group(Group::MediaRepository)),
    (&["generic"], Meaning::Group(Group::GenericWorker)),
    (&["pusher"], Meaning::Duty("pushes notifications")),
    (
        &["appservice"],
        Meaning::Duty("notifies application services"),
    ),
    (&["background"], Meaning::Duty("runs background tasks")),
    (&["event", "persister"], Meaning::Duty("persists events")),
    (&["stream", "writer"], Meaning::Duty("writes streams")),
    (
        &["mas", "helper"],
        Meaning::Duty("answers the authentication service"),
    ),
];

/// What to do with a worker.
#[derive(Debug, Default)]
pub(super) struct Role {
    /// The groups it answers for.
    pub(super) groups: BTreeSet<Group>,
    /// Groups that its name tells, and that it cannot answer: the resource is missing.
    pub(super) without_resource: BTreeSet<Group>,
    /// Streams that its name tells, and that others write.
    pub(super) not_written: BTreeSet<Group>,
    /// Whether nothing told what it is for.
    pub(super) is_guess: bool,
}

impl Role {
    /// What `worker` does with the requests that come to `listener`.
    pub(super) fn of(worker: &Process, listener: &Listener, deployment: &Deployment) -> Self {
        let mut told: BTreeSet<Group> = deployment.writers.written_by(&worker.name).collect();
        told.extend(meanings_of(worker).filter_map(|meaning| match meaning {
            Meaning::Group(group) => Some(group),
            Meaning::Duty(_) => None,
        }));
        if deployment.user_directory.as_deref() == Some(&*worker.name) {
            told.insert(Group::UserDir);
        }
        let has_media = listener.has(Resource::Media) && worker.has_media_repository;
        if has_media || deployment.media_jobs.as_deref() == Some(&*worker.name) {
            told.insert(Group::MediaRepository);
        }
        let not_written = streams_in(&words(&worker.name))
            .filter(|stream| !told.contains(stream))
            .collect();
        let answers = |group: &Group| is_answered(worker, listener, *group);
        let (groups, without_resource) = told.iter().copied().partition(answers);
        let mut role = Self {
            groups,
            without_resource,
            not_written,
            is_guess: false,
        };
        let has_duty = duty(worker, deployment).is_some();
        if told.is_empty() && !has_duty {
            role.is_guess = true;
            role.groups = all_that(listener);
        }
        role
    }
}

/// Whether the listener has all that the requests of a group need.
pub(super) fn is_answered(process: &Process, listener: &Listener, group: Group) -> bool {
    let mut needed = needed(group).iter();
    needed.all(|resource| process.answers(listener, *resource))
}

/// What a worker does that no request asks for.
pub(super) fn duty(worker: &Process, deployment: &Deployment) -> Option<&'static str> {
    let mut duties = deployment.duties.iter();
    if let Some((_, duty)) = duties.find(|(name, _)| *name == worker.name) {
        return Some(duty);
    }
    if deployment.writers.persists_events(&worker.name) {
        return Some("persists events");
    }
    meanings_of(worker).find_map(|meaning| match meaning {
        Meaning::Duty(duty) => Some(duty),
        Meaning::Group(_) => None,
    })
}

/// What the name of a worker and its application say.
fn meanings_of(worker: &Process) -> impl Iterator<Item = Meaning> {
    let name = meanings(&words(&worker.name)).into_iter();
    name.chain(meanings(&words(&worker.app)))
}

/// The groups of a worker of which only the listener is known.
fn all_that(listener: &Listener) -> BTreeSet<Group> {
    let groups: &[Group] = match (
        listener.has(Resource::Client),
        listener.has(Resource::Federation),
    ) {
        (true, true) => &[Group::GenericWorker],
        (true, false) => &[Group::Synchrotron, Group::ClientReader, Group::EventCreator],
        (false, true) => &[Group::FederationInbound, Group::FederationReader],
        (false, false) => &[],
    };
    groups.iter().copied().collect()
}

/// `matrix-client_reader2` as matrix, client, reader.
fn words(name: &str) -> Vec<String> {
    let words = name.split(|c: char| !c.is_ascii_alphabetic());
    let words = words.filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect()
}

fn meanings(words: &[String]) -> Vec<Meaning> {
    let mut meanings = Vec::new();
    let mut rest = words;
    while let Some((_, after)) = rest.split_first() {
        let fits = |pattern: &[&str]| {
            rest.len() >= pattern.len() && pattern.iter().zip(rest).all(|(one, word)| one == word)
        };
        match WORDS.iter().find(|(pattern, _)| fits(pattern)) {
            Some((pattern, meaning)) => {
                meanings.push(*meaning);
                rest = rest.get(pattern.len()..).unwrap_or_default();
            }
            None => rest = after,
        }
    }
    meanings
}

/// The streams that a name tells, such as `to_device1`.
fn streams_in(words: &[String]) -> impl Iterator<Item = Group> {
    let joined = format!("_{}_", words.join("_"));
    let streams = STREAMS.into_iter();
    streams.filter(move |stream| joined.contains(&format!("_{stream}_")))
}
