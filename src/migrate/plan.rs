//! What our configuration is to say.

use std::collections::BTreeMap;

use super::front::{AccessLog, Action, Certificate, Front, Socket, VirtualHost};
use super::groups::Homeserver;
use super::ledger::Ledger;
use super::routes::{self, Does, Route};
use super::well_known::{self, WellKnown};
use super::{Fault, Hints, Open};
use crate::config::{Network, TrustedProxy, WorkerName};
use crate::matrix::ServerName;
use crate::matrix::worker::Group;

/// The configuration before it is text.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) server_name: ServerName,
    pub(super) homeserver: String,
    pub(super) mas: Option<String>,
    pub(super) hosts: Vec<String>,
    pub(super) max_upload_size: Option<u64>,
    pub(super) trusted_proxies: Vec<String>,
    /// In seconds.
    pub(super) hsts: Option<u64>,
    /// Empty for the usual three.
    pub(super) listeners: Vec<Listener>,
    pub(super) certificates: Vec<Certificate>,
    pub(super) has_tls: bool,
    pub(super) well_known: WellKnown,
    pub(super) workers: Vec<Worker>,
    pub(super) routes: Vec<Route>,
    /// `None` for standard output.
    pub(super) access_log: Option<AccessLog>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) address: String,
    pub(super) tls: bool,
    pub(super) profile: &'static str,
    pub(super) proxy_protocol: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Worker {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) groups: Vec<Group>,
}

/// Decides.
///
/// # Errors
/// When no rule leads to a homeserver, or nothing says what it is called.
pub(super) fn decide(
    front: &Front,
    hints: &Hints,
    open: &mut Open<'_>,
    ledger: &mut Ledger,
) -> Result<Plan, Fault> {
    let homeserver = Homeserver::find(&front.hosts, ledger).ok_or_else(|| {
        let help = "name the file with the site of the homeserver, whose rules pass /_matrix on";
        Fault::new(None, "no rule passes /_matrix on to a homeserver", help)
    })?;
    homeserver.settle(ledger);
    let well_known = well_known::read(&front.hosts, &homeserver.main, open, ledger);
    let matrix: Vec<&VirtualHost> = front
        .hosts
        .iter()
        .filter(|host| routes::is_matrix(host, &homeserver))
        .collect();
    let server_name = server_name(hints, &well_known, &matrix, ledger)?;
    let mut routes = routes::read(&front.hosts, &homeserver, ledger);
    for route in &mut routes {
        if let Does::Folder(folder) = &mut route.action {
            *folder = absolute(hints, folder);
        }
    }
    let workers = workers(&homeserver, ledger);
    settle_members(front, &homeserver, &workers, &routes, ledger);
    let (listeners, has_tls) = listeners(front, &homeserver, ledger);
    let hsts = front.hsts.map(|(number, age)| {
        ledger.carried(number, "hsts");
        age
    });
    let mut certificates: Vec<Certificate> = Vec::new();
    for one in front.hosts.iter().flat_map(|host| &host.certificates) {
        let one = Certificate {
            certificate: absolute(hints, &one.certificate),
            key: absolute(hints, &one.key),
        };
        if !certificates.contains(&one) {
            certificates.push(one);
        }
    }
    warn_of_delegation(front, &server_name, &well_known, has_tls, ledger);
    warn_of_renewal(&certificates, ledger);
    Ok(Plan {
        hosts: hosts(&matrix, &server_name, &well_known),
        max_upload_size: body(&matrix, ledger),
        trusted_proxies: trusted(front, ledger),
        access_log: front.access_log.as_ref().map(|(number, path)| {
            ledger.carried(*number, "[access_log]");
            path.clone()
        }),
        homeserver: homeserver.main.clone(),
        mas: homeserver.mas.clone(),
        server_name,
        hsts,
        listeners,
        certificates,
        has_tls,
        well_known,
        workers,
        routes,
    })
}

/// A path that means the same from the folder of our configuration.
fn absolute(hints: &Hints, path: &str) -> String {
    hints.prefix.join(path).display().to_string()
}

