//! The sites as they run: who is served, and what beyond Matrix.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::matrix::cors;
use crate::matrix::path::has_prefix;
use crate::message::Fields;
use crate::policy::Networks;
use crate::policy::response_headers::Rewrite308;

/// Names an upstream of the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamId(pub usize);

/// Names a homeserver of the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HomeserverId(pub usize);

/// Every site, and which host belongs to which.
#[derive(Debug, Default)]
pub struct Sites {
    sites: Vec<Arc<Site>>,
    by_host: HashMap<Box<str>, usize>,
}

impl Sites {
    /// Collects sites. A host that two of them claim stays with the first; the
    /// configuration check reports it before this is reached.
    pub fn new(sites: Vec<Arc<Site>>) -> Self {
        let mut by_host = HashMap::new();
        for (index, site) in sites.iter().enumerate() {
            for host in &site.hosts {
                by_host.entry(host.clone()).or_insert(index);
            }
        }
        Self { sites, by_host }
    }

    /// The site that serves `host` (as [`super::host::normalized`] gives it).
    pub fn by_host(&self, host: &str) -> Option<&Arc<Site>> {
        self.by_host
            .get(host)
            .and_then(|&index| self.sites.get(index))
    }

    /// The one site there is, if there is only one.
    pub fn only(&self) -> Option<&Arc<Site>> {
        match self.sites.as_slice() {
            [site] => Some(site),
            _ => None,
        }
    }

    /// All of them, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Site>> {
        self.sites.iter()
    }
}

/// One server name and what is served for it.
#[derive(Debug)]
pub struct Site {
    /// The Matrix server name; also the `site` of logs and metrics.
    pub name: Arc<str>,
    /// The host of the server name, where its documents live.
    pub server_host: Box<str>,
    /// Every host that this site answers for, normalized.
    pub hosts: Vec<Box<str>>,
    /// Where Synapse is.
    pub homeserver: HomeserverId,
    /// Where the Matrix Authentication Service is, for what it answers in Synapse's place.
    pub mas: Option<UpstreamId>,
    /// The largest upload, in bytes.
    pub max_upload_size: u64,
    /// The largest other body, in bytes.
    pub max_body_size: u64,
    /// What becomes of an upstream's 308.
    pub rewrite_308: Rewrite308,
    /// Whether public documents of the homeserver are kept.
    pub edge_cache: bool,
    /// Who answers for `/.well-known/matrix/`.
    pub well_known: WellKnown,
    /// Routes beyond Matrix, the longest path first.
    pub routes: Vec<Route>,
}

/// Who answers for `/.well-known/matrix/`.
#[derive(Debug)]
pub enum WellKnown {
    /// Synapse does.
    Homeserver,
    /// We do, from memory.
    Documents(Box<Documents>),
}

/// The documents that are configured; the others are 404.
#[derive(Debug, Default)]
pub struct Documents {
    /// `/.well-known/matrix/server`
    pub server: Option<Document>,
    /// `/.well-known/matrix/client`
    pub client: Option<Document>,
    /// `/.well-known/matrix/support`
    pub support: Option<Document>,
    /// `/.well-known/matrix/policy_server`
    pub policy_server: Option<Document>,
}

/// A JSON document made once.
#[derive(Clone, Debug)]
pub struct Document {
    /// The JSON text.
    pub body: Bytes,
    /// A strong entity tag, quotes included.
    pub etag: Box<str>,
    /// Every field of a 200.
    pub fields: Arc<Fields>,
    /// Every field of a 304.
    pub unchanged: Arc<Fields>,
}

impl Document {
    /// A document that may be kept as `cache_control` says, by any page that asks.
    pub fn new(body: Bytes, etag: &str, cache_control: &str) -> Self {
        let mut unchanged = Fields::default();
        unchanged.push("ETag", etag);
        unchanged.push("Cache-Control", cache_control);
        for (name, value) in cors::PREFLIGHT {
            unchanged.push(name, value);
        }
        let mut fields = unchanged.clone();
        fields.push("Content-Type", "application/json");
        fields.push("Content-Length", body.len().to_string());
        Self {
            body,
            etag: etag.into(),
            fields: Arc::new(fields),
            unchanged: Arc::new(unchanged),
        }
    }
}

/// A path prefix that is not (only) the homeserver's.
#[derive(Debug)]
pub struct Route {
    /// The prefix: whole segments, without a slash at the end; `/` is empty.
    pub path: Arc<str>,
    /// Only on these hosts; empty for all of the site's.
    pub hosts: Vec<Box<str>>,
    /// Only for these clients; `None` for everyone. Others get what they would
    /// get if nothing were here, even inside a route that is open to them.
    pub networks: Option<Networks>,
    /// What happens there.
    pub target: Target,
}

/// What a route does.
#[derive(Debug)]
pub enum Target {
    /// Passes the request to the site's own homeserver.
    Homeserver(Bounds),
    /// Passes the request to another upstream.
    Upstream(Forwarding),
    /// Sends everyone to one URL.
    Redirect(http::HeaderValue),
    /// Serves files.
    Folder(Arc<Folder>),
}

/// What a request on a route may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The largest body, in bytes.
    pub max_body_size: u64,
    /// The longest silence of the upstream.
    pub read_timeout: Duration,
}

/// How requests go to a route's upstream.
#[derive(Debug)]
pub struct Forwarding {
    /// Where to.
    pub upstream: UpstreamId,
    /// Whether the route's path is cut from the target.
    pub strip_prefix: bool,
    /// Whether `Upgrade: websocket` passes.
    pub websocket: bool,
    /// What a request may take.
    pub bounds: Bounds,
}

/// A folder of static files, such as Element Web.
#[derive(Debug)]
pub struct Folder {
    /// Where the files are.
    pub root: PathBuf,
    /// `config.json`, where it is configured rather than a file.
    pub config_json: Option<Document>,
}

impl Route {
    /// Whether this route is for `path` on `host`.
    pub fn matches(&self, host: &str, path: &[u8]) -> bool {
        has_prefix(path, &self.path)
            && (self.hosts.is_empty() || self.hosts.iter().any(|h| **h == *host))
    }

    /// Whether `client` may use this route.
    pub fn admits(&self, client: std::net::IpAddr) -> bool {
        self.networks.as_ref().is_none_or(|n| n.contains(client))
    }
}
