//! The keys of other servers, by which their requests are verified.
//!
//! A key is asked of the site's own homeserver, which finds servers, keeps their keys and guards
//! its network by itself: nothing goes out from here. What it answers is checked again, and
//! remembered for the whole process, across reloads.
//!
//! Anybody may claim to be any server, so a request costs a lookup at most:
//!
//! - Lookups of one server are one at a time, however many requests wait, on whichever thread.
//! - A server of which nothing was found is let be for a while, with whatever key it is claimed
//!   to have. One that has keys is let be as well where a lookup brought no new one.
//! - Lookups for one client address have a rate, and a share of those that may be under way.
//!
//! Memory is bounded by the number of keys (some 500 bytes each), 16384 servers that are let be
//! and 16384 addresses (some 100 bytes each), and 128 KiB for each lookup under way.

mod budget;
mod flight;
mod kept;
mod lookup;
mod pause;
mod pinned;

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use siphasher::sip128::{Hasher128, SipHasher24};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::flight::{Flight, Flights, Landing, Start, Wanted};
use self::kept::Kept;
use self::lookup::Lookup;
use self::pause::Pause;
pub use self::pinned::PinnedKeys;
use crate::matrix::ClaimedOrigin;
use crate::matrix::signature::VerifyKey;
use crate::telemetry::Telemetry;
use crate::upstream::{Deadlines, Homeserver, Pool};

/// Servers that are let be; one more displaces one of them.
const MOST_PAUSES: usize = 16 << 10;
/// Requests that wait for a key.
const MOST_WAITING: usize = 1000;
/// Lookups that one request waits for.
const MOST_TRIES: usize = 3;
/// Bytes of a key id. Those of Synapse have about 14.
const LONGEST_KEY_ID: usize = 128;

/// The keys of other servers, for the whole process.
pub struct ServerKeys {
    /// By site and server.
    kept: Cache<u128, Arc<Kept>, ByKeys>,
    /// Keys that there is room for in `kept`.
    most_keys: AtomicU64,
    /// Apart from `kept`, so that no flood of names displaces keys.
    pauses: Cache<u128, Pause>,
    flights: Arc<Flights>,
    waiting: Semaphore,
    digest: SipHasher24,
    telemetry: Arc<Telemetry>,
}

/// How keys are looked up and remembered.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Keys that are remembered.
    pub most_keys: u64,
    /// Lookups under way.
    pub lookups: usize,
    /// Lookups a minute for one client address.
    pub per_minute: u32,
    /// Lookups for one client address at once, after a time without any.
    pub burst: u32,
    /// How long a request waits for a key, where it has to.
    pub wait: Duration,
    /// Keys that are not looked up.
    pub pinned: PinnedKeys,
}

/// Whose key is wanted, and of whom it can be had.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// Whose.
    pub origin: &'a ClaimedOrigin,
    /// Which.
    pub key_id: &'a str,
    /// The address of the client who needs it.
    pub client: IpAddr,
    /// The server name of the site. What the homeserver of one says is not believed at another.
    pub site: &'a str,
    /// What goes into `Host`.
    pub host: &'a str,
    /// The site's.
    pub homeserver: &'a Arc<Homeserver>,
    /// The connections of this thread.
    pub pool: &'a Arc<Pool>,
    /// Those of connections to upstreams.
    pub deadlines: &'a Deadlines,
    /// As configured.
    pub settings: &'a Settings,
}

/// What is known of a key.
#[derive(Clone, Debug)]
pub enum Known {
    /// This is it.
    Key {
        /// The key.
        key: VerifyKey,
        /// Whether it is time to ask for it again.
        is_due: bool,
    },
    /// The server does not have it, or not any more, or is not to be reached.
    Absent(NoKey),
    /// Nothing.
    Unknown,
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoKey {
    /// The homeserver has no such key, and could not get it.
    Absent,
    /// What the homeserver has is not signed by the server itself, or with an unsound key.
    Rejected,
    /// The homeserver gave no answer.
    Failed,
    /// It did not come in time.
    Late,
    /// Too many have been looked up for this client address.
    Address,
    /// Too many are looked up, or waited for.
    Busy,
    /// The keys of this server are configured, and this is none of them.
    NotPinned,
}

impl NoKey {
    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Late => "late",
            Self::Address => "address",
            Self::Busy => "busy",
            Self::NotPinned => "not_pinned",
        }
    }
}

