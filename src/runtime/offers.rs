//! What each listener with TLS offers.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::AbortHandle;

use super::authorities::{NoAuthority, private_roots};
use super::certificates::{FILES_CHECK, Serving};
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
#[derive(Default)]
pub(super) struct Offers {
    /// None where no listener has TLS.
    usual: Option<Usual>,
    /// Of listeners that ask for certificates of clients, by name.
    to_certified: HashMap<String, Offer>,
}

/// What most listeners offer.
struct Usual {
    offer: Offer,
    ticket_secret: Option<PathBuf>,
    /// What takes up new secrets from that file.
    following: Option<Arc<Following>>,
}

/// A task that ends with this.
struct Following(AbortHandle);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Offers {
    /// Reads what they need. What `previous` settled stays as long as it may: its tickets open
    /// the sessions of the clients.
    pub(super) fn of_all(
        serving: &Serving,
        config: &Config,
        previous: &Self,
    ) -> Result<Self, NoOffer> {
        let mut offers = Self::default();
        let Serving { store, challenges } = serving;
        let is_strict = config.tls.unknown_names == UnknownNames::Refuse;
        let offer = |config| Offer {
            config,
            challenges: challenges.clone(),
            only_known: is_strict.then(|| store.clone()),
        };
        let ticket_secret = config.tls.ticket_secret.as_deref().cloned();
        let before = previous.usual.as_ref();
        let same = before.filter(|usual| usual.ticket_secret == ticket_secret);
        let (server_config, following) = if let Some(usual) = same {
            (usual.offer.config.clone(), usual.following.clone())
        } else {
            let secret = ticket_secret.as_deref().map(SecretFile::read).transpose()?;
            let tickets = secret.as_ref().map(SecretFile::tickets);
            let config = tls::server_config(store.clone(), tickets, None)?;
            let start = |secret| Following(tokio::spawn(follow(secret)).abort_handle());
            (config, secret.map(start).map(Arc::new))
        };
        offers.usual = Some(Usual {
            offer: offer(server_config),
            ticket_secret,
            following,
        });
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

    /// What `listener` offers; none without TLS.
    pub(super) fn of(&self, listener: &Listener) -> Option<Offer> {
        let special = self.to_certified.get(&*listener.name);
        let usual = self.usual.as_ref().map(|usual| &usual.offer);
        special.or(usual).cloned().filter(|_| listener.tls)
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
