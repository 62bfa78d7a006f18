//! What serves requests, for each thread.

use std::sync::Arc;

use pingora::tls::{RootCertStore, load_platform_certs_incl_env_into_store};

use crate::config::{Action, Config, UpstreamAddress};
use crate::proxy::{Engine, FrontDoor, TunnelEngine};

/// Why the engine cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum NoEngine {
    /// pingora would panic on the system's certificate store.
    #[error(
        "the system's CA certificates cannot be loaded: {0}; \
         check SSL_CERT_FILE and SSL_CERT_DIR, or install ca-certificates"
    )]
    SystemRoots(String),
}

/// Engines with the front door in them, one for each of `workers` threads.
pub(super) fn engines(front_door: FrontDoor, workers: usize) -> Vec<Arc<Engine>> {
    let door = Arc::new(front_door);
    let tunnels = Arc::new(TunnelEngine::new(door.clone()));
    let engine = || Arc::new(Engine::new(door.clone(), tunnels.clone()));
    std::iter::repeat_with(engine).take(workers).collect()
}

/// Whether engines can carry what a configuration asks for.
pub(super) fn check(config: &Config) -> Result<(), NoEngine> {
    if wants_pingora(config) {
        load_platform_certs_incl_env_into_store(&mut RootCertStore::empty())
            .map_err(|error| NoEngine::SystemRoots(error.to_string()))?;
    }
    Ok(())
}

/// Whether pingora carries anything of this configuration: upstreams with TLS, or tunnels.
fn wants_pingora(config: &Config) -> bool {
    let is_tls = |upstream: &crate::config::Upstream| {
        matches!(&*upstream.url, UpstreamAddress::Https { .. })
    };
    let is_wanted = |route: &crate::config::Route| match &route.action {
        Action::Upstream { .. } => true,
        Action::Homeserver { .. } | Action::Redirect { .. } | Action::Folder { .. } => false,
    };
    config
        .sites
        .iter()
        .any(|site| is_tls(&site.homeserver) || site.routes.iter().any(is_wanted))
}
