//! What other rules serve beside Matrix, as routes.

use super::directive::one_line;
use super::front::{Action, Choice, Paths, Rule, Target, VirtualHost};
use super::groups::Homeserver;
use super::ledger::Ledger;
use crate::config::{HttpUrl, Network, RoutePath};
use crate::matrix::path::has_prefix;

/// A route as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) path: String,
    /// Empty for all hosts of the site.
    pub(super) hosts: Vec<String>,
    pub(super) networks: Vec<String>,
    pub(super) max_body_size: Option<u64>,
    pub(super) read_timeout: Option<u64>,
    pub(super) action: Does,
}

/// What a route does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Does {
    Upstream { address: String, strip_prefix: bool },
    Folder(String),
    Redirect(String),
    Homeserver,
}

/// Paths of Synapse that nobody outside needs.
const HIDDEN: [(&str, &str); 3] = [
    ("/_synapse/admin", "leak.admin"),
    ("/_synapse/replication", "leak.replication"),
    ("/_synapse/metrics", "leak.metrics"),
];

/// Makes a route of each rule that can be one.
pub(super) fn read(
    hosts: &[VirtualHost],
    homeserver: &Homeserver<'_>,
    ledger: &mut Ledger,
) -> Vec<Route> {
    let mut routes = Vec::new();
    for host in hosts {
        for rule in &host.rules {
            rule_of(host, rule, homeserver, &mut routes, ledger);
        }
        if is_matrix(host, homeserver) {
            warn_of_leaks(host, homeserver, ledger);
        }
    }
    routes
}

/// Whether endpoints go through its rules to the homeserver or its workers.
pub(super) fn is_matrix(host: &VirtualHost, homeserver: &Homeserver<'_>) -> bool {
    let arrives = |arrival: &super::groups::Arrival<'_>| std::ptr::eq(arrival.host, host);
    homeserver.arrivals.iter().any(arrives)
}

fn rule_of(
    host: &VirtualHost,
    rule: &Rule,
    homeserver: &Homeserver<'_>,
    routes: &mut Vec<Route>,
    ledger: &mut Ledger,
) {
    let Some(path) = place(rule, ledger) else {
        return;
    };
    let leads_home = matches!(&rule.action, Action::Pass { to, .. }
        if to.targets().iter().any(|target| target.addresses.contains(&homeserver.main)));
    let is_of_matrix =
        has_prefix(path.as_bytes(), "/_matrix") || has_prefix(path.as_bytes(), "/_synapse/client");
    if leads_home && (path == "/" || is_of_matrix) {
        carry(rule, "homeserver", ledger);
        warn_of_decoding(rule, ledger);
        return;
    }
    if leads_home {
        open_hidden(rule, path, routes, ledger);
        return;
    }
    if is_of_matrix && ledger_knows(rule, homeserver) {
        warn_of_decoding(rule, ledger);
        return;
    }
    if matches!(rule.action, Action::Refuse) {
        let why = "what nobody answers gets 404, and a host that nobody serves 421";
        ledger.not_needed(rule.directive, why);
        ledger.not_needed(rule.acting, why);
        return;
    }
    if host.names.is_empty() && !is_matrix(host, homeserver) {
        let help = "write a [[routes]] with `hosts`";
        left(rule, "its server has no name", help, ledger);
        return;
    }
    let Some(action) = does(rule, &path, ledger) else {
        return;
    };
    let route = Route {
        path,
        hosts: host.names.clone(),
        networks: networks(rule, ledger),
        max_body_size: None,
        read_timeout: None,
        action,
    };
    add(route, rule, routes, ledger);
}

fn add(route: Route, rule: &Rule, routes: &mut Vec<Route>, ledger: &mut Ledger) {
    if routes.iter().any(|other| clash(other, &route)) {
        let help = "nothing, or give it another host";
        left(rule, "another rule has the place already", help, ledger);
        return;
    }
    let to = format!("[[routes]] path = \"{}\"", one_line(&route.path));
    carry(rule, &to, ledger);
    routes.push(with_limits(route, rule, ledger));
}

