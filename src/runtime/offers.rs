//! What each listener with TLS offers.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::authorities::{NoAuthority, private_roots};
use super::certificates::{Certificates, FILES_CHECK};
use crate::config::{Config, UnknownNames};
use crate::listen::Listener;
use crate::listen::tls::{self, NoSecret, Offer, SecretFile};

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum NoOffer {
    /// The system has no randomness, or the settings contradict each other.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// A file with authorities for clients.
    #[error(transparent)]
    ClientCa(#[from] NoAuthority),
    /// The file with the secret of session tickets.
    #[error(transparent)]
    Secret(#[from] NoSecret),
}

/// The offers of all listeners.
pub(super) struct Offers {
    /// None where no listener has TLS.
    usual: Option<Offer>,
    /// Of listeners that ask for certificates of clients, by name.
    to_certified: HashMap<String, Offer>,
    /// What session tickets follow from; none where keys are our own, and once it is followed.
    secret: Option<SecretFile>,
}

impl Offers {
    /// Reads what they need.
    pub(super) fn of_all(
        certificates: Option<&Certificates>,
        config: &Config,
    ) -> Result<Self, NoOffer> {
        let mut offers = Self {
            usual: None,
            to_certified: HashMap::new(),
            secret: None,
        };
        let Some(certificates) = certificates else {
            return Ok(offers);
        };
        let store = &certificates.store;
        let is_strict = config.tls.unknown_names == UnknownNames::Refuse;
        let offer = |config| Offer {
            config,
            challenges: certificates.challenges(),
            only_known: is_strict.then(|| store.clone()),
        };
        let secret = config.tls.ticket_secret.as_ref();
        offers.secret = secret.map(|path| SecretFile::read(path)).transpose()?;
        let tickets = offers.secret.as_ref().map(SecretFile::tickets);
        offers.usual = Some(offer(tls::server_config(store.clone(), tickets, None)?));
        for listener in config.listeners.iter().filter(|listener| listener.tls) {
            let Some(path) = &listener.client_ca else {
                continue;
            };
            let roots = Arc::new(private_roots(path)?);
            // Tickets of its own: a session that began elsewhere had no certificate to show.
            let special = offer(tls::server_config(store.clone(), None, Some(roots))?);
            for address in &listener.address {
                let name = address.to_string();
                offers.to_certified.insert(name, special.clone());
            }
        }
        Ok(offers)
    }

    /// Looks after the secret of session tickets in a task of `watches`.
    pub(super) fn follow_secret(&mut self, watches: &mut JoinSet<()>) {
        if let Some(secret) = self.secret.take() {
            watches.spawn(follow(secret));
        }
    }

    /// What `listener` offers; none without TLS.
    pub(super) fn of(&self, listener: &Listener) -> Option<Offer> {
        let special = self.to_certified.get(&*listener.name);
        let offer = special.or(self.usual.as_ref()).cloned();
        offer.filter(|_| listener.tls)
    }
}

/// Takes up new secrets from the file for as long as the program runs.
async fn follow(mut secret: SecretFile) {
    loop {
        tokio::time::sleep(FILES_CHECK).await;
        match secret.look() {
            Some(Ok(())) => tracing::info!("new secret for session tickets"),
            Some(Err(error)) => tracing::error!("{error}; the old secret stays"),
            None => {}
        }
    }
}
