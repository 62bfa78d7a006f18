//! Workers that would answer 404 or 500, and requests that nobody answers.

use crate::config::{Site, Worker};
use crate::matrix::worker::Group;
use crate::synapse::deployment::Deployment;
use crate::synapse::listener::Listener;
use crate::synapse::process::Process;
use crate::synapse::remark::Remark;
use crate::synapse::role::{Role, is_answered};
use crate::synapse::stream::{MAIN, STREAMS, fails_elsewhere, shown};
use crate::synapse::workers::{missing, plain};

pub(super) fn lint(deployment: &Deployment, site: &Site) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let known: Vec<_> = site
        .workers
        .iter()
        .map(|worker| (worker, process_of(worker, deployment)))
        .collect();
    for (worker, process) in &known {
        match process {
            Some(process) => remarks.extend(of_worker(worker, process, deployment)),
            None => remarks.push(
                Remark::warning(format!(
                    "none of Synapse's files is of worker \"{}\"",
                    worker.name
                ))
                .help("name its file as well, or take the worker out"),
            ),
        }
    }
    let in_group = |group: Group| {
        let of_group = known.iter().filter(move |(worker, _)| is_in(worker, group));
        let names =
            of_group.map(|(worker, process)| process.map_or(worker.name.as_str(), |one| &one.name));
        names.collect::<Vec<_>>()
    };
    remarks.extend(
        STREAMS
            .into_iter()
            .filter_map(|stream| unserved(stream, &in_group(stream), deployment)),
    );
    remarks.extend(without_media(deployment, &in_group(Group::MediaRepository)));
    let used: Vec<&str> = known
        .iter()
        .filter_map(|(_, process)| Some(&*(*process)?.name))
        .collect();
    let idle = deployment
        .workers
        .iter()
        .filter(|worker| !used.contains(&&*worker.name));
    remarks.extend(idle.filter_map(|worker| idle_worker(worker, deployment)));
    remarks
}

/// The process that a worker of the configuration is: by its name, else by its
/// address where that is one process's alone.
fn process_of<'d>(worker: &Worker, deployment: &'d Deployment) -> Option<&'d Process> {
    let mut named = deployment.workers.iter();
    let named = named.find(|process| plain(&process.name) == worker.name.as_str());
    named.or_else(|| {
        let is_there = |process: &&Process| {
            let mut listeners = process.listeners.iter();
            listeners.any(|listener| listener.is_at(&worker.upstream.url))
        };
        let mut there = deployment.workers.iter().filter(is_there);
        let first = there.next();
        first.filter(|_| there.next().is_none())
    })
}

fn is_in(worker: &Worker, group: Group) -> bool {
    worker.groups.iter().any(|name| name.group() == group)
}

fn of_worker(worker: &Worker, process: &Process, deployment: &Deployment) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let there = &*worker.upstream.url;
    let mut listeners = process.listeners.iter();
    let listener = listeners.find(|listener| listener.is_at(there));
    if listener.is_none() {
        let message = format!("{} does not listen at {there}", process.shown());
        let help = "check `upstream`, unless the port is mapped between here and there";
        remarks.push(Remark::warning(message).help(help));
    }
    let Some(listener) = listener.or_else(|| process.front()) else {
        let message = format!(
            "{} listens for no requests, and answers none",
            process.shown()
        );
        remarks.push(Remark::problem(message).help("take the worker out"));
        return remarks;
    };
    for group in worker.groups.iter().map(|name| name.group()) {
        remarks.extend(unanswered(process, listener, group));
        remarks.extend(not_written(process, group, deployment));
    }
    remarks
}

/// A group whose requests end in 404, because the process does not know their paths.
fn unanswered(process: &Process, listener: &Listener, group: Group) -> Option<Remark> {
    if is_answered(process, listener, group) {
        return None;
    }
    let file = &process.file;
    let needs_media = matches!(
        group,
        Group::MediaRepository | Group::QuarantinedMediaChanges
    );
    let (reason, help) = if needs_media && !process.has_media_repository {
        let help = format!("write enable_media_repo: true in {file}");
        ("its media repository is off".to_owned(), help)
    } else {
        let missing = missing(process, listener, group);
        let reason = format!("it has no {missing} on {}", listener.place);
        (
            reason,
            format!("add it to the `resources` of that listener in {file}"),
        )
    };
    let message = format!("{} answers 404 for {group}: {reason}", process.shown());
    Some(Remark::problem(message).help(format!("{help}, or take the group from the worker")))
}

/// A stream whose requests end in 500, because another process writes it.
fn not_written(process: &Process, stream: Group, deployment: &Deployment) -> Option<Remark> {
    if !STREAMS.contains(&stream) || deployment.writers.has(stream, &process.name) {
        return None;
    }
    let writers = shown(&deployment.writers.of(stream));
    let help = format!("name it in stream_writers.{stream}, or take the group from the worker");
    let process = process.shown();
    Some(if fails_elsewhere(stream) {
        Remark::problem(format!(
            "{process} answers 500 for {stream}, which {writers} writes"
        ))
        .help(help)
    } else {
        Remark::warning(format!(
            "{process} does not write {stream}, and asks {writers}"
        ))
        .help(help)
    })
}

/// A stream whose writers get no requests.
fn unserved(stream: Group, served: &[&str], deployment: &Deployment) -> Option<Remark> {
    let writers = deployment.writers.of(stream);
    let idle: Vec<&str> = writers
        .iter()
        .copied()
        .filter(|name| *name != MAIN && !served.contains(name))
        .collect();
    if idle.is_empty() {
        return None;
    }
    let names = shown(&idle);
    let help = format!("add {stream} to the `groups` of {names}");
    let is_lost = served.is_empty() && fails_elsewhere(stream) && !writers.contains(&MAIN);
    Some(if is_lost {
        let message = format!(
            "nobody answers for {stream}: {names} writes it, and no worker of the configuration is that"
        );
        Remark::problem(message).help(help)
    } else {
        Remark::warning(format!(
            "{names} writes {stream}, and gets none of its requests"
        ))
        .help(help)
    })
}

fn without_media(deployment: &Deployment, served: &[&str]) -> Option<Remark> {
    if deployment.main.has_media_repository || !served.is_empty() {
        return None;
    }
    let message =
        "nobody answers for media_repository: the main process has enable_media_repo: false";
    let help = "name a worker with enable_media_repo: true and a media resource";
    Some(Remark::problem(message).help(help))
}

/// A worker of Synapse that could answer, and is not asked.
fn idle_worker(worker: &Process, deployment: &Deployment) -> Option<Remark> {
    let role = Role::of(worker, worker.front()?, deployment);
    let groups: Vec<&str> = role.groups.iter().map(|group| group.as_str()).collect();
    let message = format!(
        "{} could answer for {}, and gets no requests",
        worker.shown(),
        groups.join(", ")
    );
    let help = "add it to [[workers]]";
    (!groups.is_empty()).then(|| Remark::warning(message).help(help))
}