/// The prefix of a rule, if it can be one of ours.
fn place(rule: &Rule, ledger: &mut Ledger) -> Option<String> {
    let Some(path) = rule.paths.literal() else {
        if !ledger.has_place(rule.directive) {
            let reason = "a pattern that no endpoint of Matrix matches, and a route has a prefix";
            left(
                rule,
                reason,
                "write a [[routes]] for its prefix, if it is needed",
                ledger,
            );
        }
        return None;
    };
    if path.starts_with("/.well-known/acme-challenge") {
        let reason = "port 80 redirects, and shows no files";
        let help =
            "let Vestibule get the certificates (leave [tls] out), or let certbot check by DNS";
        left(rule, reason, help, ledger);
        return None;
    }
    if path.starts_with("/.well-known")
        && matches!(
            rule.action,
            Action::Document { .. } | Action::File(_) | Action::Files(_)
        )
    {
        return None;
    }
    let path = if path.is_empty() { "/" } else { path };
    let is_root_alone = path == "/" && matches!(rule.paths, Paths::Exact(_));
    if is_root_alone {
        let help =
            "write a [[routes]] with path = \"/\", which holds for everything that is not Matrix";
        left(
            rule,
            "it is for one path alone, and a route for all below it",
            help,
            ledger,
        );
        return None;
    }
    match path.parse::<RoutePath>() {
        Ok(path) if path.is_below("/.well-known/matrix") => None,
        Ok(path) => Some(path.as_str().to_owned()),
        Err(_) => {
            left(
                rule,
                "it is no path of whole segments",
                "write a [[routes]] with one",
                ledger,
            );
            None
        }
    }
}

/// Whether endpoints came by this rule.
fn ledger_knows(rule: &Rule, homeserver: &Homeserver<'_>) -> bool {
    homeserver
        .arrivals
        .iter()
        .any(|arrival| arrival.rule.0 == rule.directive)
}

fn does(rule: &Rule, path: &str, ledger: &mut Ledger) -> Option<Does> {
    let below_matrix = has_prefix(path.as_bytes(), "/_matrix");
    let is_url = |url: &str| !url.contains('$') && url.parse::<HttpUrl>().is_ok();
    match &rule.action {
        Action::Pass {
            to: Choice::Always(target),
            path: replaced,
        } => upstream(rule, path, target, replaced.as_deref(), ledger),
        Action::Files(folder) if !below_matrix => Some(Does::Folder(folder.clone())),
        Action::Redirect(url) if !below_matrix && is_url(url) => Some(Does::Redirect(url.clone())),
        Action::Redirect(url) if url.starts_with("https://$") => None,
        Action::Redirect(_) => {
            let reason = "a redirect goes to one URL, not below /_matrix";
            let help = "write a [[routes]] with `redirect` and a whole URL";
            left(rule, reason, help, ledger);
            None
        }
        Action::Document { .. } => {
            let reason = "texts are answered for .well-known/matrix only";
            let help = "put the text into a folder, and write a [[routes]] with `folder`";
            left(rule, reason, help, ledger);
            None
        }
        Action::Pass { .. }
        | Action::Files(_)
        | Action::File(_)
        | Action::Refuse
        | Action::Unknown => None,
    }
}

fn upstream(
    rule: &Rule,
    path: &str,
    target: &Target,
    replaced: Option<&str>,
    ledger: &mut Ledger,
) -> Option<Does> {
    let trimmed = |path: &str| path.trim_end_matches('/').to_owned();
    let strip_prefix = match replaced.map(trimmed) {
        None => false,
        Some(replaced) if replaced == trimmed(path) => false,
        Some(replaced) if replaced.is_empty() => true,
        Some(_) => {
            let reason = "a path is passed on as it is, or without its prefix";
            let help = "let the upstream know the path as clients do";
            left(rule, reason, help, ledger);
            return None;
        }
    };
    if target.addresses.len() > 1 {
        let help = "let a name stand for all of them in DNS";
        let message = "a route has one upstream; the first was taken";
        ledger.warn(Some(rule.acting), message, help);
    }
    Some(Does::Upstream {
        address: target.addresses.first()?.clone(),
        strip_prefix,
    })
}

