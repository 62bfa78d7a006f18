//! Whose access token it is, as the homeserver says, remembered.

mod whoami;

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pingora_timeout::timeout;
use quick_cache::sync::{Cache, EntryAction, EntryResult};
use siphasher::sip128::{Hasher128, SipHasher24};
use tokio::sync::Semaphore;

pub use self::whoami::Bearer;
use self::whoami::{NoUser, ask};
use super::{Deadlines, Pool, Upstream};
use crate::matrix::affinity::Key;
use crate::telemetry::Telemetry;

/// Tokens that are remembered where nothing else is said.
pub const DEFAULT_TOKENS: usize = 100_000;

/// Look-ups in flight, over all threads. Made-up tokens cannot make more of them.
const MOST_LOOKUPS: usize = 64;
/// How long one look-up may take.
const LOOKUP_TIMEOUT: Duration = Duration::from_millis(1500);
/// How long one may be waited for. Longer, so that who looks up lives to remember a failure.
const WAIT_TIMEOUT: Duration = Duration::from_secs(2);

/// The users behind access tokens, for the whole process.
///
/// A token never changes its user, so what is known stays known until there is no room for it;
/// tokens that are seen once do not displace those that are seen again. No token is kept, only a
/// digest of it under a key that is made at start.
pub struct Users {
    known: Cache<u128, Known>,
    lookups: Semaphore,
    digest: SipHasher24,
    telemetry: Arc<Telemetry>,
    pauses: Pauses,
}

/// What a look-up brought.
#[derive(Clone, Copy, Debug)]
enum Known {
    /// What stands for the user.
    User(Key),
    /// No user; to be asked again after this.
    Nobody { until: Instant },
}

/// How long it is not asked again.
#[derive(Clone, Copy, Debug)]
struct Pauses {
    /// After the homeserver said that the token is nobody's.
    refused: Duration,
    /// After it gave no answer.
    failed: Duration,
}

const PAUSES: Pauses = Pauses {
    refused: Duration::from_mins(1),
    failed: Duration::from_secs(5),
};

impl Users {
    /// Remembers up to `most` tokens.
    pub fn new(most: usize, telemetry: Arc<Telemetry>) -> Self {
        let random = RandomState::new();
        Self {
            known: Cache::new(most),
            lookups: Semaphore::new(MOST_LOOKUPS),
            digest: SipHasher24::new_with_keys(random.hash_one(0), random.hash_one(1)),
            telemetry,
            pauses: PAUSES,
        }
    }

    /// The key of the user whose token `bearer` shows, asked of `homeserver` over a connection
    /// of `pool` where it is not known.
    ///
    /// Requests with the same token wait for the same look-up, on whichever thread they are.
    /// `None` where the homeserver does not know the token, gives no answer within two seconds, or
    /// is being asked for too many others.
    pub async fn user_of(
        &self,
        pool: &Pool,
        homeserver: &Upstream,
        deadlines: &Deadlines,
        bearer: &Bearer<'_>,
    ) -> Option<Key> {
        let digest = self.digest(bearer);
        if let Some(Known::User(user)) = self.known.get(&digest) {
            return Some(user);
        }
        let finding = self.find(digest, pool, homeserver, deadlines, bearer);
        timeout(WAIT_TIMEOUT, finding).await.ok().flatten()
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the question that `user_of` is asked, with its digest"
    )]
    async fn find(
        &self,
        digest: u128,
        pool: &Pool,
        homeserver: &Upstream,
        deadlines: &Deadlines,
        bearer: &Bearer<'_>,
    ) -> Option<Key> {
        let now = Instant::now();
        let remembered = |_: &u128, known: &mut Known| match known {
            Known::User(user) => EntryAction::Retain(Some(*user)),
            Known::Nobody { until } if now < *until => EntryAction::Retain(None),
            Known::Nobody { .. } => EntryAction::ReplaceWithGuard,
        };
        let place = match self.known.entry_async(&digest, remembered).await {
            EntryResult::Vacant(place) | EntryResult::Replaced(place, _) => place,
            EntryResult::Retained(user) => return user,
            EntryResult::Removed(..) | EntryResult::Timeout => return None,
        };
        // Dropped unfilled, the place is for the next who asks.
        let Ok(_permit) = self.lookups.try_acquire() else {
            self.telemetry.user_lookup("busy");
            return None;
        };
        let asked = ask(pool, homeserver, deadlines, bearer, LOOKUP_TIMEOUT).await;
        let (known, result) = self.judge(asked);
        // Refused where the cache let go of the place in between, which does no harm.
        let _ = place.insert(known);
        self.telemetry.user_lookup(result);
        self.telemetry.tokens_known(self.known.len());
        match known {
            Known::User(user) => Some(user),
            Known::Nobody { .. } => None,
        }
    }

    /// What to remember of an answer, and what metrics call it.
    fn judge(&self, asked: Result<Vec<u8>, NoUser>) -> (Known, &'static str) {
        let nobody = |pause| Known::Nobody {
            until: Instant::now() + pause,
        };
        match asked {
            Ok(localpart) => (Known::User(Key::user(&localpart)), "found"),
            Err(NoUser::Refused) => (nobody(self.pauses.refused), "refused"),
            Err(NoUser::Failed) => (nobody(self.pauses.failed), "failed"),
        }
    }

    /// Tells tokens apart without keeping them.
    fn digest(&self, bearer: &Bearer<'_>) -> u128 {
        let mut hasher = self.digest;
        // The host has none of these in it, so that no two pairs are the same text.
        hasher.write(bearer.host.as_bytes());
        hasher.write(b" ");
        hasher.write(bearer.token);
        hasher.finish128().as_u128()
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known.len();
        f.debug_struct("Users")
            .field("known", &known)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