/// Each key has the weight of one, and so has a server without any.
#[derive(Clone)]
struct ByKeys;

impl Weighter<u128, Arc<Kept>> for ByKeys {
    fn weight(&self, _: &u128, kept: &Arc<Kept>) -> u64 {
        kept.count().max(1)
    }
}

impl ServerKeys {
    /// Nothing is known yet.
    pub fn new(settings: &Settings, telemetry: Arc<Telemetry>) -> Self {
        let random = RandomState::new();
        let most = settings.most_keys;
        Self {
            kept: Cache::with_weighter(usize::try_from(most).unwrap_or(usize::MAX), most, ByKeys),
            most_keys: AtomicU64::new(most),
            pauses: Cache::new(MOST_PAUSES),
            flights: Flights::new(telemetry.clone()),
            waiting: Semaphore::new(MOST_WAITING),
            digest: SipHasher24::new_with_keys(random.hash_one(0), random.hash_one(1)),
            telemetry,
        }
    }

    /// What is known of a key, at once.
    pub fn known(&self, asking: &Asking<'_>, now: SystemTime) -> Known {
        if let Some(pinned) = asking.settings.pinned.of(asking.origin.server_name()) {
            return match pinned.key(asking.key_id) {
                Some(key) => Known::Key { key, is_due: false },
                None => Known::Absent(NoKey::NotPinned),
            };
        }
        if !is_key_id(asking.key_id) {
            return Known::Absent(NoKey::Absent);
        }
        let server = self.digest(asking);
        let now = milliseconds(now);
        if let Some(kept) = self.kept.get(&server)
            && let Some(found) = kept.key(asking.key_id, now)
        {
            return Known::Key {
                key: found.key.clone(),
                is_due: found.is_due(now),
            };
        }
        match self.pauses.get(&server).filter(|pause| pause.holds(now)) {
            Some(pause) => Known::Absent(pause.reason),
            None => Known::Unknown,
        }
    }

    /// The key, where it is known. Where it is not, or should be asked for again, that happens
    /// meanwhile, and delays nobody. To be called on a worker thread.
    pub fn find(self: &Arc<Self>, asking: &Asking<'_>, now: SystemTime) -> Option<VerifyKey> {
        let known = self.known(asking, now);
        match known {
            Known::Key { key, is_due } => {
                if is_due {
                    self.renew(asking, now);
                }
                Some(key)
            }
            Known::Unknown => {
                drop(self.start(asking, None));
                None
            }
            Known::Absent(_) => None,
        }
    }

    /// The key, asked for where it is not known, for as long as a request may wait.
    pub async fn look_up(self: &Arc<Self>, asking: &Asking<'_>) -> Result<VerifyKey, NoKey> {
        let now = SystemTime::now();
        match self.known(asking, now) {
            Known::Key { key, is_due } => {
                if is_due {
                    self.renew(asking, now);
                }
                Ok(key)
            }
            Known::Absent(reason) => Err(reason),
            Known::Unknown => {
                let Ok(_place) = self.waiting.try_acquire() else {
                    self.telemetry.key_lookup_refused(NoKey::Busy.as_str());
                    return Err(NoKey::Busy);
                };
                let _counted = self.telemetry.key_waited_for();
                let awaited = timeout(asking.settings.wait, self.await_key(asking)).await;
                awaited.unwrap_or(Err(NoKey::Late))
            }
        }
    }

