//! The servers that send most, by the name that they claim.
//!
//! Anybody can claim any name, and there are tens of thousands of servers, so only the busiest
//! are shown. Who they are is found in fixed memory by the algorithm "Space-Saving" (Metwally et
//! al. 2005), for each thread apart: a server that is not known takes the place of the one with
//! the least, and its weight. Weights fade, so that who was busy yesterday makes room.
//!
//! What is counted is exact: a request of a server that is shown counts there, any other as one
//! of the rest. No series ever goes down while it is shown.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus::IntCounter;

use super::family::Family;

/// Servers that are shown by name.
const SHOWN: usize = 20;
/// Servers that one thread follows. Who sends more than one request in so many is among them.
const FOLLOWED: usize = 64;
/// Threads beyond these share.
const SHARDS: usize = 16;
/// The time in which a weight halves.
const HALF_LIFE: Duration = Duration::from_mins(10);
/// What a server that is shown has ahead of others, so that two do not take turns.
const ADVANTAGE: f64 = 1.25;
/// Longest server name (appendices, "Server Name").
const LONGEST: usize = 255;

/// Neither is a valid server name.
const OTHER: &str = "(other)";
const UNPROVEN: &str = "(unproven)";

/// Counts requests by server.
pub(super) struct Talkers {
    hasher: RandomState,
    /// Each thread has one of its own, which a scrape alone contends for.
    shards: Vec<Mutex<Shard>>,
    board: Mutex<Board>,
}

/// What one thread counts.
#[derive(Default)]
struct Shard {
    hashes: Vec<u64>,
    weights: Vec<f64>,
    followed: Vec<Followed>,
    other: u64,
    unproven: u64,
}

/// A server, without memory of its own.
struct Followed {
    name: [u8; LONGEST],
    length: u8,
    /// Requests since they were last collected.
    fresh: u64,
}

/// What is shown.
struct Board {
    series: HashMap<Box<str>, IntCounter>,
    collected: Instant,
}

thread_local! {
    static SHARD: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
}

/// Numbers the threads that count.
static NEXT: AtomicUsize = AtomicUsize::new(0);

impl Talkers {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            board: Mutex::new(Board {
                series: HashMap::new(),
                collected: Instant::now(),
            }),
        }
    }

    /// Counts a request of `origin`; it `is_proven` where the homeserver did not doubt it.
    pub(super) fn count(&self, origin: &str, is_proven: bool) {
        let shard = self.shards.get(SHARD.get());
        let Some(mut shard) = shard.map(lock) else {
            return;
        };
        if is_proven {
            shard.count(self.hasher.hash_one(origin), origin);
        } else {
            shard.unproven += 1;
        }
    }

    /// Brings `family` up to date, and chooses anew who is shown from here on.
    pub(super) fn show(&self, family: &Family<IntCounter, 1>, now: Instant) {
        let mut board = lock(&self.board);
        let past = now.saturating_duration_since(board.collected);
        board.collected = now;
        let fading = 0.5_f64.powf(past.as_secs_f64() / HALF_LIFE.as_secs_f64());
        let mut weights: HashMap<Box<str>, f64> = HashMap::new();
        let (mut other, mut unproven) = (0, 0);
        for shard in &self.shards {
            let mut shard = lock(shard);
            other += std::mem::take(&mut shard.other);
            unproven += std::mem::take(&mut shard.unproven);
            shard.collect(fading, |name, weight, fresh| {
                *weights.entry(name.into()).or_default() += weight;
                match board.series.get(name) {
                    Some(series) => series.inc_by(fresh),
                    None => other += fresh,
                }
            });
        }
        for (name, requests) in [(OTHER, other), (UNPROVEN, unproven)] {
            family.with([name], |series| series.inc_by(requests));
        }
        board.choose(weights, family);
    }
}

