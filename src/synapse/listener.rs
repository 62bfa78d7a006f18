//! Where a process of Synapse listens, and for what.

use std::collections::BTreeSet;
use std::fmt;

use super::node::Node;
use crate::config::UpstreamAddress;
use crate::matrix::worker::Group;

macro_rules! resources {
    ($($variant:ident = $name:literal,)+) => {
        /// What a listener answers (`resources`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Resource { $($variant,)+ }

        impl Resource {
            const ALL: &[Self] = &[$(Self::$variant,)+];

            pub(super) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

resources! {
    Client = "client",
    Consent = "consent",
    Federation = "federation",
    Health = "health",
    Keys = "keys",
    Media = "media",
    Metrics = "metrics",
    Openid = "openid",
    Replication = "replication",
    Static = "static",
}

/// What requests from outside need, of which a listener should have as much as possible.
const FOR_REQUESTS: [Resource; 3] = [Resource::Client, Resource::Federation, Resource::Media];

/// Where a listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A port on some addresses; on all where none is named.
    Port { port: u16, addresses: Vec<String> },
    /// A unix socket.
    Socket(String),
}

/// A listener for HTTP.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) place: Place,
    pub(super) is_tls: bool,
    pub(super) is_forwarded: bool,
    pub(super) request_id_header: Option<String>,
    pub(super) resources: BTreeSet<Resource>,
}

impl Listener {
    /// Reads one of `listeners` or `worker_listeners`; `None` where it is not for
    /// HTTP, or faulty.
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        let kind = node.key("type");
        if !kind.is_written() {
            return node.fault("this listener has no `type`", "write type: http");
        }
        if kind.text()? != "http" {
            return None;
        }
        let (port, path) = (node.key("port"), node.key("path"));
        let place = match (port.is_written(), path.is_written()) {
            (true, false) => Place::Port {
                port: port.port()?,
                addresses: addresses(node),
            },
            (false, true) => Place::Socket(absolute(&path)?),
            (both, _) => {
                let message = if both {
                    "both `port` and `path`"
                } else {
                    "neither `port` nor `path`"
                };
                let message = format!("this listener has {message}");
                return node.fault(message, "write one of them");
            }
        };
        let is_socket = matches!(place, Place::Socket(_));
        let names = node.key("resources").list();
        let names = names
            .iter()
            .flat_map(|part| part.key("names").one_or_list());
        Some(Self {
            place,
            is_tls: node.key("tls").flag().unwrap_or(false),
            is_forwarded: node.key("x_forwarded").flag().unwrap_or(is_socket),
            request_id_header: node.key("request_id_header").text().map(str::to_owned),
            resources: names.filter_map(|name| resource(&name)).collect(),
        })
    }

    pub(super) fn has(&self, resource: Resource) -> bool {
        self.resources.contains(&resource)
    }

    /// How much of what requests need is here.
    pub(super) fn usefulness(&self) -> usize {
        FOR_REQUESTS.iter().filter(|one| self.has(**one)).count()
    }

    /// Whether every machine that reaches this one reaches it.
    pub(super) fn is_open(&self) -> bool {
        match &self.place {
            Place::Port { addresses, .. } => {
                addresses.is_empty() || addresses.iter().any(|address| is_any(address))
            }
            Place::Socket(_) => false,
        }
    }

    /// Whether requests to `upstream` come here, as far as port and path tell.
    pub(super) fn is_at(&self, upstream: &UpstreamAddress) -> bool {
        match (&self.place, upstream) {
            (
                Place::Port { port, .. },
                UpstreamAddress::Http { port: there, .. }
                | UpstreamAddress::Https { port: there, .. },
            ) => port == there,
            (Place::Socket(path), UpstreamAddress::Unix(there)) => {
                there.as_os_str() == path.as_str()
            }
            _ => false,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port { port, .. } => write!(f, "port {port}"),
            Self::Socket(path) => f.write_str(path),
        }
    }
}

/// An address that stands for all of them.
pub(super) fn is_any(address: &str) -> bool {
    matches!(address, "0.0.0.0" | "::" | "")
}

fn addresses(node: &Node<'_>) -> Vec<String> {
    let several = node.key("bind_addresses").texts();
    let one = node.key("bind_address").text();
    several.into_iter().chain(one).map(str::to_owned).collect()
}

fn absolute(path: &Node<'_>) -> Option<String> {
    let text = path.text()?;
    if text.starts_with('/') {
        return Some(text.to_owned());
    }
    let help =
        "write a path that begins with \"/\": a relative one depends on where Synapse was started";
    path.is_not("a whole path", help)
}

fn resource(name: &Node<'_>) -> Option<Resource> {
    let text = name.text()?;
    let found = Resource::ALL
        .iter()
        .copied()
        .find(|one| one.as_str() == text);
    found.or_else(|| {
        let all: Vec<&str> = Resource::ALL.iter().map(|one| one.as_str()).collect();
        name.is_not(
            "a resource",
            &format!("the resources are {}", all.join(", ")),
        )
    })
}

/// What a worker's listener must have for the requests of a group.
pub(super) fn needed(group: Group) -> &'static [Resource] {
    match group {
        Group::FederationInbound | Group::FederationReader => &[Resource::Federation],
        Group::Main | Group::GenericWorker => &[Resource::Client, Resource::Federation],
        Group::MediaRepository | Group::QuarantinedMediaChanges => &[Resource::Media],
        Group::Synchrotron
        | Group::InitialSynchrotron
        | Group::SlidingSync
        | Group::ClientReader
        | Group::Login
        | Group::SsoLogin
        | Group::EventCreator
        | Group::UserDir
        | Group::Typing
        | Group::ToDevice
        | Group::AccountData
        | Group::Receipts
        | Group::Presence
        | Group::PushRules
        | Group::DeviceLists
        | Group::ThreadSubscriptions => &[Resource::Client],
    }
}
