//! Lookups that are under way: one for each server, and so many in all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;

use super::budget::{Budgets, Spent};
use super::{NoKey, Settings, milliseconds};
use crate::telemetry::Telemetry;

/// Lookups under way, on whichever thread.
pub(super) struct Flights {
    under_way: Mutex<HashMap<u128, Landing>>,
    budgets: Budgets,
    telemetry: Arc<Telemetry>,
}

/// What a lookup is wanted for.
pub(super) struct Wanted {
    /// The server, as its digest.
    pub(super) server: u128,
    /// Whether keys of it are known.
    pub(super) has_keys: bool,
    /// For whom.
    pub(super) client: IpAddr,
}

/// What becomes of it.
pub(super) enum Start {
    /// It may be made.
    Go(Flight),
    /// One of this server is under way.
    UnderWay(Landing),
    /// It may not be made.
    Refused(NoKey),
}

/// A lookup that is under way until this is dropped: when it has landed, and when the thread that
/// it is on ends.
pub(super) struct Flight {
    server: u128,
    flights: Arc<Flights>,
    landed: watch::Sender<()>,
    _spent: Spent,
}

/// The end of a lookup.
#[derive(Clone)]
pub(super) struct Landing(watch::Receiver<()>);

impl Landing {
    /// Waits for it.
    pub(super) async fn landed(mut self) {
        // Nothing is ever sent: the end of the sender is the message.
        while self.0.changed().await.is_ok() {}
    }
}

impl Flights {
    pub(super) fn new(telemetry: Arc<Telemetry>) -> Arc<Self> {
        Arc::new(Self {
            under_way: Mutex::default(),
            budgets: Budgets::new(),
            telemetry,
        })
    }

    /// Begins a lookup, where there is room for it.
    ///
    /// A quarter of the places is for servers of which keys are known, so that those go on being
    /// verified whatever else is asked for.
    pub(super) fn begin(self: &Arc<Self>, wanted: &Wanted, settings: &Settings) -> Start {
        let mut under_way = self.locked();
        if let Some(landing) = under_way.get(&wanted.server) {
            return Start::UnderWay(landing.clone());
        }
        let most = if wanted.has_keys {
            settings.lookups
        } else {
            settings.lookups - settings.lookups / 4
        };
        if under_way.len() >= most {
            return Start::Refused(NoKey::Busy);
        }
        let now = milliseconds(SystemTime::now());
        let Some(spent) = self.budgets.spend(wanted.client, settings, now) else {
            return Start::Refused(NoKey::Address);
        };
        let (landed, landing) = watch::channel(());
        under_way.insert(wanted.server, Landing(landing));
        self.telemetry.key_lookups_under_way(under_way.len());
        Start::Go(Flight {
            server: wanted.server,
            flights: self.clone(),
            landed,
            _spent: spent,
        })
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.locked().is_empty()
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<u128, Landing>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    pub(super) fn server(&self) -> u128 {
        self.server
    }

    pub(super) fn landing(&self) -> Landing {
        Landing(self.landed.subscribe())
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut under_way = self.flights.locked();
        under_way.remove(&self.server);
        self.flights
            .telemetry
            .key_lookups_under_way(under_way.len());
    }
}
