//! Every upstream of a configuration, each once, and the one of before where it stays the same.

use std::sync::Arc;

use tokio::sync::Notify;

use super::Snapshot;
use crate::config::{self, Diagnostic, Spanned, UpstreamAddress};
use crate::route::UpstreamId;
use crate::upstream::{Address, Ca, Health, Name, Tls, UnusableCa, Upstream};

/// Collects upstreams while sites are compiled.
#[derive(Default)]
pub(super) struct Upstreams {
    known: Vec<(config::Upstream, Arc<Upstream>)>,
    problems: Vec<Diagnostic>,
    /// Told of every upstream that comes back.
    returned: Arc<Notify>,
    /// Those of before that were not met again yet: of routes, and of homeservers.
    routes_before: Vec<Arc<Upstream>>,
    processes_before: Vec<Arc<Upstream>>,
}

impl Upstreams {
    /// None yet; those that `previous` has as well will be the same.
    pub(super) fn in_place_of(previous: Option<&Snapshot>) -> Self {
        let Some(previous) = previous else {
            return Self::default();
        };
        let homeservers = &previous.homeservers;
        let returned = homeservers
            .first()
            .map(|homeserver| homeserver.main().health.returned().clone());
        Self {
            returned: returned.unwrap_or_default(),
            routes_before: previous.upstreams.clone(),
            processes_before: homeservers.iter().flat_map(|h| h.upstreams()).collect(),
            ..Self::default()
        }
    }

    /// The id of a route's upstream; the same address and TLS settings give the same.
    pub(super) fn add(&mut self, written: &config::Upstream) -> UpstreamId {
        let is_same = |known: &config::Upstream| {
            *known.url == *written.url
                && known.tls_name == written.tls_name
                && known.ca.as_deref() == written.ca.as_deref()
        };
        if let Some(index) = self.known.iter().position(|(known, _)| is_same(known)) {
            return UpstreamId(index);
        }
        let upstream = self.upstream(written, None);
        let upstream = or_before(upstream, &mut self.routes_before);
        self.known.push((written.clone(), upstream));
        UpstreamId(self.known.len() - 1)
    }

    /// A process, called by its address where it has no name.
    pub(super) fn process(
        &mut self,
        written: &config::Upstream,
        name: Option<&str>,
    ) -> Arc<Upstream> {
        let upstream = self.upstream(written, name);
        or_before(upstream, &mut self.processes_before)
    }

    fn upstream(&mut self, written: &config::Upstream, name: Option<&str>) -> Upstream {
        let name = name.map_or_else(|| written.url.to_string(), str::to_owned);
        let tls = self.tls(written);
        let health = Health::new(self.returned.clone());
        Upstream::new(name.into(), address(&written.url), tls, health)
    }

    pub(super) fn into_parts(self) -> (Vec<Arc<Upstream>>, Vec<Diagnostic>) {
        let upstreams = self.known.into_iter().map(|(_, upstream)| upstream);
        (upstreams.collect(), self.problems)
    }

    fn tls(&mut self, written: &config::Upstream) -> Option<Tls> {
        let UpstreamAddress::Https { host, .. } = &*written.url else {
            return None;
        };
        let name = written.tls_name.as_ref().unwrap_or(host).as_str();
        let ca = match &written.ca {
            Some(path) => match Ca::read(path) {
                Ok(ca) => Some(ca),
                Err(problem) => {
                    self.problems.push(unusable_ca(path, &problem));
                    None
                }
            },
            None => None,
        };
        Some(Tls {
            name: name.trim_start_matches('[').trim_end_matches(']').into(),
            ca,
        })
    }
}

/// The one of before that is the same, else `upstream`.
fn or_before(upstream: Upstream, before: &mut Vec<Arc<Upstream>>) -> Arc<Upstream> {
    let same = before.iter().position(|known| known.is_same(&upstream));
    match same {
        Some(index) => before.swap_remove(index),
        None => Arc::new(upstream),
    }
}

fn address(written: &UpstreamAddress) -> Address {
    match written {
        UpstreamAddress::Unix(path) => Address::Unix(path.clone()),
        UpstreamAddress::Http { host, port } | UpstreamAddress::Https { host, port } => {
            match host.ip() {
                Some(ip) => Address::Socket((ip, *port).into()),
                None => Address::Name(Name::new(host.as_str(), *port)),
            }
        }
    }
}

fn unusable_ca(path: &Spanned<std::path::PathBuf>, problem: &UnusableCa) -> Diagnostic {
    let message = format!("{} cannot be used as a CA: {problem}", path.display());
    Diagnostic::new(message, path.span()).help("it must hold one or more certificates in PEM")
}
