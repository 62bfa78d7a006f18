//! Where `proxy_pass` leads: upstreams by name, addresses, variables.

use std::collections::HashMap;

use super::super::directive::Directive;
use super::super::front::{Choice, Front, Target};
use super::super::ledger::Ledger;
use crate::config::UpstreamAddress;

/// The upstreams and maps of the whole configuration.
#[derive(Default)]
pub(super) struct Destinations {
    /// Addresses as they stand in `server`, without a scheme.
    upstreams: HashMap<String, Vec<String>>,
    maps: HashMap<String, ByArgument>,
}

/// A map from whether the query has an argument.
struct ByArgument {
    directive: usize,
    argument: String,
    with: String,
    without: String,
}

/// What a `proxy_pass` says.
pub(super) struct Destination {
    pub(super) to: Choice,
    /// What the prefix of the path is replaced by.
    pub(super) path: Option<String>,
    /// Directives without which it would not be understood.
    pub(super) by: Vec<usize>,
}

impl Destinations {
    /// Finds every `upstream` and `map`.
    pub(super) fn collect(&mut self, tree: &[Directive], front: &mut Front, ledger: &mut Ledger) {
        for directive in tree {
            match directive.name.as_str() {
                "http" => self.collect(directive.children(), front, ledger),
                "upstream" => self.upstream(directive, front, ledger),
                "map" => self.map(directive, ledger),
                _ => {}
            }
        }
    }

    fn upstream(&mut self, directive: &Directive, front: &mut Front, ledger: &mut Ledger) {
        let reason = "no rule that was carried over leads there";
        let help = "nothing, or write a [[routes]] with `upstream`";
        ledger.left(directive.number, reason, help);
        let name = directive.argument(0).to_owned();
        let mut addresses = Vec::new();
        for server in directive
            .children()
            .iter()
            .filter(|child| child.name == "server")
        {
            if server.has("down") || server.has("backup") {
                let reason = "what is away is found out, and others help out";
                ledger.left(server.number, reason, "nothing, or name it in [[workers]]");
                continue;
            }
            ledger.left(server.number, reason, help);
            let address = server.argument(0);
            let shown = canonical("http", address);
            front
                .members
                .extend(shown.map(|shown| (directive.number, server.number, shown)));
            addresses.push(address.to_owned());
        }
        self.upstreams.insert(name, addresses);
    }

    fn map(&mut self, directive: &Directive, ledger: &mut Ledger) {
        let number = directive.number;
        let source = directive.argument(0);
        let name = directive.argument(1).to_owned();
        ledger.not_needed(number, "no rule that was carried over goes by it");
        let Some(argument) = source.strip_prefix("$arg_") else {
            return;
        };
        let value = |key: &str| {
            let mut rows = directive.children().iter();
            let row = rows.find(|row| row.name == key)?;
            Some(row.argument(0).to_owned())
        };
        if let (Some(with), Some(without)) = (value("default"), value("")) {
            let map = ByArgument {
                directive: number,
                argument: argument.to_owned(),
                with,
                without,
            };
            self.maps.insert(name, map);
        }
    }

    /// Understands the argument of a `proxy_pass`; `Err` says what is not understood.
    pub(super) fn understand(
        &self,
        text: &str,
        variables: &[(usize, String, String)],
    ) -> Result<Destination, String> {
        let mut by = Vec::new();
        let mut text = text.to_owned();
        for (number, name, value) in variables {
            let braced = format!("${{{}}}", name.trim_start_matches('$'));
            let replaced = text.replace(&braced, value).replace(name, value);
            if replaced != text {
                text = replaced;
                by.push(*number);
            }
        }
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| "it names no http:// or https://".to_owned())?;
        let (authority, path) = split(rest);
        let path =
            path.filter(|path| !matches!(path.as_str(), "$request_uri" | "$uri$is_args$args"));
        if path.as_ref().is_some_and(|path| path.contains('$')) {
            return Err("the path that it sends is made of variables".to_owned());
        }
        if let Some(map) = self.maps.get(&authority) {
            by.push(map.directive);
            let to = Choice::ByArgument {
                name: map.argument.clone(),
                with: self.target(scheme, &map.with)?,
                without: self.target(scheme, &map.without)?,
            };
            return Ok(Destination { to, path, by });
        }
        let to = Choice::Always(self.target(scheme, &authority)?);
        Ok(Destination { to, path, by })
    }

    fn target(&self, scheme: &str, authority: &str) -> Result<Target, String> {
        if authority.contains('$') {
            return Err("where it leads follows from variables".to_owned());
        }
        let not_understood = |address: &str| {
            let shown = super::super::directive::one_line(address);
            format!("{shown:?} is no address of ours")
        };
        if let Some(members) = self.upstreams.get(authority) {
            let addresses = members
                .iter()
                .map(|member| canonical(scheme, member).ok_or_else(|| not_understood(member)));
            let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
            if addresses.is_empty() {
                return Err("its upstream has no server".to_owned());
            }
            let name = authority.to_owned();
            return Ok(Target { name, addresses });
        }
        let address = canonical(scheme, authority).ok_or_else(|| not_understood(authority))?;
        Ok(Target {
            name: String::new(),
            addresses: vec![address],
        })
    }
}

/// The authority, and the path behind it where there is one.
fn split(rest: &str) -> (String, Option<String>) {
    if rest.starts_with("unix:") {
        // `unix:/path:/uri`
        let mut parts = rest.splitn(3, ':');
        let (scheme, path) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        let uri = parts.next().filter(|uri| !uri.is_empty());
        return (format!("{scheme}:{path}"), uri.map(str::to_owned));
    }
    let is_path = |(index, c): &(usize, char)| *c == '/' || (*c == '$' && *index > 0);
    let Some((at, _)) = rest.char_indices().find(is_path) else {
        return (rest.to_owned(), None);
    };
    let (authority, path) = rest.split_at_checked(at).unwrap_or((rest, ""));
    (authority.to_owned(), Some(path.to_owned()))
}

/// An address as we write it.
fn canonical(scheme: &str, address: &str) -> Option<String> {
    let text = if address.starts_with("unix:") {
        address.trim_end_matches(':').to_owned()
    } else {
        format!("{scheme}://{address}")
    };
    let address: UpstreamAddress = text.parse().ok()?;
    Some(address.to_string())
}
