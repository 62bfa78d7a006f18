//! Where the keys of a site and Synapse's disagree, and what of the main process
//! cannot be reached.

use crate::config::{ByteSize, Config, Site};
use crate::matrix::worker::Group;
use crate::synapse::deployment::Deployment;
use crate::synapse::listener::{Place, Resource};
use crate::synapse::remark::Remark;

pub(super) fn lint(deployment: &Deployment, site: &Site) -> Vec<Remark> {
    let mut remarks = main(deployment, site);
    remarks.extend(sizes(deployment, site));
    remarks.extend(public_baseurl(deployment, site));
    remarks.extend(mas(deployment, site));
    remarks
}

fn main(deployment: &Deployment, site: &Site) -> Vec<Remark> {
    let process = &deployment.main;
    let mut remarks = Vec::new();
    let there = &*site.homeserver.url;
    let mut listeners = process.listeners.iter();
    let listener = listeners.find(|listener| listener.is_at(there));
    if listener.is_none() {
        let message = format!("the main process does not listen at {there}");
        let help = "check `homeserver`, unless the port is mapped between here and there";
        remarks.push(Remark::warning(message).help(help));
    }
    let Some(listener) = listener.or_else(|| process.front()) else {
        return remarks;
    };
    for (resource, what, has_workers) in [
        (Resource::Client, "client requests", false),
        (
            Resource::Federation,
            "other servers",
            federates_by_workers(site),
        ),
    ] {
        if process.answers(listener, resource) {
            continue;
        }
        let message = format!(
            "the main process answers {what} with 404 on {}",
            listener.place
        );
        let help = format!(
            "add {} to the `resources` of that listener in {}",
            resource.as_str(),
            process.file
        );
        // Workers in front of it leave the main process for when they are away.
        let remark = if has_workers {
            Remark::warning(message)
        } else {
            Remark::problem(message)
        };
        remarks.push(remark.help(help));
    }
    remarks
}

fn federates_by_workers(site: &Site) -> bool {
    let has = |group: Group| {
        let mut groups = site.workers.iter().flat_map(|worker| &worker.groups);
        groups.any(|name| name.group() == group)
    };
    has(Group::GenericWorker) || (has(Group::FederationInbound) && has(Group::FederationReader))
}

fn sizes(deployment: &Deployment, site: &Site) -> Vec<Remark> {
    let ours = site.max_upload_size;
    let processes = deployment
        .processes()
        .filter(|process| process.has_media_repository);
    let differing = processes.filter(|process| process.max_upload_size != ours.bytes());
    let mut seen: Vec<u64> = Vec::new();
    let mut remarks = Vec::new();
    for process in differing {
        let size = process.max_upload_size;
        if seen.contains(&size) {
            continue;
        }
        seen.push(size);
        let shown = size
            .to_string()
            .parse()
            .map_or(size.to_string(), |size: ByteSize| size.to_string());
        let effect = if size < ours.bytes() {
            "larger uploads end in its refusal"
        } else {
            "larger uploads never reach it"
        };
        let message = format!(
            "`max_upload_size` is {ours} here and {shown} at {}: {effect}",
            process.shown()
        );
        remarks.push(Remark::problem(message).help("write the same in both"));
    }
    remarks
}

fn public_baseurl(deployment: &Deployment, site: &Site) -> Vec<Remark> {
    let (Some(url), Some(host)) = (&deployment.public_baseurl, deployment.public_host()) else {
        return Vec::new();
    };
    let mut remarks = Vec::new();
    if !site.all_hosts().any(|served| served == host) {
        let message = format!("public_baseurl is {url}, and the site answers for no {host}");
        let help = format!("add \"{host}\" to `hosts`, or change public_baseurl");
        remarks.push(Remark::problem(message).help(help));
    }
    let told = &site.well_known.client.base_url;
    if told.as_str().trim_end_matches('/') != url.as_str() {
        let message = format!(
            "clients are told {told}, and public_baseurl is {url}: single sign-on may loop"
        );
        let help = "write the same in well_known.client.base_url";
        remarks.push(Remark::warning(message).help(help));
    }
    remarks
}

fn mas(deployment: &Deployment, site: &Site) -> Option<Remark> {
    match (&deployment.mas, &site.mas) {
        (Some(_), None) => Some(
            Remark::problem(
                "Synapse leaves login to an authentication service, and no `mas` is written: \
                 older clients cannot log in",
            )
            .help("write its address as `mas`"),
        ),
        (None, Some(mas)) => Some(
            Remark::problem(format!(
                "login goes to {}, and Synapse knows of no authentication service",
                mas.url
            ))
            .help("leave `mas` out, or enable matrix_authentication_service"),
        ),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

/// Ports that both want, on one machine.
pub(super) fn taken_ports(deployment: &Deployment, config: &Config) -> Vec<Remark> {
    let ours = config
        .listeners
        .iter()
        .flat_map(|listener| &listener.address);
    let ours: Vec<u16> = ours.filter_map(|address| address.port()).collect();
    let listeners = deployment.processes().flat_map(|process| {
        process
            .listeners
            .iter()
            .map(move |listener| (process, listener))
    });
    let taken = listeners.filter_map(|(process, listener)| match &listener.place {
        Place::Port { port, .. } if ours.contains(port) => Some((process, *port)),
        Place::Port { .. } | Place::Socket(_) => None,
    });
    let remarks = taken.map(|(process, port)| {
        let message = format!(
            "port {port} is wanted by Vestibule and by {}",
            process.shown()
        );
        let help = format!(
            "give its listener in {} another, unless they run on two machines",
            process.file
        );
        Remark::warning(message).help(help)
    });
    remarks.collect()
}
