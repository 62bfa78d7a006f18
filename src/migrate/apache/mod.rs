//! What an Apache does.

mod address;
mod header;
mod host;
mod parse;
mod rule;
mod words;

pub(super) use parse::read;

use std::collections::HashMap;

use super::directive::Directive;
use super::front::{AccessLog, Front, Target};
use super::ledger::{Ledger, find};

/// Balancers by their names.
type Balancers = HashMap<String, Target>;

/// Reads the directives, and settles what can be settled by each alone.
pub(super) fn understand(tree: &[Directive], ledger: &mut Ledger) -> Front {
    settle(tree, ledger);
    let mut front = Front::default();
    let mut balancers = Balancers::new();
    collect(tree, &mut balancers, &mut front, ledger);
    for directive in tree {
        whole_proxy(directive, &mut front, ledger);
        if directive.name.eq_ignore_ascii_case("virtualhost") {
            let host = host::read(directive, tree, &balancers, &mut front, ledger);
            front.hosts.push(host);
        }
    }
    front
}

/// Finds the balancers, wherever they stand.
fn collect(tree: &[Directive], balancers: &mut Balancers, front: &mut Front, ledger: &mut Ledger) {
    for directive in tree {
        collect(directive.children(), balancers, front, ledger);
        let name = directive.argument(0);
        if !directive.name.eq_ignore_ascii_case("proxy") || !name.starts_with("balancer://") {
            continue;
        }
        let name = name.trim_end_matches('/').to_owned();
        let mut addresses = Vec::new();
        for member in directive.children() {
            if !member.name.eq_ignore_ascii_case("balancermember") {
                continue;
            }
            let help = "nothing, or write a [[routes]] with `upstream`";
            ledger.left(
                member.number,
                "no rule that was carried over leads there",
                help,
            );
            if let Some((address, _)) = address::understand(member.argument(0)) {
                front
                    .members
                    .push((directive.number, member.number, address.clone()));
                addresses.push(address);
            }
        }
        let shown = name.trim_start_matches("balancer://").to_owned();
        balancers.insert(
            name,
            Target {
                name: shown,
                addresses,
            },
        );
    }
}

/// What holds for all hosts here, wherever it is written there.
fn whole_proxy(directive: &Directive, front: &mut Front, ledger: &mut Ledger) {
    let number = directive.number;
    match directive.name.to_ascii_lowercase().as_str() {
        "customlog" | "transferlog" => access_log(directive, front, ledger),
        "remoteipheader" => {
            if directive
                .argument(0)
                .eq_ignore_ascii_case("x-forwarded-for")
            {
                ledger.carried(number, "where the address of a client is taken from");
            } else {
                let help = "let the proxy in front send X-Forwarded-For";
                ledger.left(number, "X-Forwarded-For alone is believed", help);
            }
        }
        "remoteipproxyprotocol" => {
            let is_on = directive.argument(0).eq_ignore_ascii_case("on");
            front.trusts_proxy_protocol |= is_on;
            ledger.carried(number, "proxy_protocol of [[listeners]]");
        }
        "remoteiptrustedproxy" | "remoteipinternalproxy" => {
            let networks = directive.arguments.iter();
            front
                .trusted
                .extend(networks.map(|network| (number, network.clone())));
        }
        "header" => {
            if let Some(age) = header::max_age(directive) {
                front.hsts.get_or_insert((number, age));
            }
        }
        _ => {}
    }
}

fn access_log(directive: &Directive, front: &mut Front, ledger: &mut Ledger) {
    let number = directive.number;
    let path = directive.argument(0);
    if front.access_log.is_some() {
        let help = "the lines name the host: filter them";
        ledger.left(number, "there is one access log for all hosts", help);
    } else if path.starts_with('|') || path.starts_with("syslog") || path.contains("${") {
        let help = "write access_log.path, or let the service manager keep standard output";
        ledger.left(
            number,
            "the access log goes to one file or to standard output",
            help,
        );
    } else {
        front.access_log = Some((number, AccessLog::File(path.to_owned())));
    }
}

/// What becomes of a directive by its name alone.
fn settle(tree: &[Directive], ledger: &mut Ledger) {
    for directive in tree {
        if directive.unread.is_none() {
            settle_one(directive, ledger);
        }
        let name = directive.name.to_ascii_lowercase();
        if matches!(
            name.as_str(),
            "directory" | "directorymatch" | "files" | "filesmatch"
        ) {
            settle_folder(directive.children(), ledger);
        } else {
            settle(directive.children(), ledger);
        }
    }
}

/// What holds for folders of this machine.
fn settle_folder(tree: &[Directive], ledger: &mut Ledger) {
    for directive in tree {
        ledger.not_needed(directive.number, "only the folders of routes are served");
        settle_folder(directive.children(), ledger);
    }
}

fn settle_one(directive: &Directive, ledger: &mut Ledger) {
    let number = directive.number;
    let name = directive.name.to_ascii_lowercase();
    match name.as_str() {
        "header" => header::to_client(directive, ledger),
        "requestheader" => header::to_upstream(directive, ledger),
        "sslprotocol" => protocols(directive, ledger),
        // What is in it was read only where it holds.
        "ifmodule" | "ifdefine" | "ifversion" | "iffile" if directive.block.is_some() => {
            let help = "read it, and write what is needed";
            ledger.left(number, "what it asks for is taken not to be so", help);
        }
        _ => {
            if let Some(row) = find(words::NOT_NEEDED, &name, |row| row.0) {
                ledger.not_needed(number, row.1);
            } else if let Some(row) = find(words::LEFT, &name, |row| row.0) {
                ledger.left(number, row.1, row.2);
            }
        }
    }
    let answers_itself = name == "errordocument"
        || (name == "proxyerroroverride" && directive.argument(0).eq_ignore_ascii_case("on"));
    if answers_itself {
        let message = "pages in the place of Matrix errors look like an outage (json.unknown)";
        ledger.warn(
            Some(number),
            message,
            "here the homeserver's errors pass unchanged",
        );
    }
}

fn protocols(directive: &Directive, ledger: &mut Ledger) {
    let number = directive.number;
    ledger.not_needed(number, "TLS 1.2 and 1.3 are spoken");
    let is_old =
        |word: &String| matches!(word.trim_start_matches('+'), "SSLv3" | "TLSv1" | "TLSv1.1");
    if directive.arguments.iter().any(is_old) {
        let message = "TLS before 1.2 was accepted (tls.proto.old)";
        let help = "no homeserver needs it, and clients of ten years know 1.2";
        ledger.warn(Some(number), message, help);
    }
}
