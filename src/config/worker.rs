//! Synapse's worker processes, and what one of them takes at a time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::section::Section;
use super::span::Spanned;
use super::upstream::Upstream;
use super::value::{Count, GroupName, Timeout, UpstreamAddress, WorkerName};
use crate::matrix::worker::Group;

/// One process of Synapse beside the main one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Worker {
    /// A name that stays, as `worker_name` in the worker's configuration: which
    /// user, room or server goes to which worker follows from the names, so that
    /// several Vestibules agree on it.
    #[schemars(example = &"sync1")]
    pub name: Spanned<WorkerName>,
    /// Where it listens: an address, or a table as for `homeserver`.
    #[schemars(example = "http://127.0.0.1:8081")]
    pub upstream: Upstream,
    /// What it answers. A group without workers is answered by the next best,
    /// in the end by the main process.
    #[schemars(example = ["synchrotron", "initial_synchrotron"])]
    pub groups: Vec<Spanned<GroupName>>,
    /// Whether the name in `upstream` stands for one process or for as many as
    /// DNS names.
    pub discover: Discover,
}

/// How many processes a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Discover {
    /// One, at any of the name's addresses.
    Off,
    /// One at each address (A, or AAAA where there is no A), such as the pods of
    /// a headless Service.
    Addresses,
    /// One at each target of the name's SRV records, which also bring the port.
    Srv,
}

/// What one worker of a group takes at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GroupLimits {
    /// The group.
    #[schemars(example = &"initial_synchrotron")]
    pub name: Spanned<GroupName>,
    /// Requests of the group in progress at each of its workers. Default: 50 for
    /// `initial_synchrotron`, 10000 for `synchrotron` and `sliding_sync`, whose
    /// requests mostly wait, else 2000.
    pub max_requests: Count,
    /// Requests that wait for their turn; one more is answered 429, and 503 over
    /// federation.
    pub max_queued: Count,
    /// How long one waits. Default: 5s for the groups of `/sync`, whose clients
    /// come again, else 30s.
    pub max_wait: Timeout,
}

impl GroupLimits {
    /// What holds for a group that the configuration does not name.
    pub fn of(group: Group) -> Self {
        let is_sync = matches!(
            group,
            Group::Synchrotron | Group::InitialSynchrotron | Group::SlidingSync
        );
        let most = if group == Group::InitialSynchrotron {
            50
        } else if is_sync {
            10_000
        } else {
            2_000
        };
        Self {
            name: Spanned::new(GroupName::from(group), None),
            max_requests: Count::new(most),
            max_queued: Count::new(1_000),
            max_wait: Timeout::seconds(if is_sync { 5 } else { 30 }),
        }
    }

    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let name: Option<Spanned<GroupName>> =
            section.required("name", "name = \"initial_synchrotron\"");
        let default = Self::of(name.as_ref().map_or(Group::Main, |name| name.group()));
        let max_requests = section.or("max_requests", default.max_requests);
        let max_queued = section.or("max_queued", default.max_queued);
        let max_wait = section.or("max_wait", default.max_wait);
        section.finish();
        Some(Self {
            name: name?,
            max_requests,
            max_queued,
            max_wait,
        })
    }
}

impl Worker {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let report = section.report();
        let name = section.required("name", "name = \"sync1\"");
        let upstream = Upstream::required(
            &mut section,
            "upstream",
            "upstream = \"http://127.0.0.1:8081\"",
        );
        if !section.has("groups") {
            section.missing_key("groups", "groups = [\"synchrotron\"]");
        }
        let listed = section.place("groups");
        let groups: Vec<Spanned<GroupName>> = section.list("groups").unwrap_or_default();
        if let Some((span, 0)) = listed {
            let problem =
                Diagnostic::new("this worker has no groups: nothing goes to it", Some(span));
            report.add(problem.help("name what it answers, such as groups = [\"generic_worker\"]"));
        }
        for group in &groups {
            if group.group() == Group::Main {
                let problem = Diagnostic::new("a worker cannot be the main process", group.span());
                report.add(problem.help("the main process is `homeserver`: leave \"main\" out"));
            }
        }
        let discover: Spanned<Discover> = section.or("discover", Spanned::from(Discover::Off));
        if let Some(upstream) = &upstream
            && *discover != Discover::Off
            && !has_discoverable_name(upstream)
        {
            let message = format!("DNS cannot tell the processes at \"{}\"", upstream.url);
            let problem = Diagnostic::new(message, discover.span());
            report.add(problem.help("write http:// and a host name, or leave `discover` out"));
        }
        section.finish();
        Some(Self {
            name: name?,
            upstream: upstream?,
            groups,
            discover: *discover,
        })
    }
}

fn has_discoverable_name(upstream: &Upstream) -> bool {
    matches!(&*upstream.url, UpstreamAddress::Http { host, .. } if host.ip().is_none())
}
