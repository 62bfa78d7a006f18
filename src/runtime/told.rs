//! What the admin listener is told beyond the snapshot.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

use super::certificate_list::{certificate_rows, ends_from};
use super::certificates;
use crate::admin::Certificates;
use crate::config::Config;
use crate::listen::certificates::CertificateStore;
use crate::lists::List;

/// What is in force, for people.
#[derive(Default)]
pub(super) struct Told {
    /// As TOML, without secrets.
    pub(super) shown: Arc<ArcSwap<String>>,
    in_force: Arc<ArcSwapOption<InForce>>,
    /// The lists of servers.
    pub(super) lists: Arc<ArcSwap<Vec<Arc<List>>>>,
}

struct InForce {
    config: Config,
    /// None where no listener needs certificates.
    store: Option<Arc<CertificateStore>>,
}

impl Told {
    /// Notes that `config` is in force.
    pub(super) fn put_in_force(
        &self,
        config: &Config,
        certificates: Option<&certificates::Certificates>,
    ) {
        self.shown.store(Arc::new(config.shown()));
        self.in_force.store(Some(Arc::new(InForce {
            config: config.clone(),
            store: certificates.map(|it| it.serving.store.clone()),
        })));
    }

    /// What there is of certificates, when that is asked.
    pub(super) fn certificates(&self) -> Arc<Certificates> {
        let in_force = self.in_force.clone();
        Arc::new(move || match in_force.load_full().as_deref() {
            Some(InForce {
                config,
                store: Some(store),
            }) => Ok(ends_from(store, certificate_rows(config)?)),
            _ => Ok(Vec::new()),
        })
    }
}
