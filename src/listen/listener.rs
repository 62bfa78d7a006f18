//! The compiled facts of one listener.

use std::sync::Arc;

use ipnet::IpNet;

use crate::matrix::Profile;

/// One listener as the rest of the program sees it.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The address as it was configured, which is the listener's name in logs and metrics.
    pub name: Arc<str>,
    /// Which requests it takes.
    pub profile: Profile,
    /// Whether connections begin with a TLS handshake.
    pub tls: bool,
    /// Connections from these networks must begin with a PROXY header; none others may.
    pub proxy_protocol: Vec<IpNet>,
}
