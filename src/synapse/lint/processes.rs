//! What is wrong with Synapse's files alone.

use crate::matrix::worker::Group;
use crate::synapse::deployment::Deployment;
use crate::synapse::listener::{Listener, Resource};
use crate::synapse::process::Process;
use crate::synapse::remark::Remark;
use crate::synapse::stream::{MAIN, STREAMS};

/// The field that we send a request's id in.
const REQUEST_ID: &str = "X-Request-Id";

pub(super) fn lint(deployment: &Deployment) -> Vec<Remark> {
    let mut remarks = unmapped_writers(deployment);
    remarks.extend(
        STREAMS
            .into_iter()
            .filter_map(|stream| too_many(deployment, stream)),
    );
    remarks.extend(open_listeners(deployment));
    remarks.extend(open_replication(deployment));
    remarks.extend(without_quarantine(deployment));
    remarks.extend(unforwarded(deployment));
    remarks.extend(without_request_id(deployment));
    if let Some(mas) = &deployment.mas
        && mas.is_experimental
    {
        remarks.push(
            Remark::warning("experimental_features.msc3861 is refused by Synapse 1.163")
                .help("write it as matrix_authentication_service before the next upgrade"),
        );
    }
    remarks
}

/// Names in `stream_writers` that are not in `instance_map`: Synapse does not start.
fn unmapped_writers(deployment: &Deployment) -> Vec<Remark> {
    let unmapped = deployment.writers.named().filter(|(_, name)| {
        *name != MAIN && (*name == "main" || !deployment.instances.contains_key(*name))
    });
    let remarks = unmapped.map(|(stream, name)| {
        let message = format!(
            "`stream_writers` names \"{name}\" for {stream}, which `instance_map` does not have, \
             so Synapse does not start"
        );
        let help = if name == "main" {
            "the main process is called \"master\" there".to_owned()
        } else {
            format!("add \"{name}\" to `instance_map`, with the host and port of its replication listener")
        };
        Remark::problem(message).help(help)
    });
    remarks.collect()
}

/// A stream that only one process may write, and several do.
fn too_many(deployment: &Deployment, stream: Group) -> Option<Remark> {
    let writers = deployment.writers.of(stream);
    let is_wrong = writers.is_empty() || (stream.is_single() && writers.len() > 1);
    let message = format!(
        "`stream_writers` names {} processes for {stream}, so Synapse does not start",
        writers.len()
    );
    let help = if stream.is_single() {
        "name one"
    } else {
        "name at least one"
    };
    is_wrong.then(|| Remark::problem(message).help(help))
}

/// Listeners where requests come past us.
fn open_listeners(deployment: &Deployment) -> Option<Remark> {
    let is_for_requests = |listener: &Listener| listener.usefulness() > 0;
    let open = open(deployment, is_for_requests)?;
    let message = format!("requests can come past Vestibule, on every address of {open}");
    let help =
        "write bind_addresses: ['127.0.0.1'] or a unix socket, unless only a container is meant";
    Some(Remark::warning(message).help(help))
}

/// Listeners with which anything can be done.
fn open_replication(deployment: &Deployment) -> Option<Remark> {
    let open = open(deployment, |listener| listener.has(Resource::Replication))?;
    let message =
        format!("who reaches replication can do anything, and it is on every address of {open}");
    let help = "write an address that only the other processes reach";
    Some(Remark::warning(message).help(help))
}

/// The open listeners that are such; `None` where there are none.
fn open(deployment: &Deployment, is_such: impl Fn(&Listener) -> bool) -> Option<String> {
    let shown = deployment.processes().filter_map(|process| {
        let open = process
            .listeners
            .iter()
            .filter(|one| one.is_open() && is_such(one));
        let places: Vec<String> = open.map(|listener| listener.place.to_string()).collect();
        (!places.is_empty()).then(|| format!("{} ({})", process.shown_in_list(), places.join(", ")))
    });
    let shown: Vec<String> = shown.collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}

/// A writer of quarantine that has no media to put there.
fn without_quarantine(deployment: &Deployment) -> Option<Remark> {
    let stream = Group::QuarantinedMediaChanges;
    let mut writers = deployment
        .processes()
        .filter(|one| deployment.writers.has(stream, &one.name));
    let without = writers.find(|process| !process.has_media_repository)?;
    let message = format!(
        "media cannot be quarantined: {} writes {stream}, and has no media repository",
        without.shown()
    );
    let help = format!("name a media worker in stream_writers.{stream}");
    Some(Remark::warning(message).help(help))
}

/// Processes that take us for the client of every request.
fn unforwarded(deployment: &Deployment) -> Option<Remark> {
    let names = fronts(deployment, |listener| !listener.is_forwarded)?;
    let message = format!("the addresses of clients are lost, for logs and for limits, at {names}");
    let help = "write x_forwarded: true at their listeners";
    Some(Remark::problem(message).help(help))
}

/// Processes whose log does not have the ids that ours has.
fn without_request_id(deployment: &Deployment) -> Option<Remark> {
    let names = fronts(deployment, |listener| {
        let header = listener.request_id_header.as_deref();
        !header.is_some_and(|header| header.eq_ignore_ascii_case(REQUEST_ID))
    })?;
    let message = format!("a request has an id of its own in the log of {names}");
    let help = format!("write request_id_header: {REQUEST_ID} at their listeners");
    Some(Remark::warning(message).help(help))
}

/// The processes whose listener for requests is such; `None` where there are none.
fn fronts(deployment: &Deployment, is_such: impl Fn(&Listener) -> bool) -> Option<String> {
    let such = deployment
        .processes()
        .filter(|process| process.front().is_some_and(&is_such));
    let shown: Vec<String> = such.map(Process::shown_in_list).collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}