    /// Asks again for a key under which a signature was wrong, unless that was done within the last
    /// minute: the server may have another one of the same id by now.
    pub fn doubt(self: &Arc<Self>, asking: &Asking<'_>, now: SystemTime) {
        self.renew(asking, now);
    }

    /// Asks for a newer document than the one that the key is from.
    fn renew(self: &Arc<Self>, asking: &Asking<'_>, now: SystemTime) {
        let now = milliseconds(now);
        if let Some(kept) = self.kept.get(&self.digest(asking))
            && let Some(known) = kept.key(asking.key_id, now)
            && known.may_be_asked(now)
        {
            drop(self.start(asking, Some(known.published_until)));
        }
    }

    async fn await_key(self: &Arc<Self>, asking: &Asking<'_>) -> Result<VerifyKey, NoKey> {
        for _ in 0..MOST_TRIES {
            self.start(asking, None)?.landed().await;
            match self.known(asking, SystemTime::now()) {
                Known::Key { key, .. } => return Ok(key),
                Known::Absent(reason) => return Err(reason),
                // It was for another key of the server, or its thread has ended.
                Known::Unknown => {}
            }
        }
        Err(NoKey::Busy)
    }

    /// Starts a lookup, unless one of this server is under way.
    fn start(
        self: &Arc<Self>,
        asking: &Asking<'_>,
        newer_than: Option<u64>,
    ) -> Result<Landing, NoKey> {
        let server = self.digest(asking);
        let wanted = Wanted {
            server,
            has_keys: self.kept.peek(&server).is_some(),
            client: asking.client,
        };
        match self.flights.begin(&wanted, asking.settings) {
            Start::UnderWay(landing) => Ok(landing),
            Start::Refused(reason) => {
                self.telemetry.key_lookup_refused(reason.as_str());
                Err(reason)
            }
            Start::Go(flight) => {
                let landing = flight.landing();
                let lookup = Lookup::new(asking, newer_than);
                let most_keys = asking.settings.most_keys;
                tokio::spawn(self.clone().fly(flight, lookup, most_keys));
                Ok(landing)
            }
        }
    }

    /// Looks up, and remembers what that brought. It ends the flight where it is dropped, too.
    async fn fly(self: Arc<Self>, flight: Flight, lookup: Lookup, most_keys: u64) {
        let server = flight.server();
        let before = self.kept.get(&server).unwrap_or_default();
        let (kept, result) = lookup.ask(&before).await;
        self.resize(most_keys);
        if kept.count() > 0 {
            self.kept.insert(server, Arc::new(kept));
        }
        let now = milliseconds(SystemTime::now());
        match result {
            Ok(()) => {
                self.pauses.remove(&server);
            }
            Err(reason) => {
                let previous = self.pauses.get(&server);
                let pause = Pause::after(reason, before.count() > 0, previous.as_ref(), now);
                self.pauses.insert(server, pause);
            }
        }
        self.telemetry
            .key_lookup(result.map_or_else(NoKey::as_str, |()| "found"));
        self.telemetry
            .keys_known(self.kept.weight(), self.pauses.len());
    }

    /// Takes up a number of keys that a reload has changed.
    fn resize(&self, most: u64) {
        if self.most_keys.swap(most, Ordering::Relaxed) != most {
            self.kept.set_capacity(most);
        }
    }

    /// Stands for a server, as one site knows it.
    fn digest(&self, asking: &Asking<'_>) -> u128 {
        let mut hasher = self.digest;
        // Neither name has a blank in it, so that no two pairs are the same text.
        hasher.write(asking.site.as_bytes());
        hasher.write(b" ");
        hasher.write(asking.origin.as_sent().as_bytes());
        hasher.finish128().as_u128()
    }
}

/// Servers sign with ed25519 only.
fn is_key_id(key_id: &str) -> bool {
    key_id.starts_with("ed25519:") && key_id.len() <= LONGEST_KEY_ID
}

/// Milliseconds since 1970, as key documents count.
fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

impl fmt::Debug for ServerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerKeys")
            .field("servers", &self.kept.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
