//! pingora's proxy, set up as a library within our own runtime.

use std::sync::Arc;

use pingora::proxy::HttpProxy;
use pingora::server::configuration::ServerConf;
use pingora::tls::{RootCertStore, load_platform_certs_incl_env_into_store};

use crate::config::Config;
use crate::proxy::FrontDoor;

/// Pooled upstream connections, over all upstreams.
const POOLED: usize = 1024;

/// Attempts of one request, over all addresses of its upstream; the front door
/// decides which of them make sense.
const MAX_ATTEMPTS: usize = 8;

/// Why the engine cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum NoEngine {
    /// The engine would panic on the system's certificate store.
    #[error(
        "the system's CA certificates cannot be loaded: {0}; \
         check SSL_CERT_FILE and SSL_CERT_DIR, or install ca-certificates"
    )]
    SystemRoots(String),
}

/// The engine with the front door in it.
pub(super) fn proxy(
    front_door: FrontDoor,
    config: &Config,
) -> Result<Arc<HttpProxy<FrontDoor>>, NoEngine> {
    load_platform_certs_incl_env_into_store(&mut RootCertStore::empty())
        .map_err(|error| NoEngine::SystemRoots(error.to_string()))?;
    let settings = ServerConf {
        threads: usize::from(config.threads).max(1),
        max_retries: MAX_ATTEMPTS,
        upstream_keepalive_pool_size: POOLED,
        ..ServerConf::default()
    };
    let mut proxy = HttpProxy::new(front_door, Arc::new(settings));
    proxy.handle_init_modules();
    Ok(Arc::new(proxy))
}
