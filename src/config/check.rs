//! What can only be checked with the whole configuration at hand.

use std::collections::HashMap;

use super::diagnostic::Diagnostic;
use super::listener::Listener;
use super::route::Route;
use super::section::Report;
use super::site::Site;
use super::span::{Span, Spanned};
use super::value::{Host, ListenAddress};
use super::{AdminAddress, Config, check_workers, federation};

impl Config {
    pub(super) fn check(&self, report: &Report<'_>, listeners_are_known: bool) {
        let mut problems = self.claimed_twice();
        problems.extend(self.sites.iter().flat_map(routes_twice));
        problems.extend(self.addresses_twice());
        problems.extend(federation::problems(self, listeners_are_known));
        problems.extend(self.traffic.problems(self.federation.signatures));
        for site in &self.sites {
            problems.extend(never_asked(site));
            problems.extend(check_workers::problems(site));
            if listeners_are_known {
                problems.extend(self.impossible_delegation(site));
            }
        }
        for problem in problems {
            report.add(problem);
        }
    }

    /// Hosts that two sites want: a request could not be told to belong to one.
    fn claimed_twice(&self) -> Vec<Diagnostic> {
        let mut owners: HashMap<&str, (usize, Option<Span>)> = HashMap::new();
        let mut problems = Vec::new();
        let sites = self.sites.iter().zip(0..);
        for (host, span, index) in sites.flat_map(|(site, index)| claims(site, index)) {
            let (owner, first) = *owners.entry(host).or_insert((index, span));
            if owner != index {
                let message = format!("two sites answer for \"{host}\"");
                let problem = Diagnostic::new(message, span)
                    .related(first, "claimed here first")
                    .help("a host belongs to one site: take it from one of them");
                problems.push(problem);
            }
        }
        problems
    }

    fn addresses_twice(&self) -> Vec<Diagnostic> {
        let mut open: Vec<Opened<'_>> = Vec::new();
        let mut problems = Vec::new();
        let listeners = self.listeners.iter().flat_map(|listener| &listener.address);
        let listeners = listeners.map(|address| (&**address, address.span()));
        let admin = match &*self.admin.address {
            AdminAddress::At(address) => Some((address, self.admin.address.span())),
            AdminAddress::Off => None,
        };
        for (address, span) in listeners.chain(admin) {
            let clash = open.iter().find(|(other, _)| address.clashes_with(other));
            problems.extend(clash.map(|first| taken((address, span), *first)));
            open.push((address, span));
        }
        problems
    }

    /// A delegation to a host of ours and a port where no listener of ours could
    /// answer it.
    ///
    /// Another machine may stand in front, so only what no setup explains is
    /// refused: ports may be mapped when none of ours is a usual one, and TLS may
    /// end before us when there are trusted proxies.
    fn impossible_delegation(&self, site: &Site) -> Option<Diagnostic> {
        let delegate = site.delegate.as_ref()?;
        let port = delegate.port()?;
        let is_ours = delegate.host() == site.server_name.host()
            || site
                .hosts
                .iter()
                .any(|host| host.as_str() == delegate.host());
        if !is_ours {
            return None;
        }
        let there: Vec<&Listener> = self
            .listeners
            .iter()
            .filter(|l| has_port(l, port))
            .collect();
        let is_behind = !self.trusted_proxies.is_empty()
            || self.listeners.iter().any(|l| !l.proxy_protocol.is_empty());
        let is_public = |l: &Listener| l.tls && (has_port(l, 443) || has_port(l, 8448));
        let (message, help) = if there.is_empty() {
            if is_behind || !self.listeners.iter().any(is_public) {
                return None;
            }
            let message = format!("nothing listens on port {port}, where other servers are sent");
            (
                message,
                format!(
                    "delegate to 443 or 8448, or add [[listeners]] with address = \"*:{port}\""
                ),
            )
        } else if !there.iter().any(|l| l.profile.takes_federation()) {
            let message = format!("the listener on port {port} takes no federation");
            (
                message,
                "write profile = \"both\" or \"federation\" there".to_owned(),
            )
        } else if !is_behind && !there.iter().any(|l| l.tls) {
            let message =
                format!("the listener on port {port} has no TLS, which other servers begin with");
            (
                message,
                "write tls = true there, or delegate to a port with TLS".to_owned(),
            )
        } else {
            return None;
        };
        Some(Diagnostic::new(message, delegate.span()).help(help))
    }
}

type Opened<'c> = (&'c ListenAddress, Option<Span>);

fn taken((address, span): Opened<'_>, (other, first): Opened<'_>) -> Diagnostic {
    let message = if address == other {
        format!("two listeners on \"{address}\"")
    } else {
        format!("\"{address}\" is already taken by \"{other}\"")
    };
    // A default stands nowhere: then the other is pointed at alone.
    Diagnostic::new(message, span.or(first))
        .related(first.filter(|_| span.is_some()), "the first one")
        .help("the system opens each address and port once: change one of them")
}

fn has_port(listener: &Listener, port: u16) -> bool {
    listener
        .address
        .iter()
        .any(|address| address.port() == Some(port))
}

/// Every host of a site, where it says so, and the number of the site.
fn claims(site: &Site, index: usize) -> impl Iterator<Item = (&str, Option<Span>, usize)> {
    let names = [Some(&site.server_name), site.delegate.as_ref()];
    let names = names.into_iter().flatten();
    let names = names.map(move |name| (name.host(), name.span(), index));
    let routes = site.routes.iter().flat_map(|route| &route.hosts);
    let hosts = site.hosts.iter().chain(routes);
    names.chain(hosts.map(move |host| (host.as_str(), host.span(), index)))
}

fn routes_twice(site: &Site) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (index, route) in site.routes.iter().enumerate() {
        let mut earlier = site.routes.iter().take(index);
        if let Some(first) = earlier.find(|earlier| is_same_place(earlier, route)) {
            let message = format!("two routes at \"{}\"", route.path);
            let problem = Diagnostic::new(message, route.path.span());
            problems.push(
                problem
                    .related(first.path.span(), "the first one")
                    .help("change the path of one, or give them different `hosts`"),
            );
        }
    }
    problems
}

fn is_same_place(left: &Route, right: &Route) -> bool {
    let shares = |host: &Spanned<Host>| right.hosts.contains(host);
    *left.path == *right.path
        && (left.hosts.is_empty() && right.hosts.is_empty() || left.hosts.iter().any(shares))
}

/// Other servers ask for a delegation only of a name without port that is no IP
/// address (server-server API, "Resolving server names", steps 1 and 2).
fn never_asked(site: &Site) -> Option<Diagnostic> {
    let delegate = site.delegate.as_ref()?;
    let reason = match (site.server_name.ip(), site.server_name.port()) {
        (Some(_), _) => "is an IP address",
        (None, Some(_)) => "carries a port",
        (None, None) => return None,
    };
    let name = &site.server_name;
    let message = format!("nobody asks where \"{name}\" delegates to, because it {reason}");
    let problem = Diagnostic::new(message, delegate.span());
    Some(
        problem
            .related(name.span(), "this name is connected to as it stands")
            .help("leave `delegate` out"),
    )
}
