//! What each listener with TLS offers.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::authorities::{NoAuthority, private_roots};
use super::certificates::Serving;
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
        let server_config = if let Some(usual) = same {
            usual.offer.config.clone()
        } else {
            let tickets = ticket_secret.as_deref().map(shared_tickets).transpose()?;
            tls::server_config(store.clone(), tickets, None)?
        };
        offers.usual = Some(Usual {
            offer: offer(server_config),
            ticket_secret,
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
