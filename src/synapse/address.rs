//! The address at which we reach a process.

use super::deployment::Deployment;
use super::listener::{Listener, Place, is_any};
use super::process::Process;
use crate::config::{Host, UpstreamAddress};

/// An address, and how sure it is.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) upstream: UpstreamAddress,
    pub(super) certainty: Certainty,
}

/// Where the host of an address is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Certainty {
    /// The listener names it, or it is a socket.
    Written,
    /// It listens on all addresses, and `instance_map` tells the host.
    Mapped,
    /// It listens on all addresses; this machine is taken.
    ThisMachine,
    /// It listens on all addresses of another machine or container, of which
    /// nothing is known: its name is taken as the host.
    Guess,
}

impl Address {
    /// Where requests for `process` go; `None` where the address is none that can
    /// be written.
    pub(super) fn of(
        process: &Process,
        listener: &Listener,
        deployment: &Deployment,
    ) -> Option<Self> {
        let (port, addresses) = match &listener.place {
            Place::Port { port, addresses } => (*port, addresses),
            Place::Socket(path) => {
                return Some(Self {
                    upstream: UpstreamAddress::Unix(path.into()),
                    certainty: Certainty::Written,
                });
            }
        };
        let (host, certainty) = host(process, addresses, deployment);
        let host: Host = bracketed(&host).parse().ok()?;
        let upstream = if listener.is_tls {
            UpstreamAddress::Https { host, port }
        } else {
            UpstreamAddress::Http { host, port }
        };
        Some(Self {
            upstream,
            certainty,
        })
    }
}

fn host(process: &Process, addresses: &[String], deployment: &Deployment) -> (String, Certainty) {
    let listens_at = |address: &str| addresses.iter().any(|one| one == address);
    let is_open = addresses.is_empty() || addresses.iter().any(|address| is_any(address));
    if !is_open {
        let loopback = ["127.0.0.1", "::1"]
            .into_iter()
            .find(|address| listens_at(address));
        let first = addresses.first().map(String::as_str);
        let written = loopback.or(first).unwrap_or("127.0.0.1");
        return (written.to_owned(), Certainty::Written);
    }
    let instance = if process.is_main() {
        "main"
    } else {
        &process.name
    };
    let mapped = deployment.instances.get(instance).and_then(Option::as_ref);
    match mapped {
        Some(host) if !is_here(host) => (host.clone(), Certainty::Mapped),
        Some(_) => ("127.0.0.1".to_owned(), Certainty::ThisMachine),
        None if process.is_main() || !is_spread(deployment) => {
            ("127.0.0.1".to_owned(), Certainty::ThisMachine)
        }
        None => beside_others(&process.name, deployment).map_or_else(
            || (process.name.replace('_', "-"), Certainty::Guess),
            |host| (host, Certainty::Mapped),
        ),
    }
}

/// Whether processes run on several machines or in several containers.
fn is_spread(deployment: &Deployment) -> bool {
    let hosts = deployment.instances.values().flatten();
    hosts.into_iter().any(|host| !is_here(host))
}

/// The host of a worker of which `instance_map` knows only others, where their
/// hosts follow from their names: `sync-0` is at `sync-0`, where `typing-0` is at
/// `typing-0`; and at `sync-0.sync.example`, where `typing-0` is at
/// `typing-0.typing.example`, as in a `StatefulSet`.
fn beside_others(name: &str, deployment: &Deployment) -> Option<String> {
    let set = |name: &str| Some(name.rsplit_once('-')?.0.to_owned());
    deployment.instances.iter().find_map(|(other, host)| {
        let rest = host.as_ref()?.strip_prefix(other.as_str())?;
        if rest.is_empty() {
            return Some(name.to_owned());
        }
        let rest = rest.strip_prefix('.')?.strip_prefix(&*set(other)?)?;
        Some(format!("{name}.{}{rest}", set(name)?))
    })
}

fn is_here(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "::1") || is_any(host)
}

/// As it stands in a URL.
fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}
