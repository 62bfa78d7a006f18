//! A whole Synapse: its processes, and what they share.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::document::Document;
use super::node::{Fault, Faults, Node};
use super::process::{Layers, Process, is_of_worker};
use super::stream::Writers;
use crate::config::{HttpUrl, UpstreamAddress};
use crate::matrix::ServerName;

/// What a process does that no request asks for, by the key that says so.
const DUTIES: [(&str, &str); 4] = [
    ("federation_sender_instances", "sends to other servers"),
    ("pusher_instances", "pushes notifications"),
    (
        "notify_appservices_from_worker",
        "notifies application services",
    ),
    ("run_background_tasks_on", "runs background tasks"),
];
/// Keys that Synapse gave up, and refuses or ignores.
const GIVEN_UP: [&str; 3] = [
    "worker_main_http_uri",
    "worker_replication_host",
    "worker_replication_http_port",
];

/// What the files of a Synapse say, as far as it concerns whoever is in front.
#[derive(Debug)]
pub struct Deployment {
    pub(super) files: Vec<String>,
    pub(super) server_name: ServerName,
    pub(super) main: Process,
    /// In the order of their names.
    pub(super) workers: Vec<Process>,
    /// The names of `instance_map`, with the host where that is no socket. The
    /// main process is `main` there.
    pub(super) instances: BTreeMap<String, Option<String>>,
    pub(super) writers: Writers,
    /// What workers do beside answering requests.
    pub(super) duties: Vec<(String, &'static str)>,
    /// The worker that updates the user directory.
    pub(super) user_directory: Option<String>,
    /// The process that tidies media up.
    pub(super) media_jobs: Option<String>,
    pub(super) public_baseurl: Option<HttpUrl>,
    pub(super) identity_server: Option<HttpUrl>,
    pub(super) well_known_client: Map<String, Value>,
    pub(super) serves_well_known_server: bool,
    pub(super) mas: Option<Mas>,
    /// The certificate and its key, where both are written.
    pub(super) tls_files: Option<(String, String)>,
    /// What is written and has no place in a configuration of ours: key and reason.
    pub(super) without_place: Vec<(String, &'static str)>,
}

/// A Matrix Authentication Service beside Synapse.
#[derive(Debug)]
pub(super) struct Mas {
    /// Where Synapse reaches it; `None` where that is below a path.
    pub(super) address: Option<UpstreamAddress>,
    /// Whether it is written the old way, as `experimental_features.msc3861`.
    pub(super) is_experimental: bool,
}

impl Deployment {
    /// Understands the files of a deployment. Those without `worker_app` make the
    /// main process, and are what workers share; a worker's file that has a
    /// `server_name` of its own stands alone.
    pub fn read(documents: &[Document]) -> Result<Self, Vec<Fault>> {
        let faults = Faults::default();
        let (workers, shared): (Vec<_>, Vec<_>) =
            documents.iter().partition(|one| is_of_worker(one));
        if shared.is_empty() {
            let name = documents.first().map_or("(no file)", Document::name);
            let help = "name the main process's file first, commonly homeserver.yaml";
            return Err(vec![Fault::of_file(
                name,
                "no file of the main process was named",
                help,
            )]);
        }
        let layers = Layers {
            documents: shared,
            faults: &faults,
        };
        let workers = read_workers(&workers, &layers);
        let deployment = Self::from_layers(&layers, workers, documents);
        let faults = RefCell::into_inner(faults);
        match deployment {
            Some(deployment) if faults.is_empty() => Ok(deployment),
            _ => Err(faults),
        }
    }

    fn from_layers(
        layers: &Layers<'_>,
        workers: Vec<Process>,
        documents: &[Document],
    ) -> Option<Self> {
        let main = Process::main(layers);
        let names = duties(layers);
        let certificate = layers.key("tls_certificate_path").text();
        let key = layers.key("tls_private_key_path").text();
        let well_known = layers.key("extra_well_known_client_content");
        well_known.entries();
        let deployment = Self {
            files: documents.iter().map(|one| one.name().to_owned()).collect(),
            server_name: server_name(layers)?,
            main,
            workers,
            instances: instances(&layers.key("instance_map")),
            writers: Writers::read(&layers.key("stream_writers")),
            duties: names,
            user_directory: owned(&layers.key("update_user_directory_from_worker")),
            media_jobs: owned(&layers.key("media_instance_running_background_jobs")),
            public_baseurl: url(&layers.key("public_baseurl")),
            identity_server: url(&layers.key("default_identity_server")),
            well_known_client: well_known
                .json()
                .and_then(|content| content.as_object().cloned())
                .unwrap_or_default(),
            serves_well_known_server: layers.key("serve_server_wellknown").flag().unwrap_or(false),
            mas: Mas::read(layers),
            tls_files: certificate
                .zip(key)
                .map(|(certificate, key)| (certificate.to_owned(), key.to_owned())),
            without_place: without_place(layers, documents),
        };
        Some(deployment)
    }

    /// The host that clients use, where the files say it.
    pub(super) fn public_host(&self) -> Option<String> {
        let url = self.public_baseurl.as_ref()?.as_str();
        let (_, rest) = url.split_once("://")?;
        let name: ServerName = rest.split(['/', '?', '#']).next()?.parse().ok()?;
        Some(name.host().to_owned())
    }

    /// Every process, the main one first.
    pub(super) fn processes(&self) -> impl Iterator<Item = &Process> {
        std::iter::once(&self.main).chain(&self.workers)
    }
}

/// The workers, in the order of their names.
fn read_workers<'a>(documents: &[&'a Document], shared: &Layers<'a>) -> Vec<Process> {
    let mut first: HashMap<String, &str> = HashMap::new();
    let mut workers = Vec::new();
    for document in documents {
        let stands_alone = document.key("server_name").is_some();
        let shared_documents = if stands_alone {
            &[]
        } else {
            shared.documents.as_slice()
        };
        let layers = Layers {
            documents: shared_documents.iter().chain([document]).copied().collect(),
            faults: shared.faults,
        };
        let Some(worker) = Process::worker(&layers) else {
            continue;
        };
        if let Some(other) = first.insert(worker.name.clone(), document.name()) {
            let message = format!(
                "\"{}\" is the name of two workers, the other in {other}",
                worker.name
            );
            let help = "each worker needs a name of its own";
            layers.key("worker_name").report(message, help);
        }
        workers.push(worker);
    }
    workers.sort_by(|left, right| left.name.cmp(&right.name));
    workers
}

