//! One `<VirtualHost>`.

use super::super::directive::{Directive, one_line};
use super::super::front::{Action, Certificate, Front, Limit, Order, Paths, Socket, VirtualHost};
use super::super::ledger::Ledger;
use super::{Balancers, rule, whole_proxy};
use crate::config::{Host, ListenAddress};

pub(super) fn read(
    directive: &Directive,
    tree: &[Directive],
    balancers: &Balancers,
    front: &mut Front,
    ledger: &mut Ledger,
) -> VirtualHost {
    let mut host = VirtualHost {
        directive: directive.number,
        names: Vec::new(),
        sockets: Vec::new(),
        certificates: Vec::new(),
        rules: Vec::new(),
        order: Order::Apache,
        body: None,
        default_body: None,
        redirects: false,
    };
    let children = directive.children();
    for child in children {
        whole_proxy(child, front, ledger);
        match child.name.to_ascii_lowercase().as_str() {
            "servername" | "serveralias" => names(child, &mut host, ledger),
            "limitrequestbody" => host.body = body(child),
            _ => {}
        }
    }
    sockets(directive, children, &mut host, ledger);
    certificates(children, &mut host, ledger);
    rule::read_all(children, balancers, &mut host, ledger);
    redirects(children, &mut host, ledger);
    warn(directive, children, tree, &host, ledger);
    host
}

pub(super) fn body(directive: &Directive) -> Option<Limit> {
    Some(Limit {
        directive: directive.number,
        number: directive.argument(0).parse().ok()?,
    })
}

fn find<'d>(children: &'d [Directive], name: &str) -> Option<&'d Directive> {
    children
        .iter()
        .find(|child| child.name.eq_ignore_ascii_case(name))
}

fn sockets(
    directive: &Directive,
    children: &[Directive],
    host: &mut VirtualHost,
    ledger: &mut Ledger,
) {
    let is_tls = find(children, "sslengine").is_some_and(|engine| {
        ledger.not_needed(engine.number, "listeners on 443 and 8448 have TLS");
        engine.argument(0).eq_ignore_ascii_case("on")
    });
    let mut understood = Vec::new();
    for written in &directive.arguments {
        let Some((address, port)) = address(written) else {
            let message = format!("{} is no address of ours", one_line(written));
            let help = "write it as `address` of a [[listeners]]";
            ledger.warn(Some(directive.number), message, help);
            continue;
        };
        understood.push(address.clone());
        host.sockets.push(Socket {
            directive: directive.number,
            address,
            port,
            is_tls,
            has_proxy_protocol: find(children, "remoteipproxyprotocol").is_some(),
        });
    }
    let to = format!("[[listeners]] address = \"{}\"", understood.join("\", \""));
    ledger.carried(directive.number, to);
}

/// `*:443`, `_default_:443`, `[::]:443`, `192.0.2.1:443` as an address of ours.
fn address(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (text, "80"),
    };
    let port: u16 = port.parse().ok()?;
    let host = match host {
        "*" | "_default_" | "0.0.0.0" | "[::]" => "*",
        other => other,
    };
    let address: ListenAddress = format!("{host}:{port}").parse().ok()?;
    Some((address.to_string(), port))
}

fn names(directive: &Directive, host: &mut VirtualHost, ledger: &mut Ledger) {
    let number = directive.number;
    ledger.carried(number, "the hosts of the site and its routes");
    for name in &directive.arguments {
        let plain = name
            .split_once("://")
            .map_or(name.as_str(), |(_, rest)| rest);
        let plain = match plain.rsplit_once(':') {
            Some((plain, port)) if port.parse::<u16>().is_ok() => plain,
            _ => plain,
        };
        if let Ok(name) = plain.parse::<Host>() {
            host.names.push(name.to_string());
        } else {
            let message = format!("{} stands for no single host", one_line(name));
            ledger.warn(Some(number), message, "name each host in `hosts`");
        }
    }
}

