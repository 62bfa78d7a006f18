//! A configuration of ours, written from Synapse's files.

use std::fmt::Write;

use serde_json::Value;

use super::address::{Address, Certainty};
use super::deployment::Deployment;
use super::node::Fault;
use super::process::Process;
use super::remark::Remark;
use super::workers::{self, Entry};
use crate::config::{ByteSize, UpstreamAddress};
use crate::matrix::worker::Group;

/// A configuration and what there is to say about it.
#[derive(Debug)]
pub struct Imported {
    /// The configuration, as TOML.
    pub text: String,
    /// What it holds of Synapse's files, and what not.
    pub remarks: Vec<Remark>,
}

/// Writes a configuration that puts us in front of `deployment`.
///
/// The same files give the same text, in whichever order workers are named. What
/// would break is left out, with a remark; what is wrong with the files
/// themselves, [`lint`](fn@super::lint) tells.
///
/// # Errors
/// When the main process listens for nothing that could be passed on to it.
pub fn import(deployment: &Deployment) -> Result<Imported, Fault> {
    let main = address_of_main(deployment)?;
    let mut imported = Imported {
        text: String::new(),
        remarks: Vec::new(),
    };
    let entries = workers::entries(deployment, &main.upstream, &mut imported.remarks);
    imported.top_level(deployment, &main);
    imported.tls(deployment);
    imported.well_known(deployment);
    for entry in &entries {
        imported.worker(entry, deployment);
    }
    imported.taken_to_be_here(&deployment.main, &main, &entries);
    imported.answered_by_main(deployment, &entries);
    let left = deployment.without_place.iter();
    let left = left.map(|(key, reason)| Remark::left(format!("{key}: {reason}")));
    imported.remarks.extend(left);
    imported.remarks.sort_by_key(|remark| remark.kind);
    Ok(imported)
}

fn address_of_main(deployment: &Deployment) -> Result<Address, Fault> {
    let main = &deployment.main;
    let front = main.front();
    let address = front.and_then(|listener| Address::of(main, listener, deployment));
    address.ok_or_else(|| {
        let message = "the main process has no listener for client or federation requests";
        let help = "add one to `listeners`: type http, a port, and resources with names [client, federation]";
        Fault::of_file(&main.file, message, help)
    })
}

impl Imported {
    fn top_level(&mut self, deployment: &Deployment, main: &Address) {
        let first = deployment
            .files
            .first()
            .map_or(String::new(), |file| one_line(file));
        let more = match deployment.files.len() {
            0 | 1 => String::new(),
            2 => " and one more file".to_owned(),
            count => format!(" and {} more files", count.saturating_sub(1)),
        };
        self.line(format_args!(
            "# Written by `vestibule import synapse` from {first}{more}."
        ));
        let name = &deployment.server_name;
        self.key("server_name", name.as_str());
        self.carried(format!("server_name \"{name}\""));
        self.line(format_args!(
            "homeserver = {}",
            upstream(&main.upstream, deployment)
        ));
        self.carried(format!(
            "the main process at {}{}",
            main.upstream,
            source(main)
        ));
        self.mas(deployment);
        self.hosts(deployment);
        let size = ByteSize::kibibytes(50 << 10).bytes();
        let written = deployment.main.max_upload_size;
        if written != size {
            let shown = written
                .to_string()
                .parse()
                .map(|size: ByteSize| size.to_string());
            let shown = shown.unwrap_or_else(|_| written.to_string());
            self.key("max_upload_size", &shown);
            self.carried(format!("max_upload_size {shown}"));
        }
    }

    fn mas(&mut self, deployment: &Deployment) {
        let Some(mas) = &deployment.mas else { return };
        let key = if mas.is_experimental {
            "experimental_features.msc3861"
        } else {
            "matrix_authentication_service"
        };
        match &mas.address {
            Some(address) => {
                self.line(format_args!("mas = {}", quoted(&address.to_string())));
                self.carried(format!("{key}: login, logout and refresh go to {address}"));
            }
            None => self.remarks.push(
                Remark::problem(format!(
                    "{key}: its address is below a path or none at all, so login goes nowhere"
                ))
                .help("write `mas` with the scheme, host and port of the authentication service"),
            ),
        }
        self.remarks.push(
            Remark::left("the authentication service's own host, which is not in Synapse's files")
                .help(
                    "give it a [[routes]] with its `hosts`, and write \
                     \"org.matrix.msc2965.authentication\" below [well_known.client] \
                     where clients still need it",
                ),
        );
    }