fn server_name(
    hints: &Hints,
    well_known: &WellKnown,
    matrix: &[&VirtualHost],
    ledger: &mut Ledger,
) -> Result<ServerName, Fault> {
    if let Some(name) = &hints.server_name {
        return name.parse().map_err(|reason| {
            let message = format!("--server-name {name:?} is not a server name: {reason}");
            Fault::new(
                None,
                message,
                "write what stands behind the colon of a user's id",
            )
        });
    }
    let has_federation =
        |host: &&&VirtualHost| host.sockets.iter().any(|socket| socket.port == 8448);
    let of_federation = matrix.iter().filter(has_federation);
    let of_matrix = of_federation
        .chain(matrix.iter())
        .flat_map(|host| &host.names);
    if let Some(name) = well_known.names.first().and_then(|name| name.parse().ok()) {
        return Ok(name);
    }
    let guess: Option<ServerName> = of_matrix.into_iter().find_map(|name| name.parse().ok());
    let guess = guess.ok_or_else(|| {
        let help = "write --server-name with what stands behind the colon of a user's id";
        Fault::new(None, "nothing says what the homeserver is called", help)
    })?;
    let message =
        format!("no file says what stands behind the colon of a user's id; {guess} was taken");
    ledger.warn(
        None,
        message,
        "if that is wrong, import again with --server-name",
    );
    Ok(guess)
}

fn hosts(matrix: &[&VirtualHost], server_name: &ServerName, well_known: &WellKnown) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    let of_matrix = matrix.iter().flat_map(|host| &host.names);
    let delegate = well_known.delegate.as_ref().map(ServerName::host);
    for name in of_matrix.chain(&well_known.names) {
        let is_there = name == server_name.host() || Some(name.as_str()) == delegate;
        if !is_there && !hosts.contains(name) {
            hosts.push(name.clone());
        }
    }
    hosts
}

fn workers(homeserver: &Homeserver<'_>, ledger: &mut Ledger) -> Vec<Worker> {
    let mut workers: Vec<Worker> = Vec::new();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for (group, target) in &homeserver.groups {
        let addresses = target
            .addresses
            .iter()
            .filter(|address| **address != homeserver.main);
        let mut addresses: Vec<&String> = addresses.collect();
        addresses.sort();
        addresses.dedup();
        if group.is_single() && addresses.len() > 1 {
            let message = format!(
                "{group} is one process of Synapse; the first of {} was taken",
                addresses.len()
            );
            ledger.warn(
                None,
                message,
                "name the one that writes the stream, as stream_writers has it",
            );
            addresses.truncate(1);
        }
        for address in addresses {
            if let Some(known) = workers.iter_mut().find(|worker| worker.address == *address) {
                known.groups.push(*group);
                continue;
            }
            workers.push(Worker {
                name: worker_name(&target.name, &mut names),
                address: address.clone(),
                groups: vec![*group],
            });
        }
    }
    if !workers.is_empty() {
        let message = "names of workers were made up";
        let help =
            "write worker_name of each: which user, room or server goes to which follows from it";
        ledger.warn(None, message, help);
    }
    workers
}

fn worker_name(upstream: &str, names: &mut BTreeMap<String, usize>) -> String {
    let plain: String = upstream
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
        .take(40)
        .collect();
    let plain = if plain.is_empty() {
        "worker".to_owned()
    } else {
        plain
    };
    let count = names.entry(plain.clone()).or_default();
    *count = count.saturating_add(1);
    let name = format!("{plain}{count}");
    name.parse::<WorkerName>()
        .map_or(name, |name| name.as_str().to_owned())
}

/// Servers of upstreams, by whether their address stands in the configuration.
fn settle_members(
    front: &Front,
    homeserver: &Homeserver<'_>,
    workers: &[Worker],
    routes: &[Route],
    ledger: &mut Ledger,
) {
    for (upstream, member, address) in &front.members {
        let is_route = |route: &Route| matches!(&route.action, Does::Upstream { address: one, .. } if one == address);
        let to = if *address == homeserver.main {
            "homeserver".to_owned()
        } else if let Some(worker) = workers.iter().find(|worker| worker.address == *address) {
            format!("[[workers]] name = \"{}\"", worker.name)
        } else if homeserver.mas.as_ref() == Some(address) {
            "mas".to_owned()
        } else if routes.iter().any(is_route) {
            "[[routes]]".to_owned()
        } else {
            continue;
        };
        ledger.carried(*member, to);
        ledger.carried(*upstream, "where its servers are named");
    }
}

