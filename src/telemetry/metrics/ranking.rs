//! Who has most requests among any number of names, in fixed memory.
//!
//! The algorithm is "Space-Saving" (Metwally et al. 2005), for each thread apart: a server that is
//! not known takes the place of the one with the least, and its weight. Weights fade, so that who
//! was busy yesterday makes room.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::telemetry::origins::OriginFigures;

/// Servers that one thread follows. Who sends more than one request in so many is among them.
const FOLLOWED: usize = 64;
/// Threads beyond these share.
const SHARDS: usize = 16;
/// Longest server name (appendices, "Server Name").
const LONGEST: usize = 255;

/// Counts by server.
pub(super) struct Ranking {
    hasher: RandomState,
    /// Each thread has one of its own, which whoever collects contends for alone.
    shards: Vec<Mutex<Shard>>,
}

/// What one thread counts.
#[derive(Default)]
struct Shard {
    hashes: Vec<u64>,
    weights: Vec<f64>,
    followed: Vec<Followed>,
    other: OriginFigures,
}

/// A server, without memory of its own.
struct Followed {
    name: [u8; LONGEST],
    length: u8,
    /// What has come since it was last collected.
    fresh: OriginFigures,
}

thread_local! {
    static SHARD: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
}

/// Numbers the threads that count.
static NEXT: AtomicUsize = AtomicUsize::new(0);

impl Ranking {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Counts a request of `name`.
    pub(super) fn count(&self, name: &str, figures: &OriginFigures) {
        if let Some(shard) = self.shards.get(SHARD.get()) {
            lock(shard).count(self.hasher.hash_one(name), name, figures);
        }
    }

    /// Tells of every server that a thread follows, with its weight and what has come of it since
    /// the last time, and lets the weights fade. Returns what has come of all others.
    pub(super) fn collect(
        &self,
        fading: f64,
        mut each: impl FnMut(&str, f64, &OriginFigures),
    ) -> OriginFigures {
        let mut other = OriginFigures::default();
        for shard in &self.shards {
            let mut shard = lock(shard);
            other.add(&std::mem::take(&mut shard.other));
            shard.collect(fading, &mut each);
        }
        other
    }
}

impl Shard {
    fn count(&mut self, hash: u64, name: &str, figures: &OriginFigures) {
        let known = self.hashes.iter().position(|known| *known == hash);
        let known = known.filter(|at| self.followed.get(*at).is_some_and(|it| it.is(name)));
        let Some(at) = known.or_else(|| self.place_for(hash, name)) else {
            self.other.add(figures);
            return;
        };
        if let (Some(weight), Some(followed)) =
            (self.weights.get_mut(at), self.followed.get_mut(at))
        {
            *weight += 1.0;
            followed.fresh.add(figures);
        }
    }

    /// A place for a server that is not followed yet: a free one, or that of the least.
    fn place_for(&mut self, hash: u64, name: &str) -> Option<usize> {
        let new = Followed::new(name)?;
        if self.followed.len() < FOLLOWED {
            self.hashes.push(hash);
            self.weights.push(0.0);
            self.followed.push(new);
            return Some(self.followed.len() - 1);
        }
        let weights = self.weights.iter().enumerate();
        let (at, _) = weights.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
        *self.hashes.get_mut(at)? = hash;
        let gone = std::mem::replace(self.followed.get_mut(at)?, new);
        self.other.add(&gone.fresh);
        Some(at)
    }

    fn collect(&mut self, fading: f64, each: &mut impl FnMut(&str, f64, &OriginFigures)) {
        for (weight, followed) in self.weights.iter_mut().zip(&mut self.followed) {
            let fresh = std::mem::take(&mut followed.fresh);
            each(followed.name(), *weight, &fresh);
            *weight *= fading;
        }
    }
}

impl Followed {
    fn new(name: &str) -> Option<Self> {
        let mut bytes = [0; LONGEST];
        bytes
            .get_mut(..name.len())?
            .copy_from_slice(name.as_bytes());
        Some(Self {
            name: bytes,
            length: u8::try_from(name.len()).ok()?,
            fresh: OriginFigures::default(),
        })
    }

    fn name(&self) -> &str {
        let bytes = self.name.get(..usize::from(self.length));
        str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    }

    fn is(&self, name: &str) -> bool {
        self.name.get(..usize::from(self.length)) == Some(name.as_bytes())
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