fn server_name(layers: &Layers<'_>) -> Option<ServerName> {
    let node = layers.key("server_name");
    if !node.is_written() {
        return node.fault(
            "it is missing",
            "name homeserver.yaml, which has it, as well",
        );
    }
    let name = node.text()?.parse().ok();
    name.or_else(|| {
        node.is_not(
            "a server name",
            "write a host name, with a port if it has one",
        )
    })
}

fn owned(node: &Node<'_>) -> Option<String> {
    node.text().map(str::to_owned)
}

fn url(node: &Node<'_>) -> Option<HttpUrl> {
    let text = node.text()?;
    let url = text.trim_end_matches('/').parse().ok();
    url.or_else(|| {
        node.is_not(
            "a web address",
            "write one such as https://matrix.example.com/",
        )
    })
}

fn instances(map: &Node<'_>) -> BTreeMap<String, Option<String>> {
    let entries = map.entries().into_iter();
    let entries = entries.map(|(name, place)| {
        let host = place.key("host").text();
        let host = host.map(|host| host.trim_end_matches('.').to_owned());
        (name.to_owned(), host)
    });
    entries.collect()
}

fn duties(layers: &Layers<'_>) -> Vec<(String, &'static str)> {
    let duties = DUTIES.iter().flat_map(|(key, duty)| {
        let names = layers.key(key).texts().into_iter();
        names.map(|name| (name.to_owned(), *duty))
    });
    duties.collect()
}

/// Keys of which the operator should know that they stay with Synapse.
fn without_place(layers: &Layers<'_>, documents: &[Document]) -> Vec<(String, &'static str)> {
    let mut left = Vec::new();
    let whitelist = layers.key("federation_domain_whitelist");
    if whitelist.is_written() {
        let count = whitelist.list().len();
        let plural = if count == 1 { "" } else { "s" };
        left.push((
            format!("federation_domain_whitelist ({count} server{plural})"),
            "Synapse goes on refusing all others itself",
        ));
    }
    if layers.key("web_client_location").text().is_some() {
        left.push((
            "web_client_location".to_owned(),
            "requests for / do not reach Synapse: a [[routes]] with `redirect` does the same",
        ));
    }
    for key in GIVEN_UP {
        if documents.iter().any(|document| document.key(key).is_some()) {
            left.push((
                key.to_owned(),
                "Synapse gave it up: take it out of its files",
            ));
        }
    }
    left
}

impl Mas {
    fn read(layers: &Layers<'_>) -> Option<Self> {
        let section = layers.key("matrix_authentication_service");
        section.entries();
        if section.key("enabled").flag() == Some(true) {
            let endpoint = section.key("endpoint");
            let written = if endpoint.is_written() {
                endpoint.text()?
            } else {
                "http://localhost:8080"
            };
            return Some(Self {
                address: written.parse().ok(),
                is_experimental: false,
            });
        }
        let section = layers.key("experimental_features").key("msc3861");
        if section.key("enabled").flag() != Some(true) {
            return None;
        }
        let inside = section.key("introspection_endpoint").text();
        let url = inside.or_else(|| section.key("issuer").text());
        Some(Self {
            address: url.and_then(origin).and_then(|origin| origin.parse().ok()),
            is_experimental: true,
        })
    }
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    Some(format!("{scheme}://{authority}"))
}