fn listeners(
    front: &Front,
    homeserver: &Homeserver<'_>,
    ledger: &mut Ledger,
) -> (Vec<Listener>, bool) {
    let mut listeners: Vec<Listener> = Vec::new();
    let sockets = front.hosts.iter();
    let sockets = sockets.flat_map(|host| host.sockets.iter().map(move |socket| (host, socket)));
    for (host, socket) in sockets {
        let profile = profile(host, socket, homeserver);
        let known = listeners
            .iter()
            .position(|known| known.address == socket.address);
        match known.and_then(|known| listeners.get_mut(known)) {
            Some(known) => known.share(socket, profile),
            None => listeners.push(Listener {
                address: socket.address.clone(),
                tls: socket.is_tls,
                profile,
                proxy_protocol: proxy_protocol(front, socket, ledger),
            }),
        }
    }
    drop_covered(&mut listeners);
    let has_tls = listeners.is_empty() || listeners.iter().any(|listener| listener.tls);
    if is_usual(&listeners) {
        listeners.clear();
    }
    (listeners, has_tls)
}

impl Listener {
    /// Takes what another host has on the same socket too.
    fn share(&mut self, socket: &Socket, profile: &'static str) {
        self.tls |= socket.is_tls;
        if self.profile == "redirect" && profile != "redirect" {
            self.profile = profile;
        } else if self.profile != profile && profile != "redirect" {
            self.profile = "both";
        }
        if self.tls && self.profile == "redirect" {
            self.profile = "both";
        }
    }
}

/// The networks whose connections begin with a PROXY header.
fn proxy_protocol(front: &Front, socket: &Socket, ledger: &mut Ledger) -> Vec<String> {
    if !socket.has_proxy_protocol {
        return Vec::new();
    }
    if socket.address.starts_with("unix:") {
        let message = "on a unix socket nobody says by the PROXY protocol who connected";
        let help = "list \"unix\" in `trusted_proxies`, and send X-Forwarded-For";
        ledger.warn(Some(socket.directive), message, help);
        return Vec::new();
    }
    let trusted = front.trusted.iter().filter(|_| front.trusts_proxy_protocol);
    let networks = trusted.filter_map(|(_, text)| text.parse::<Network>().ok());
    let networks: Vec<String> = networks.map(|network| network.to_string()).collect();
    if networks.is_empty() {
        let message = "whoever reaches the port could say any address by the PROXY protocol";
        let help = "write the networks of the load balancers as `proxy_protocol`";
        ledger.warn(Some(socket.directive), message, help);
        return vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()];
    }
    networks
}

/// An address that a listener on every address takes already.
fn drop_covered(listeners: &mut Vec<Listener>) {
    let everywhere: Vec<String> = listeners
        .iter()
        .filter_map(|listener| listener.address.strip_prefix("*:").map(str::to_owned))
        .collect();
    listeners.retain(|listener| {
        let port = listener
            .address
            .rsplit_once(':')
            .map_or("", |(_, port)| port);
        listener.address.starts_with("*:")
            || listener.address.starts_with("unix:")
            || !everywhere.iter().any(|one| one == port)
    });
}

/// The three that are there when none is written.
fn is_usual(listeners: &[Listener]) -> bool {
    let usual = [
        ("*:80", false, "redirect"),
        ("*:443", true, "both"),
        ("*:8448", true, "federation"),
    ];
    listeners.len() == usual.len()
        && usual.iter().all(|(address, tls, profile)| {
            listeners.iter().any(|listener| {
                listener.address == *address
                    && listener.tls == *tls
                    && listener.profile == *profile
                    && listener.proxy_protocol.is_empty()
            })
        })
}

