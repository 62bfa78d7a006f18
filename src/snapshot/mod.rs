//! What runs: a configuration compiled into one immutable value.

mod compile;
mod documents;
mod upstreams;

use std::sync::Arc;

use http::HeaderValue;

use crate::policy::TrustedProxies;
use crate::route::{Sites, UpstreamId};
use crate::upstream::{Deadlines, Upstream};

pub use compile::compile;

/// Everything a request needs to know. A request keeps the snapshot that was
/// in force when it began.
#[derive(Debug)]
pub struct Snapshot {
    /// Who is served.
    pub sites: Sites,
    /// Every upstream, by its id.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Whose forwarding headers are believed.
    pub trusted_proxies: TrustedProxies,
    /// Deadlines of upstream connections.
    pub deadlines: Deadlines,
    /// What one request may cost.
    pub limits: RequestLimits,
    /// `Strict-Transport-Security`, where it is on.
    pub hsts: Option<HeaderValue>,
    /// The port of redirects to HTTPS.
    pub https_port: u16,
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

impl Snapshot {
    /// The upstream of an id that this snapshot gave out.
    pub fn upstream(&self, id: UpstreamId) -> Option<Arc<Upstream>> {
        self.upstreams.get(id.0).cloned()
    }
}