/// A path of Synapse that is not open by itself.
fn open_hidden(rule: &Rule, path: String, routes: &mut Vec<Route>, ledger: &mut Ledger) {
    let networks = networks(rule, ledger);
    if networks.is_empty() {
        let help = format!(
            "write [[routes]] path = \"{}\", homeserver = true, and the networks that may use it",
            one_line(&path)
        );
        left(
            rule,
            "it was open to everyone, and is hidden",
            &help,
            ledger,
        );
        if let Some((_, id)) = HIDDEN
            .iter()
            .find(|(hidden, _)| has_prefix(path.as_bytes(), hidden))
        {
            let message = format!("everyone could reach it ({id})");
            ledger.warn(
                Some(rule.directive),
                message,
                "here nobody can, until a route says who",
            );
        }
        return;
    }
    let route = Route {
        path,
        hosts: Vec::new(),
        networks,
        max_body_size: None,
        read_timeout: None,
        action: Does::Homeserver,
    };
    add(route, rule, routes, ledger);
}

fn networks(rule: &Rule, ledger: &mut Ledger) -> Vec<String> {
    let mut networks = Vec::new();
    for (number, text) in &rule.networks {
        match text.parse::<Network>() {
            Ok(network) => {
                ledger.carried(*number, "networks of the route");
                networks.push(network.to_string());
            }
            Err(_) => ledger.left(
                *number,
                "it is no network",
                "write its addresses in `networks`",
            ),
        }
    }
    networks
}

fn with_limits(mut route: Route, rule: &Rule, ledger: &mut Ledger) -> Route {
    let has_upstream = matches!(route.action, Does::Upstream { .. } | Does::Homeserver);
    if let Some(limit) = rule
        .read_timeout
        .filter(|limit| has_upstream && limit.number > 0)
    {
        ledger.carried(limit.directive, "read_timeout of the route");
        route.read_timeout = Some(limit.number.min(86_400));
    }
    if let Some(limit) = rule.body.filter(|limit| has_upstream && limit.number > 0) {
        ledger.carried(limit.directive, "max_body_size of the route");
        route.max_body_size = Some(limit.number);
    }
    route
}

fn clash(one: &Route, other: &Route) -> bool {
    let shares = |host: &String| other.hosts.contains(host);
    one.path == other.path
        && (one.hosts.is_empty() && other.hosts.is_empty() || one.hosts.iter().any(shares))
}

fn carry(rule: &Rule, to: &str, ledger: &mut Ledger) {
    if let Some(root) = rule.root {
        ledger.carried(root, to);
    }
    ledger.carried(rule.directive, to);
    ledger.carried(rule.acting, to);
}

fn left(rule: &Rule, reason: &str, help: &str, ledger: &mut Ledger) {
    ledger.left(rule.directive, reason, help);
    if rule.acting != rule.directive {
        ledger.left(rule.acting, reason, help);
    }
}

/// A path behind the address of the upstream: nginx decodes what it replaces.
fn warn_of_decoding(rule: &Rule, ledger: &mut Ledger) {
    if let Action::Pass {
        path: Some(path), ..
    } = &rule.action
    {
        let prefix = rule.paths.literal().unwrap_or_default();
        let (message, help) = if path.trim_end_matches('/') == prefix.trim_end_matches('/') {
            (
                "a path behind the address decodes %2F, so that signatures do not match (path.decoded)",
                "here paths are passed on byte for byte",
            )
        } else {
            (
                "a path behind the address cuts the prefix off (path.prefix)",
                "here the homeserver sees the whole path",
            )
        };
        ledger.warn(Some(rule.acting), message, help);
    }
}

/// Hidden paths that reached the homeserver by a rule for more.
fn warn_of_leaks(host: &VirtualHost, homeserver: &Homeserver<'_>, ledger: &mut Ledger) {
    let mut by: Option<usize> = None;
    let mut open: Vec<String> = Vec::new();
    for (path, id) in HIDDEN {
        let Some(rule) = host.rule(&format!("{path}/v1/any")) else {
            continue;
        };
        let leads_home = matches!(&rule.action, Action::Pass { to, .. }
            if to.targets().iter().any(|target| target.addresses.contains(&homeserver.main)));
        if leads_home && !rule.paths.names(path) {
            by = Some(rule.directive);
            open.push(format!("{path} ({id})"));
        }
    }
    if by.is_some() {
        let message = format!("these were open to everyone: {}", open.join(", "));
        let help =
            "here they are hidden; a [[routes]] with homeserver = true opens one to `networks`";
        ledger.warn(by, message, help);
    }
}