fn profile(host: &VirtualHost, socket: &Socket, homeserver: &Homeserver<'_>) -> &'static str {
    if !socket.is_tls
        && (host.redirects || !routes::is_matrix(host, homeserver) && socket.port == 80)
    {
        return "redirect";
    }
    if socket.port == 8448 {
        return "federation";
    }
    let passes = |path: &str| {
        matches!(
            host.rule(path).map(|rule| &rule.action),
            Some(Action::Pass { .. })
        )
    };
    let is_client = passes("/_matrix/client/v3/logout");
    let is_federation = passes("/_matrix/federation/v1/version");
    match (is_client, is_federation) {
        (false, true) => "federation",
        _ => "both",
    }
}

fn trusted(front: &Front, ledger: &mut Ledger) -> Vec<String> {
    let mut trusted = Vec::new();
    for (number, text) in &front.trusted {
        let text = text.strip_suffix(':').unwrap_or(text);
        let Ok(proxy) = text.parse::<TrustedProxy>() else {
            ledger.left(
                *number,
                "it is no network",
                "write its addresses in `trusted_proxies`",
            );
            continue;
        };
        if front.trusts_proxy_protocol {
            ledger.carried(*number, "proxy_protocol of [[listeners]]");
        } else {
            ledger.carried(*number, "trusted_proxies");
            trusted.push(proxy.to_string());
        }
    }
    trusted
}

/// The largest body, by the host that takes uploads.
fn body(matrix: &[&VirtualHost], ledger: &mut Ledger) -> Option<u64> {
    let mut largest: Option<u64> = None;
    for host in matrix {
        let rule = host.rule("/_matrix/media/v3/upload");
        if !rule.is_some_and(|rule| matches!(rule.action, Action::Pass { .. })) {
            if let Some(limit) = host.body {
                ledger.not_needed(limit.directive, "`limits.body_size` is what Synapse takes");
            }
            continue;
        }
        let Some(limit) = rule.and_then(|rule| rule.body).or(host.body) else {
            if let Some(default) = host.default_body {
                let message = format!(
                    "bodies above {default} bytes were refused, such as many federation requests (limits.body)"
                );
                ledger.warn(
                    Some(host.directive),
                    message,
                    "here max_upload_size is 50M; write what homeserver.yaml has",
                );
            }
            continue;
        };
        if limit.number == 0 {
            let help = "write max_upload_size as in homeserver.yaml; 50M is taken";
            ledger.left(limit.directive, "an upload has to have a limit", help);
            continue;
        }
        ledger.carried(limit.directive, "max_upload_size");
        largest = largest.max(Some(limit.number));
    }
    largest.filter(|bytes| *bytes != 50 << 20)
}

fn warn_of_delegation(
    front: &Front,
    server_name: &ServerName,
    well_known: &WellKnown,
    has_tls: bool,
    ledger: &mut Ledger,
) {
    let mut sockets = front.hosts.iter().flat_map(|host| &host.sockets);
    let has_federation = sockets.any(|socket| socket.port == 8448);
    let is_told = well_known.delegate.is_some() || well_known.is_from_homeserver;
    if has_tls && !has_federation && !is_told && server_name.port().is_none() {
        let message = format!(
            "nothing listens on port 8448, and no document on {server_name} says where other servers connect"
        );
        let help = "write `delegate`, such as delegate = \"matrix.example.com:443\", or a listener on *:8448";
        ledger.warn(None, message, help);
    }
    if has_federation {
        let message = "port 8448 takes federation only, and no client";
        ledger.warn(
            None,
            message,
            "write profile = \"both\" in [[listeners]] if clients use it",
        );
    }
}

/// Certbot that asks the proxy which is to go.
fn warn_of_renewal(certificates: &[Certificate], ledger: &mut Ledger) {
    if certificates
        .iter()
        .any(|one| one.certificate.starts_with("/etc/letsencrypt/"))
    {
        let message = "certbot renews with the help of the proxy that is to go, or over port 80";
        let help = "leave [tls] out, so that Vestibule gets certificates itself, or let certbot check by DNS";
        ledger.warn(None, message, help);
    }
}
