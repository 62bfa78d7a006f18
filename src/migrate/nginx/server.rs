//! One `server`.

use super::super::directive::Directive;
use super::super::front::{Certificate, Front, Order, Socket, VirtualHost};
use super::super::ledger::Ledger;
use super::destination::Destinations;
use super::{Scope, location, whole_proxy};
use crate::config::{Host, ListenAddress};

/// What nginx takes where nothing is written.
const DEFAULT_BODY: u64 = 1 << 20;

pub(super) fn read(
    directive: &Directive,
    outer: &Scope,
    destinations: &Destinations,
    front: &mut Front,
    ledger: &mut Ledger,
) -> VirtualHost {
    let mut host = VirtualHost {
        directive: directive.number,
        names: Vec::new(),
        sockets: Vec::new(),
        certificates: Vec::new(),
        rules: Vec::new(),
        order: Order::Nginx,
        body: None,
        default_body: Some(DEFAULT_BODY),
        redirects: false,
    };
    let mut scope = outer.clone();
    let children = directive.children();
    let has_tls = children
        .iter()
        .any(|child| child.name == "ssl" && child.has("on"));
    let mut files = Files::default();
    for child in children {
        scope.read(child);
        whole_proxy(child, front, ledger);
        match child.name.as_str() {
            "listen" => listen(child, has_tls, &mut host, ledger),
            "server_name" => names(child, &mut host, ledger),
            "ssl_certificate" => files.certificates.push(child),
            "ssl_certificate_key" => files.keys.push(child),
            "if" => condition(child, &mut host, ledger),
            "return" | "rewrite" => {
                if is_redirect_to_https(child) {
                    redirects(child, &mut host, ledger);
                } else if child.name == "return" {
                    location::whole_server(child, &mut host, ledger);
                }
            }
            _ => {}
        }
    }
    files.read(&mut host, ledger);
    host.body = scope.body;
    scope.variables = location::variables(children);
    for child in children.iter().filter(|child| child.name == "location") {
        location::read(child, &scope, destinations, &mut host, ledger);
    }
    location::files_of_server(&scope, &mut host);
    host
}

fn listen(directive: &Directive, has_tls: bool, host: &mut VirtualHost, ledger: &mut Ledger) {
    let number = directive.number;
    let Some((address, port)) = address(directive.argument(0)) else {
        let help = "write it as `address` of a [[listeners]]";
        ledger.left(number, "it is no address of ours", help);
        return;
    };
    if directive.has("quic") {
        ledger.left(
            number,
            "HTTP/3 is not spoken",
            "nothing: clients take HTTP/2",
        );
        return;
    }
    ledger.carried(number, format!("[[listeners]] address = \"{address}\""));
    host.sockets.push(Socket {
        directive: number,
        address,
        port,
        is_tls: has_tls || directive.has("ssl"),
        has_proxy_protocol: directive.has("proxy_protocol"),
    });
}

/// `443`, `[::]:443`, `192.0.2.1`, `unix:/path` as an address of ours.
fn address(text: &str) -> Option<(String, u16)> {
    if text.starts_with("unix:") {
        let address: ListenAddress = text.parse().ok()?;
        return Some((address.to_string(), 0));
    }
    let (host, port) = match text.rsplit_once(':') {
        _ if text.bytes().all(|b| b.is_ascii_digit()) => ("*", text),
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (text, "80"),
    };
    let port: u16 = port.parse().ok()?;
    let host = match host {
        "*" | "0.0.0.0" | "[::]" => "*",
        "localhost" => "127.0.0.1",
        other => other,
    };
    let address: ListenAddress = format!("{host}:{port}").parse().ok()?;
    Some((address.to_string(), port))
}

fn names(directive: &Directive, host: &mut VirtualHost, ledger: &mut Ledger) {
    let number = directive.number;
    let mut refused = Vec::new();
    for name in &directive.arguments {
        if matches!(name.as_str(), "_" | "" | "localhost") {
            continue;
        }
        match name.parse::<Host>() {
            Ok(name) => host.names.push(name.to_string()),
            Err(_) => refused.push(super::super::directive::one_line(name)),
        }
    }
    if refused.is_empty() {
        ledger.carried(number, "the hosts of the site and its routes");
    } else if host.names.is_empty() {
        let reason = format!("{} stands for no single host", refused.join(" "));
        ledger.left(number, reason, "name each host in `hosts`");
    } else {
        ledger.carried(number, format!("hosts, but for {}", refused.join(" ")));
        let message = format!("{} stands for no single host", refused.join(" "));
        ledger.warn(Some(number), message, "name each host in `hosts`");
    }
}

#[derive(Default)]
struct Files<'d> {
    certificates: Vec<&'d Directive>,
    keys: Vec<&'d Directive>,
}

impl Files<'_> {
    fn read(&self, host: &mut VirtualHost, ledger: &mut Ledger) {
        for (certificate, key) in self.certificates.iter().zip(&self.keys) {
            let (path, key_path) = (certificate.argument(0), key.argument(0));
            if [path, key_path]
                .iter()
                .any(|path| path.contains('$') || path.starts_with("data:"))
            {
                let reason = "which file it is follows from variables";
                let help = "name each pair of files in tls.certificates";
                ledger.left(certificate.number, reason, help);
                ledger.left(key.number, reason, help);
                continue;
            }
            ledger.carried(certificate.number, "tls.certificates");
            ledger.carried(key.number, "tls.certificates");
            if path.ends_with("/cert.pem") {
                let message = "without the authority's own certificate other servers refuse it (tls.chain.incomplete)";
                ledger.warn(Some(certificate.number), message, "name fullchain.pem");
            }
            host.certificates.push(Certificate {
                certificate: path.to_owned(),
                key: key_path.to_owned(),
            });
        }
        for one in self.certificates.iter().chain(&self.keys) {
            if !ledger.is_settled(one.number) {
                let help = "name both files in tls.certificates";
                ledger.left(one.number, "the other file of the pair is missing", help);
            }
        }
    }
}

/// `return 301 https://$host$request_uri;` in any spelling of it.
pub(super) fn is_redirect_to_https(directive: &Directive) -> bool {
    let url = match directive.name.as_str() {
        "return" if matches!(directive.argument(0), "301" | "302" | "307" | "308") => {
            directive.argument(1)
        }
        "return" => directive.argument(0),
        "rewrite" => directive.argument(1),
        _ => return false,
    };
    let rest = url.strip_prefix("https://");
    rest.is_some_and(|rest| {
        rest.contains("$request_uri") || rest.contains("$uri") || rest.contains("$1")
    })
}

fn redirects(directive: &Directive, host: &mut VirtualHost, ledger: &mut Ledger) {
    host.redirects = true;
    ledger.carried(
        directive.number,
        "plain requests are sent to https (profile = \"redirect\")",
    );
}

/// What certbot writes: `if ($host = example.com) { return 301 https://$host$request_uri; }`
fn condition(directive: &Directive, host: &mut VirtualHost, ledger: &mut Ledger) {
    let is_host = matches!(directive.argument(0), "($host" | "($scheme" | "($https");
    if let [only] = directive.children()
        && is_host
        && is_redirect_to_https(only)
    {
        ledger.carried(
            directive.number,
            "plain requests are sent to https (profile = \"redirect\")",
        );
        redirects(only, host, ledger);
        return;
    }
    location::conditional(directive, ledger);
}