fn certificates(children: &[Directive], host: &mut VirtualHost, ledger: &mut Ledger) {
    let all = |name: &str| {
        let found = children
            .iter()
            .filter(|child| child.name.eq_ignore_ascii_case(name));
        found.collect::<Vec<_>>()
    };
    let (certificates, keys) = (all("sslcertificatefile"), all("sslcertificatekeyfile"));
    for (index, certificate) in certificates.iter().enumerate() {
        let path = certificate.argument(0);
        ledger.carried(certificate.number, "tls.certificates");
        if path.ends_with("/cert.pem") {
            let message = "without the authority's own certificate other servers refuse it (tls.chain.incomplete)";
            ledger.warn(Some(certificate.number), message, "name fullchain.pem");
        }
        // Without a file of its own the key is in the same.
        let key = keys.get(index).map_or(path, |key| key.argument(0));
        host.certificates.push(Certificate {
            certificate: path.to_owned(),
            key: key.to_owned(),
        });
    }
    for key in keys {
        ledger.carried(key.number, "tls.certificates");
    }
}

/// Plain requests that are sent to https, as certbot writes it or a person.
fn redirects(children: &[Directive], host: &mut VirtualHost, ledger: &mut Ledger) {
    let to = "plain requests are sent to https (profile = \"redirect\")";
    let is_https = |child: &&Directive| {
        let name = child.name.to_ascii_lowercase();
        let url = child
            .arguments
            .iter()
            .find(|argument| argument.starts_with("https://"));
        match (name.as_str(), url) {
            ("rewriterule", Some(url)) => url.contains("%{REQUEST_URI}") || url.contains("$1"),
            ("redirect" | "redirectpermanent", Some(url)) => {
                let is_all = child.has("/");
                let rest = url.trim_start_matches("https://");
                let host_alone = rest.trim_end_matches('/');
                is_all && host.names.iter().any(|name| name == host_alone)
            }
            _ => false,
        }
    };
    let found: Vec<&Directive> = children.iter().filter(is_https).collect();
    if found.is_empty() {
        return;
    }
    host.redirects = true;
    host.rules.retain(|rule| {
        !matches!(rule.action, Action::Redirect(_)) || rule.paths.literal() != Some("/")
    });
    for child in found {
        ledger.carried(child.number, to);
    }
    for child in children
        .iter()
        .filter(|child| child.name.eq_ignore_ascii_case("rewritecond"))
    {
        ledger.carried(child.number, to);
    }
}

/// What Apache does to paths unless it is told not to.
fn warn(
    directive: &Directive,
    children: &[Directive],
    tree: &[Directive],
    host: &VirtualHost,
    ledger: &mut Ledger,
) {
    let passes_matrix = |rule: &super::super::front::Rule| {
        matches!(rule.action, Action::Pass { .. })
            && (rule.paths.names("_matrix")
                || matches!(&rule.paths, Paths::Prefix(path) if path == "/"))
    };
    if !host.rules.iter().any(passes_matrix) {
        return;
    }
    let number = Some(directive.number);
    let slashes = find(children, "allowencodedslashes").or(find(tree, "allowencodedslashes"));
    match slashes.map(|slashes| slashes.argument(0).to_ascii_lowercase()) {
        Some(value) if value == "nodecode" => {}
        Some(value) if value == "on" => {
            let message = "%2F was decoded, so that signatures do not match (path.decoded)";
            ledger.warn(number, message, "here paths are passed on byte for byte");
        }
        _ => {
            let message = "%2F was refused, which room and event ids contain (path.refused)";
            ledger.warn(number, message, "here paths are passed on byte for byte");
        }
    }
    if find(children, "proxypreservehost")
        .or(find(tree, "proxypreservehost"))
        .is_none()
    {
        let message = "Host was replaced, so that single sign-on redirects to itself (fwd.loop)";
        ledger.warn(number, message, "here it is passed on as it came");
    }
    let message = "clients could forge their address: Apache appends to X-Forwarded-For, and Synapse takes the first";
    let help = "here it is replaced; name proxies in front of this one in `trusted_proxies`";
    ledger.warn(number, message, help);
}