    /// The names that the site is reached by, beside `server_name`.
    fn hosts(&mut self, deployment: &Deployment) {
        let name = &deployment.server_name;
        let public = deployment.public_host().filter(|host| *host != name.host());
        if let Some(host) = &public {
            self.line(format_args!("hosts = [{}]", quoted(host)));
        }
        if deployment.serves_well_known_server && name.port().is_none() && name.ip().is_none() {
            self.key("delegate", &format!("{}:443", name.host()));
            self.carried(format!(
                "serve_server_wellknown: other servers are sent to {}:443",
                name.host()
            ));
            return;
        }
        if name.port().is_some() || name.ip().is_some() {
            return;
        }
        if let Some(host) = public {
            self.line(format_args!(
                "# delegate = {}",
                quoted(&format!("{host}:443"))
            ));
        }
        self.remarks.push(
            Remark::left("where other servers connect, which is not in Synapse's files").help(format!(
                "if https://{}/.well-known/matrix/server exists today, write its m.server as `delegate`",
                name.host()
            )),
        );
    }

    fn tls(&mut self, deployment: &Deployment) {
        let has_tls = deployment
            .main
            .listeners
            .iter()
            .any(|listener| listener.is_tls);
        let Some((certificate, key)) = deployment.tls_files.as_ref().filter(|_| has_tls) else {
            self.remarks.push(
                Remark::left("certificates, which Synapse does not have")
                    .help("write [tls]: without it only those trust this server who are told to"),
            );
            return;
        };
        self.line(format_args!("\n[tls]\nsource = \"files\""));
        self.line(format_args!(
            "certificates = [{{ certificate = {}, key = {} }}]",
            quoted(certificate),
            quoted(key)
        ));
        self.carried("tls_certificate_path and tls_private_key_path".to_owned());
    }

    fn well_known(&mut self, deployment: &Deployment) {
        let mut client = toml::Table::new();
        if let Some(url) = &deployment.public_baseurl {
            self.public_baseurl(url.as_str(), deployment, &mut client);
        }
        if let Some(url) = &deployment.identity_server {
            if url.is_https() && !url.has_query_or_fragment() {
                client.insert("identity_server".to_owned(), url.as_str().into());
                self.carried(format!("default_identity_server {url}"));
            } else {
                let message = "default_identity_server: it is no plain https:// URL";
                self.remarks.push(Remark::left(message));
            }
        }
        for (key, value) in &deployment.well_known_client {
            self.well_known_key(key, value, &mut client);
        }
        if client.is_empty() {
            return;
        }
        let mut well_known = toml::Table::new();
        well_known.insert("client".to_owned(), client.into());
        let mut table = toml::Table::new();
        table.insert("well_known".to_owned(), well_known.into());
        let table = table.to_string();
        self.line(format_args!("\n{}", table.trim_end()));
    }

    fn public_baseurl(&mut self, url: &str, deployment: &Deployment, client: &mut toml::Table) {
        let path = url
            .split_once("://")
            .and_then(|(_, rest)| rest.split_once('/'));
        if !url.starts_with("https://") || url.contains(['?', '#']) {
            let message = "public_baseurl: it is no plain https:// URL";
            let help = "clients need one: change it in Synapse's file";
            self.remarks.push(Remark::left(message).help(help));
            return;
        }
        if path.is_some() {
            let message = format!("public_baseurl {url}: below a path, which requests keep here");
            let help = "Synapse would not know that path: give it a host of its own";
            self.remarks.push(Remark::problem(message).help(help));
        }
        let own = format!("https://{}", deployment.server_name.host());
        if url != own {
            client.insert("base_url".to_owned(), url.into());
        }
        self.carried(format!("public_baseurl {url}"));
    }

