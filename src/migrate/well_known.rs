//! The documents below `/.well-known/matrix`, wherever they come from.

use serde_json::{Map, Value};

use super::Open;
use super::front::{Action, Rule, VirtualHost};
use super::ledger::Ledger;
use crate::config::HttpUrl;
use crate::matrix::ServerName;

const BELOW: &str = "/.well-known/matrix/";

/// What the documents say.
#[derive(Debug, Default)]
pub(super) struct WellKnown {
    /// The names of the hosts that have the document for servers.
    pub(super) names: Vec<String>,
    /// `m.server`.
    pub(super) delegate: Option<ServerName>,
    /// Further keys for servers.
    pub(super) server: toml::Table,
    /// `[well_known.client]`.
    pub(super) client: toml::Table,
    /// `[well_known.support]`.
    pub(super) support: toml::Table,
    /// Whether Synapse answers.
    pub(super) is_from_homeserver: bool,
}

/// Reads the documents of all hosts; the first of each kind counts.
pub(super) fn read(
    hosts: &[VirtualHost],
    main: &str,
    open: &mut Open<'_>,
    ledger: &mut Ledger,
) -> WellKnown {
    let mut known = WellKnown::default();
    for name in ["server", "client", "support"] {
        for host in hosts {
            let path = format!("{BELOW}{name}");
            if let Some(rule) = host.rule(&path) {
                let source = source(rule, &path, main, open);
                known.take(name, source, host, (rule, ledger));
            }
        }
    }
    known
}

enum Source {
    Nothing,
    Homeserver,
    Text(String),
    Unread(String),
}

fn source(rule: &Rule, path: &str, main: &str, open: &mut Open<'_>) -> Source {
    let file = match &rule.action {
        Action::Document { status: 200, text } => return Source::Text(text.clone()),
        Action::Pass { to, .. } => {
            let is_main = |address: &String| address == main;
            let leads = to
                .targets()
                .iter()
                .any(|target| target.addresses.iter().any(is_main));
            return match leads {
                true if is_about_well_known(rule) => Source::Homeserver,
                true => Source::Nothing,
                false => Source::Unread("another program answers".to_owned()),
            };
        }
        Action::File(file) => file.clone(),
        Action::Files(folder) => {
            let prefix = rule.paths.literal().unwrap_or_default();
            let rest = path.strip_prefix(prefix).unwrap_or(path);
            format!(
                "{}/{}",
                folder.trim_end_matches('/'),
                rest.trim_start_matches('/')
            )
        }
        Action::Document { .. } | Action::Redirect(_) | Action::Refuse | Action::Unknown => {
            return Source::Nothing;
        }
    };
    match open(&file) {
        Ok(files) => match files.into_iter().next() {
            Some(file) => Source::Text(file.text),
            None => Source::Unread(format!(
                "{} is not there",
                super::directive::one_line(&file)
            )),
        },
        Err(reason) => Source::Unread(reason),
    }
}

/// Whether a rule is there for these documents alone.
fn is_about_well_known(rule: &Rule) -> bool {
    rule.paths
        .literal()
        .is_some_and(|path| path.starts_with("/.well-known"))
}

fn settle(rule: &Rule, ledger: &mut Ledger, to: &str) {
    if is_about_well_known(rule) {
        ledger.carried(rule.directive, to);
        ledger.carried(rule.acting, to);
        if let Some(root) = rule.root {
            ledger.carried(root, to);
        }
    }
}

impl WellKnown {
    fn take(
        &mut self,
        name: &str,
        source: Source,
        host: &VirtualHost,
        (rule, ledger): (&Rule, &mut Ledger),
    ) {
        match source {
            Source::Homeserver => {
                self.is_from_homeserver = true;
                settle(rule, ledger, "well_known.serve = \"homeserver\"");
            }
            Source::Text(text) => {
                if name == "server" {
                    self.names.extend(host.names.iter().cloned());
                }
                self.document(name, &text, rule, ledger);
            }
            Source::Unread(reason) if is_about_well_known(rule) => {
                let help =
                    "write what the document says in [well_known], and m.server as `delegate`";
                ledger.left(rule.directive, reason.clone(), help);
                ledger.left(rule.acting, reason, help);
            }
            Source::Nothing | Source::Unread(_) => {}
        }
    }

    fn document(&mut self, name: &str, text: &str, rule: &Rule, ledger: &mut Ledger) {
        let Ok(Value::Object(document)) = serde_json::from_str(text) else {
            let reason = "it is no JSON object";
            let help = "write what it should say in [well_known], and m.server as `delegate`";
            ledger.left(rule.directive, reason, help);
            ledger.left(rule.acting, reason, help);
            return;
        };
        match name {
            "server" => self.server(document, rule, ledger),
            "client" => self.client(document, rule, ledger),
            _ => self.support(document, rule, ledger),
        }
    }

    fn server(&mut self, document: Map<String, Value>, rule: &Rule, ledger: &mut Ledger) {
        for (key, value) in document {
            if key == "m.server" {
                let delegate = value
                    .as_str()
                    .and_then(|text| text.parse::<ServerName>().ok());
                self.delegate = self.delegate.take().or(delegate);
            } else {
                insert(&mut self.server, &key, &value, rule, ledger);
            }
        }
        if let Some(delegate) = &self.delegate {
            let to = format!("delegate = \"{delegate}\"");
            settle(rule, ledger, &to);
        } else {
            let help = "write `delegate`";
            ledger.left(rule.directive, "its m.server is no server name", help);
            ledger.left(rule.acting, "its m.server is no server name", help);
        }
    }

    fn client(&mut self, document: Map<String, Value>, rule: &Rule, ledger: &mut Ledger) {
        settle(rule, ledger, "[well_known.client]");
        if !self.client.is_empty() {
            return;
        }
        for (key, value) in document {
            let name = match key.as_str() {
                "m.homeserver" => "base_url",
                "m.identity_server" => "identity_server",
                _ => {
                    insert(&mut self.client, &key, &value, rule, ledger);
                    continue;
                }
            };
            let url = value
                .get("base_url")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let url = url.trim_end_matches('/');
            match url.parse::<HttpUrl>() {
                Ok(url) if url.is_https() && !url.has_query_or_fragment() => {
                    self.client.insert(name.to_owned(), url.as_str().into());
                }
                _ => {
                    let message = format!("{key} has no https URL, which clients need");
                    ledger.warn(
                        Some(rule.directive),
                        message,
                        "write it in [well_known.client]",
                    );
                }
            }
        }
    }

    fn support(&mut self, document: Map<String, Value>, rule: &Rule, ledger: &mut Ledger) {
        settle(rule, ledger, "[well_known.support]");
        for (key, value) in document {
            let is_known = matches!(key.as_str(), "contacts" | "support_page");
            match toml::Value::try_from(&value) {
                Ok(value) if is_known => {
                    self.support.insert(key, value);
                }
                _ => {
                    let message = "a key of the document has no place here";
                    ledger.warn(Some(rule.directive), message, "nothing: nobody reads it");
                }
            }
        }
    }
}

/// A key of one's own: those with a dot in them.
fn insert(table: &mut toml::Table, key: &str, value: &Value, rule: &Rule, ledger: &mut Ledger) {
    match toml::Value::try_from(value) {
        Ok(value) if key.contains('.') => {
            table.insert(key.to_owned(), value);
        }
        _ => {
            let shown = super::directive::one_line(key);
            let message = format!(
                "the key {shown:?} of the document has no dot in it, or a value that TOML has not"
            );
            ledger.warn(
                Some(rule.directive),
                message,
                "leave it out, or write it in [well_known]",
            );
        }
    }
}
