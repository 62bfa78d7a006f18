//! One process of Synapse: the main one, or a worker.

use super::document::Document;
use super::listener::{Listener, Resource};
use super::node::{Faults, Node};
use super::stream::MAIN;

/// The `worker_app` of the main process, which may be written too.
const MAIN_APP: &str = "synapse.app.homeserver";
/// An application of old that answers for media, whatever `enable_media_repo` says.
const MEDIA_APP: &str = "synapse.app.media_repository";
/// Synapse's default of `max_upload_size`.
const MAX_UPLOAD_SIZE: u64 = 50 << 20;

/// The files that a process is started with; later ones override earlier ones.
pub(super) struct Layers<'a> {
    pub(super) documents: Vec<&'a Document>,
    pub(super) faults: &'a Faults,
}

impl<'a> Layers<'a> {
    /// What holds for this process.
    pub(super) fn key(&self, key: &str) -> Node<'a> {
        let mut latest_first = self.documents.iter().rev();
        let found = latest_first.find_map(|document| Some((*document, document.key(key)?)));
        let (name, value) = match found {
            Some((document, value)) => (document.name(), Some(value)),
            None => (self.file(), None),
        };
        Node::new(value, name, key, self.faults)
    }

    /// The file that is this process's own.
    pub(super) fn file(&self) -> &'a str {
        self.documents.last().map_or("", |document| document.name())
    }
}

/// Whether a file makes a worker of what is started with it.
pub(super) fn is_of_worker(document: &Document) -> bool {
    match document.key("worker_app") {
        Some(app) if !app.is_null() => app.as_str() != Some(MAIN_APP),
        _ => ["worker_name", "worker_listeners"]
            .iter()
            .any(|key| document.key(key).is_some()),
    }
}

/// One process.
#[derive(Debug)]
pub(super) struct Process {
    /// As `stream_writers` names it.
    pub(super) name: String,
    /// The file to change for it.
    pub(super) file: String,
    /// What `worker_app` says of an old worker's duty, such as `pusher`; empty for
    /// a generic worker.
    pub(super) app: String,
    pub(super) listeners: Vec<Listener>,
    pub(super) has_media_repository: bool,
    pub(super) max_upload_size: u64,
}

impl Process {
    pub(super) fn main(layers: &Layers<'_>) -> Self {
        Self::read(layers, MAIN, "", "listeners")
    }

    pub(super) fn worker(layers: &Layers<'_>) -> Option<Self> {
        let app = layers.key("worker_app");
        if !app.is_written() {
            return app.fault(
                "a worker's file without `worker_app`, which Synapse does not start",
                "write worker_app: synapse.app.generic_worker",
            );
        }
        let app = app.text()?;
        let written = layers.key("worker_name");
        let name = written.text().unwrap_or(app);
        if name.contains("${") {
            let help = "name the files as they are rendered, such as in the running container";
            return written.is_not("a name yet", help);
        }
        let duty = app
            .rsplit('.')
            .next()
            .filter(|duty| *duty != "generic_worker");
        let duty = duty.unwrap_or_default();
        Some(Self::read(layers, name, duty, "worker_listeners"))
    }

    fn read(layers: &Layers<'_>, name: &str, app: &str, listeners: &str) -> Self {
        let listeners = layers.key(listeners).list();
        let is_media_app =
            layers.key("worker_app").json().and_then(|app| app.as_str()) == Some(MEDIA_APP);
        Self {
            name: name.to_owned(),
            file: layers.file().to_owned(),
            app: app.to_owned(),
            listeners: listeners.iter().filter_map(Listener::read).collect(),
            has_media_repository: is_media_app
                || layers.key("enable_media_repo").flag().unwrap_or(true),
            max_upload_size: layers
                .key("max_upload_size")
                .size()
                .unwrap_or(MAX_UPLOAD_SIZE),
        }
    }

    pub(super) fn is_main(&self) -> bool {
        self.name == MAIN
    }

    /// How remarks name it.
    pub(super) fn shown(&self) -> String {
        if self.is_main() {
            "the main process".to_owned()
        } else {
            format!("worker {:?}", self.name)
        }
    }

    /// How remarks name it among others.
    pub(super) fn shown_in_list(&self) -> String {
        if self.is_main() {
            "the main process".to_owned()
        } else {
            format!("{:?}", self.name)
        }
    }

    /// The listener for requests from outside; `None` where there is none.
    pub(super) fn front(&self) -> Option<&Listener> {
        let useful = self
            .listeners
            .iter()
            .filter(|listener| listener.usefulness() > 0);
        // The first of the best: `max_by_key` takes the last.
        useful.rev().max_by_key(|listener| listener.usefulness())
    }

    /// Whether requests that need `resource` are answered by this listener.
    ///
    /// The main process has media wherever it has clients or federation; a worker
    /// only where it says so.
    pub(super) fn answers(&self, listener: &Listener, resource: Resource) -> bool {
        if resource != Resource::Media {
            return listener.has(resource);
        }
        let implied = listener.has(Resource::Client) && listener.has(Resource::Federation);
        self.has_media_repository && (listener.has(Resource::Media) || (self.is_main() && implied))
    }
}