    fn well_known_key(&mut self, key: &str, value: &Value, client: &mut toml::Table) {
        let shown = one_line(key);
        if !key.contains('.') || matches!(key, "m.homeserver" | "m.identity_server") {
            let message = format!("extra_well_known_client_content: {shown:?}");
            let help = "only keys with a dot in them go into the document, and m.homeserver \
                        and m.identity_server have keys of their own";
            self.remarks.push(Remark::left(message).help(help));
            return;
        }
        if let Ok(value) = toml::Value::try_from(value) {
            client.insert(key.to_owned(), value);
            self.carried(format!("extra_well_known_client_content: {shown:?}"));
            return;
        }
        let message = format!("extra_well_known_client_content: {shown:?}");
        let help = "TOML has no null, and no number as large: leave them out of it";
        self.remarks.push(Remark::left(message).help(help));
    }

    fn worker(&mut self, entry: &Entry<'_>, deployment: &Deployment) {
        self.line(format_args!("\n[[workers]]"));
        self.key("name", &entry.name);
        let address = &entry.address.upstream;
        self.line(format_args!("upstream = {}", upstream(address, deployment)));
        let groups: Vec<&str> = entry.groups.iter().map(|group| group.as_str()).collect();
        let quoted: Vec<String> = groups.iter().map(|group| quoted(group)).collect();
        self.line(format_args!("groups = [{}]", quoted.join(", ")));
        let shown = entry.process.shown();
        let source = source(&entry.address);
        self.carried(format!(
            "{shown} at {address}{source}: {}",
            groups.join(", ")
        ));
        if entry.address.certainty == Certainty::Guess {
            let message =
                format!("{shown} runs elsewhere, and no file says where: {address} is a guess");
            self.remarks
                .push(Remark::problem(message).help("write its host"));
        }
    }

    /// Says which processes are taken to run beside us, because they listen on every address.
    fn taken_to_be_here(&mut self, main: &Process, address: &Address, entries: &[Entry<'_>]) {
        let workers = entries.iter().map(|entry| (entry.process, &entry.address));
        let here = std::iter::once((main, address)).chain(workers);
        let here = here.filter(|(_, address)| address.certainty == Certainty::ThisMachine);
        let here: Vec<String> = here.map(|(process, _)| process.shown_in_list()).collect();
        if !here.is_empty() {
            let message = format!("taken to be on this machine: {}", here.join(", "));
            let help = "write another host where one runs elsewhere or in a container";
            self.remarks.push(Remark::warning(message).help(help));
        }
    }

    /// Says what is left to the main process beside workers.
    fn answered_by_main(&mut self, deployment: &Deployment, entries: &[Entry<'_>]) {
        if entries.is_empty() {
            return;
        }
        let has_worker = |group: &Group| entries.iter().any(|entry| entry.groups.contains(group));
        let groups = Group::ALL.iter().filter(|group| {
            **group != Group::Main
                && **group != Group::GenericWorker
                && !has_worker(group)
                && !group.stand_ins().iter().any(has_worker)
                && workers::is_answered_by_main(deployment, **group)
        });
        let groups: Vec<&str> = groups.map(|group| group.as_str()).collect();
        if !groups.is_empty() {
            self.carried(format!(
                "what no worker does, the main process does: {}",
                groups.join(", ")
            ));
        }
    }

    fn carried(&mut self, message: String) {
        self.remarks.push(Remark::carried(message));
    }

    fn key(&mut self, key: &str, text: &str) {
        self.line(format_args!("{key} = {}", quoted(text)));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A text that stays on its line, in a comment or remark.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn upstream(address: &UpstreamAddress, deployment: &Deployment) -> String {
    let url = quoted(&address.to_string());
    match address {
        UpstreamAddress::Https { .. } => {
            let name = deployment.public_host();
            let name = name.unwrap_or_else(|| deployment.server_name.host().to_owned());
            format!("{{ url = {url}, tls_name = {} }}", quoted(&name))
        }
        UpstreamAddress::Http { .. } | UpstreamAddress::Unix(_) => url,
    }
}

/// Where a host that no listener names is from.
fn source(address: &Address) -> &'static str {
    match address.certainty {
        Certainty::Mapped => " (host after instance_map)",
        Certainty::Written | Certainty::ThisMachine | Certainty::Guess => "",
    }
}
