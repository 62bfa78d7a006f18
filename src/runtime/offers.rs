//! What each listener with TLS offers.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::authorities::{NoAuthority, private_roots};
use super::certificates::Certificates;
use crate::config::{Config, UnknownNames};
use crate::listen::Listener;
use crate::listen::tls::{self, Offer, SharedTickets, ShortSecret};

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
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The same, and it holds too little.
    #[error("{} is no secret for session tickets: {source}; make one with `openssl rand -out FILE 64`", path.display())]
    Short {
        /// The file.
        path: PathBuf,
        /// How short it is.
        source: ShortSecret,
    },
}

/// The offers of all listeners.
pub(super) struct Offers {
    /// None where no listener has TLS.
    usual: Option<Offer>,
    /// Of listeners that ask for certificates of clients, by name.
    to_certified: HashMap<String, Offer>,
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
        let tickets = secret.map(|path| shared_tickets(path)).transpose()?;
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

    /// What `listener` offers; none without TLS.
    pub(super) fn of(&self, listener: &Listener) -> Option<Offer> {
        let special = self.to_certified.get(&*listener.name);
        let offer = special.or(self.usual.as_ref()).cloned();
        offer.filter(|_| listener.tls)
    }
}

fn shared_tickets(path: &Path) -> Result<Arc<SharedTickets>, NoOffer> {
    let path = path.to_owned();
    match fs::read(&path) {
        Ok(secret) => match SharedTickets::new(&secret) {
            Ok(tickets) => Ok(Arc::new(tickets)),
            Err(source) => Err(NoOffer::Short { path, source }),
        },
        Err(source) => Err(NoOffer::Unreadable { path, source }),
    }
}
