//! A homeserver and the names it is reached by.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::route::Route;
use super::section::Section;
use super::span::Spanned;
use super::upstream::Upstream;
use super::value::{ByteSize, Host};
use super::well_known::WellKnown;
use super::worker::{GroupLimits, Worker};
use crate::matrix::ServerName;

/// The keys of a site, which may stand at top level.
pub(super) const KEYS: [&str; 12] = [
    "server_name",
    "homeserver",
    "workers",
    "groups",
    "mas",
    "hosts",
    "delegate",
    "max_upload_size",
    "rewrite_308",
    "edge_cache",
    "well_known",
    "routes",
];
const NO_SITE: &str = "name the Matrix server and where Synapse listens:\n\
                       server_name = \"example.com\"\n\
                       homeserver = \"http://127.0.0.1:8008\"";

/// One homeserver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Site {
    /// The Matrix server name: what stands after the colon of a user's id, as
    /// `server_name` in homeserver.yaml. May carry a port.
    #[schemars(example = "example.com")]
    pub server_name: Spanned<ServerName>,
    /// Where Synapse listens: `http://host:port`, `https://host[:port]` or
    /// `unix:/path`.
    #[schemars(example = "http://127.0.0.1:8008")]
    pub homeserver: Upstream,
    /// The worker processes of Synapse beside the main one, each under
    /// `[[workers]]`. `vestibule import synapse` writes them from Synapse's own
    /// files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<Worker>,
    /// What one worker of a group takes at a time, each under `[[groups]]`. It
    /// holds for the main process too, where that answers for the group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupLimits>,
    /// The Matrix Authentication Service. It gets the login, logout and refresh of
    /// older clients (seven paths, no others); what browsers see of it has a host
    /// of its own and is one of the `routes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "http://127.0.0.1:8080")]
    pub mas: Option<Upstream>,
    /// Further HTTP hosts that this site answers for, without ports. The hosts of
    /// `server_name`, of `delegate` and of routes belong to it anyway.
    pub hosts: Vec<Spanned<Host>>,
    /// What other servers are told to connect to, by `/.well-known/matrix/server`:
    /// `host[:port]`; without a port they ask DNS for one, then take 8448. Without
    /// this key the document is 404 and they come to port 8448 of `server_name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "matrix.example.com:443")]
    pub delegate: Option<Spanned<ServerName>>,
    /// The largest upload of media, as `max_upload_size` in homeserver.yaml.
    /// Larger ones are refused before they reach Synapse.
    pub max_upload_size: ByteSize,
    /// Which redirects with status 308 of the homeserver go out as 301, for the
    /// clients and servers that do not know 308.
    pub rewrite_308: Rewrite308,
    /// Whether public documents are kept at the door: the homeserver's signing keys and version,
    /// and for who shows no token `/_matrix/client/versions` and `auth_metadata`. They are
    /// answered from memory for as long as Synapse's `Cache-Control` allows, requests at the same
    /// time become one, and while Synapse is down the last answer is given out for up to a day,
    /// keys no longer than they are valid. That includes answers marked `no-store`, as Synapse
    /// marks keys and version, which are given out at no other time.
    pub edge_cache: bool,
    /// The documents below `/.well-known/matrix`.
    pub well_known: WellKnown,
    /// More than Matrix on the same hosts: each `[[routes]]` opens one path
    /// prefix. The longest prefix wins; it matches whole segments of the raw path;
    /// a route with `hosts` wins over one of the same path without.
    pub routes: Vec<Route>,
}

/// Which methods have 308 turned into 301.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rewrite308 {
    /// All of them.
    All,
    /// GET and HEAD only, whose meaning 301 does not change.
    Get,
    /// None: 308 goes out as it is.
    Off,
}

impl Site {
    /// The hosts that this site answers for; some may come twice.
    pub fn all_hosts(&self) -> impl Iterator<Item = &str> {
        let names = [Some(&self.server_name), self.delegate.as_ref()];
        let names = names.into_iter().flatten().map(|name| name.host());
        let routes = self.routes.iter().flat_map(|route| &route.hosts);
        names.chain(self.hosts.iter().chain(routes).map(|host| host.as_str()))
    }

    /// The sites of the file: those under `[[sites]]`, or the one at top level.
    pub(super) fn read_all(root: &mut Section<'_>) -> Vec<Self> {
        let report = root.report();
        if !root.has("sites") {
            root.take("sites");
            return Self::read_single(root).into_iter().collect();
        }
        for key in KEYS {
            let message = format!("`{key}` stands at top level beside [[sites]]");
            let help = "with several sites each key of a site belongs under its [[sites]]";
            root.refuse(key, &message, help);
        }
        let before = report.len();
        let sites = root.tables("sites", |mut section| {
            let site = Self::read_keys(&mut section);
            section.finish();
            site
        });
        let sites = sites.unwrap_or_default();
        if sites.is_empty() && report.len() == before {
            report.add(Diagnostic::new("there is no site", None).help(NO_SITE));
        }
        sites
    }

    fn read_single(root: &mut Section<'_>) -> Option<Self> {
        if root.has("server_name") || root.has("homeserver") {
            return Self::read_keys(root);
        }
        root.report()
            .add(Diagnostic::new("there is no site", None).help(NO_SITE));
        for key in KEYS {
            root.take(key);
        }
        None
    }

    fn read_keys(section: &mut Section<'_>) -> Option<Self> {
        let server_name: Option<Spanned<ServerName>> =
            section.required("server_name", "server_name = \"example.com\"");
        let delegate: Option<Spanned<ServerName>> = section.optional("delegate");
        let address = delegate.as_ref().or(server_name.as_ref());
        let homeserver = Upstream::required(
            section,
            "homeserver",
            "homeserver = \"http://127.0.0.1:8008\"",
        );
        let workers = section.tables("workers", Worker::read).unwrap_or_default();
        let groups = section.tables("groups", GroupLimits::read);
        let mas = section.take("mas");
        let mas = mas.and_then(|value| Upstream::read(section, value, "mas"));
        let hosts = section.list("hosts").unwrap_or_default();
        let max_upload_size = section.or("max_upload_size", ByteSize::kibibytes(50 << 10));
        let rewrite_308 = section.or("rewrite_308", Rewrite308::All);
        let edge_cache = section.or("edge_cache", true);
        let well_known =
            section.table_or_default("well_known", |keys| WellKnown::read(keys, address));
        let routes = section.tables("routes", Route::read).unwrap_or_default();
        Some(Self {
            server_name: server_name?,
            homeserver: homeserver?,
            workers,
            groups: groups.unwrap_or_default(),
            mas,
            hosts,
            delegate,
            max_upload_size,
            rewrite_308,
            edge_cache,
            well_known,
            routes,
        })
    }
}