impl Shard {
    fn count(&mut self, hash: u64, name: &str) {
        let known = self.hashes.iter().position(|known| *known == hash);
        let known = known.filter(|at| self.followed.get(*at).is_some_and(|it| it.is(name)));
        let Some(at) = known.or_else(|| self.place_for(hash, name)) else {
            self.other += 1;
            return;
        };
        if let (Some(weight), Some(followed)) =
            (self.weights.get_mut(at), self.followed.get_mut(at))
        {
            *weight += 1.0;
            followed.fresh += 1;
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
        self.other += gone.fresh;
        Some(at)
    }

    fn collect(&mut self, fading: f64, mut each: impl FnMut(&str, f64, u64)) {
        for (weight, followed) in self.weights.iter_mut().zip(&mut self.followed) {
            let fresh = std::mem::take(&mut followed.fresh);
            each(followed.name(), *weight, fresh);
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
            fresh: 0,
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

impl Board {
    fn choose(&mut self, weights: HashMap<Box<str>, f64>, family: &Family<IntCounter, 1>) {
        let mut ranking: Vec<(Box<str>, f64)> = weights.into_iter().collect();
        for (name, weight) in &mut ranking {
            if self.series.contains_key(name) {
                *weight *= ADVANTAGE;
            }
        }
        ranking.sort_by(|(a, more), (b, less)| less.total_cmp(more).then_with(|| a.cmp(b)));
        ranking.truncate(SHOWN);
        let is_shown = |name: &str| ranking.iter().any(|(shown, _)| **shown == *name);
        self.series.retain(|name, _| is_shown(name));
        family.retain(&|_, name| is_shown(name) || name == OTHER || name == UNPROVEN);
        for (name, _) in ranking {
            let make = |name: &str| family.child([name]);
            let series = make(&name);
            self.series.entry(name).or_insert(series);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prometheus::Registry;

    use super::super::Families;
    use super::*;

    struct Counted {
        families: Families,
        talkers: Talkers,
        now: Instant,
    }

    impl Counted {
        fn new() -> Self {
            Self {
                families: Families::register(&Registry::new()).unwrap(),
                talkers: Talkers::new(),
                now: Instant::now(),
            }
        }

        /// What a scrape finds after so long.
        fn shown(&mut self, after: Duration) -> BTreeMap<String, u64> {
            self.now += after;
            let family = &self.families.origin_requests;
            self.talkers.show(family, self.now);
            let mut shown = BTreeMap::new();
            family.each(|[name], series| {
                shown.insert(name.to_owned(), series.get());
            });
            shown
        }

        fn count(&self, name: &str, times: u64) {
            for _ in 0..times {
                self.talkers.count(name, true);
            }
        }
    }

    #[test]
    fn the_busiest_are_found_among_any_number_of_made_up_names() {
        let mut counted = Counted::new();
        for round in 0..50 {
            for number in 0..200 {
                counted.count(&format!("made-up-{round}-{number}.test"), 1);
            }
            counted.count("busy.test", 30);
            counted.count("busier.test", 60);
        }
        counted.shown(Duration::ZERO);
        counted.count("busy.test", 3);
        counted.count("quiet.test", 2);
        counted.talkers.count("forged.test", false);
        let shown = counted.shown(Duration::from_secs(15));
        assert_eq!(shown.len(), SHOWN + 2);
        assert_eq!(shown["busy.test"], 3);
        assert_eq!(shown["busier.test"], 0);
        assert_eq!(shown[UNPROVEN], 1);
        let all: u64 = shown.values().sum();
        assert_eq!(all, 50 * 290 + 3 + 2 + 1, "nothing is lost: {shown:?}");
    }

    #[test]
    fn who_has_gone_quiet_makes_room() {
        let mut counted = Counted::new();
        for number in 0..SHOWN {
            counted.count(&format!("old-{number}.test"), 1000);
        }
        assert!(counted.shown(Duration::ZERO).contains_key("old-7.test"));
        counted.count("new.test", 50);
        assert!(
            !counted
                .shown(Duration::from_secs(15))
                .contains_key("new.test")
        );
        counted.shown(20 * HALF_LIFE);
        counted.count("new.test", 50);
        assert!(counted.shown(Duration::ZERO).contains_key("new.test"));
    }

    #[test]
    fn threads_count_side_by_side() {
        let mut counted = Counted::new();
        counted.count("a.test", 1);
        counted.shown(Duration::ZERO);
        let talkers = &counted.talkers;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| talkers.count("a.test", true)));
            }
        });
        assert_eq!(counted.shown(Duration::ZERO)["a.test"], 4000);
    }
}
