//! What runs: a configuration compiled into one immutable value.

mod compile;
mod documents;
mod homeservers;
mod origin_rules;
mod traffic;
mod upstreams;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;

use crate::keys;
use crate::listen::challenges::Challenges;
use crate::policy::origin_rules::OriginRules;
use crate::policy::{Signatures, TrustedProxies};
use crate::route::{HomeserverId, Sites, UpstreamId};
use crate::traffic::Traffic;
use crate::upstream::health::Checks;
use crate::upstream::{Deadlines, Homeserver, Upstream};

pub use compile::compile;

/// Everything a request needs to know. A request keeps the snapshot that was
/// in force when it began.
#[derive(Debug)]
pub struct Snapshot {
    /// Who is served.
    pub sites: Sites,
    /// Every upstream of routes, by its id.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Every homeserver, by its id.
    pub homeservers: Vec<Arc<Homeserver>>,
    /// Who goes to each homeserver and who waits, by its id.
    pub traffic: Vec<Arc<Traffic>>,
    /// How the processes of homeservers are checked.
    pub checks: Checks,
    /// Whose forwarding headers are believed.
    pub trusted_proxies: TrustedProxies,
    /// Deadlines of upstream connections.
    pub deadlines: Deadlines,
    /// What one request may cost.
    pub limits: RequestLimits,
    /// How requests wait for a process that is away.
    pub holding: Holding,
    /// What other servers may do.
    pub federation: Federation,
    /// Which servers may do what. What lists hold is put in here as it is read.
    pub origin_rules: ArcSwap<OriginRules>,
    /// How their keys are had.
    pub keys: keys::Settings,
    /// `Strict-Transport-Security`, where it is on.
    pub hsts: Option<HeaderValue>,
    /// The port of redirects to HTTPS.
    pub https_port: u16,
    /// What certificate authorities are answered that check a name, where any is asked.
    pub challenges: Option<Arc<Challenges>>,
}

/// What other servers may do.
#[derive(Clone, Copy, Debug)]
pub struct Federation {
    /// What their signatures are taken for.
    pub signatures: Signatures,
    /// Bytes of a body that are kept so that it can be verified though it is not canonical JSON.
    pub most_kept: usize,
    /// Whether what would be refused is only counted.
    pub dry_run: bool,
}

/// What one request may cost.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// The longest target, in bytes.
    pub target_size: usize,
    /// Largest head, in bytes.
    pub head_size: usize,
    /// Most fields in a head.
    pub head_fields: usize,
}

/// How requests wait for a process that is away.
#[derive(Clone, Copy, Debug)]
pub struct Holding {
    /// The longest wait.
    pub longest: Duration,
    /// Requests that wait at the same time.
    pub most: u32,
}

impl Snapshot {
    /// The upstream of an id that this snapshot gave out.
    pub fn upstream(&self, id: UpstreamId) -> Option<Arc<Upstream>> {
        self.upstreams.get(id.0).cloned()
    }

    /// The homeserver of the site with this server name.
    pub fn homeserver_of(&self, server_name: &str) -> Option<&Arc<Homeserver>> {
        let mut sites = self.sites.iter();
        let site = sites.find(|site| *site.name == *server_name)?;
        self.homeserver(site.homeserver)
    }

    /// The traffic of the site with this server name.
    pub fn traffic_of(&self, server_name: &str) -> Option<&Arc<Traffic>> {
        let mut sites = self.sites.iter();
        let site = sites.find(|site| *site.name == *server_name)?;
        self.traffic.get(site.homeserver.0)
    }

    /// The homeserver of an id that this snapshot gave out.
    pub fn homeserver(&self, id: HomeserverId) -> Option<&Arc<Homeserver>> {
        self.homeservers.get(id.0)
    }
}
