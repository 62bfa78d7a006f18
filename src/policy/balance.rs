//! Which worker of a group a request goes to.
//!
//! Highest random weight ("rendezvous") hashing: each worker has a weight for
//! each key, made of the key and the worker's name alone, and the heaviest is
//! chosen. So all replicas choose the same, whatever the order of their
//! configurations and after every restart, and a worker that comes or goes
//! moves its own share of the keys and no other.
//!
//! The load is bounded ("consistent hashing with bounded loads", Mirrokni,
//! Thorup and Zadimoghaddam, 2017): where the heaviest has too much to do, the
//! next one takes over what comes on top.

use crate::matrix::affinity::Key;

/// A worker that could take the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// [`hash_of_name`](crate::matrix::affinity::hash_of_name) of its name.
    pub name: u64,
    /// Requests that it has under way.
    pub load: u32,
}

/// The worker that is to take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its place among the candidates.
    pub index: usize,
    /// Whether it is where the key belongs, not one that takes over.
    pub is_first: bool,
}

/// So many requests at once are never too many for a worker. With so few, one
/// more or less than the others have says nothing of how busy it is.
const ALWAYS_ALLOWED: u64 = 8;

/// Chooses a worker; `None` where there are no candidates.
///
/// With a key, the worker where it belongs, unless that would have more than
/// 1.25 times the average, rounded up, and more than 8. Without, the one with
/// the least to do; those with equally little take turns as the load of all of
/// them changes.
pub fn choose(key: Option<Key>, candidates: &[Candidate]) -> Option<Chosen> {
    let total = candidates.iter().map(|c| u64::from(c.load)).sum();
    match key {
        Some(key) => heaviest(key, bound(total, candidates.len()), candidates),
        None => least_loaded(Key::turn(total), candidates),
    }
}

/// The most requests that a worker may have under way, the new one with them.
/// Never all of them have so many already.
fn bound(total: u64, workers: usize) -> u64 {
    let workers = u64::try_from(workers).unwrap_or(u64::MAX).max(1);
    let bound = (total + 1)
        .saturating_mul(5)
        .div_ceil(workers.saturating_mul(4));
    bound.max(ALWAYS_ALLOWED)
}

fn heaviest(key: Key, bound: u64, candidates: &[Candidate]) -> Option<Chosen> {
    let mut best: Option<(u64, u64)> = None;
    let mut allowed: Option<((u64, u64), usize)> = None;
    for (index, candidate) in candidates.iter().enumerate() {
        let weight = (key.weight(candidate.name), candidate.name);
        best = best.max(Some(weight));
        if u64::from(candidate.load) < bound {
            allowed = allowed.max(Some((weight, index)));
        }
    }
    let (weight, index) = allowed?;
    Some(Chosen {
        index,
        is_first: best == Some(weight),
    })
}

fn least_loaded(turn: Key, candidates: &[Candidate]) -> Option<Chosen> {
    let numbered = candidates.iter().enumerate();
    let (index, _) = numbered.min_by_key(|(_, c)| (c.load, turn.weight(c.name), c.name))?;
    Some(Chosen {
        index,
        is_first: true,
    })
}

#[cfg(test)]
mod tests;
