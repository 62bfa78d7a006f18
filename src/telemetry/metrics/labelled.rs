//! A table from label values to whatever is counted under them.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

/// One value for each combination of label values, made on first use and kept.
///
/// Reading takes no lock and writes no shared memory, so the requests of all
/// threads look up their counters side by side. Adding copies the index; that
/// happens once for each combination, and the combinations are few because
/// labels come from closed sets.
///
/// The crate's own vectors hash label values joined without a separator, which
/// lets two combinations share one counter; this table compares the values.
pub(super) struct Labelled<V, const N: usize> {
    hasher: RandomState,
    /// Ordered by hash.
    index: ArcSwap<Vec<Arc<Entry<V, N>>>>,
    growing: Mutex<()>,
}

struct Entry<V, const N: usize> {
    hash: u64,
    labels: [Box<str>; N],
    value: V,
}

impl<V, const N: usize> Labelled<V, N> {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            index: ArcSwap::default(),
            growing: Mutex::new(()),
        }
    }

    /// Applies `apply` to the value of these labels, which `make` makes where
    /// they come for the first time.
    pub(super) fn with<R>(
        &self,
        labels: [&str; N],
        make: impl FnOnce() -> V,
        apply: impl FnOnce(&V) -> R,
    ) -> R {
        let hash = self.hasher.hash_one(labels);
        if let Some(entry) = find(&self.index.load(), hash, labels) {
            return apply(&entry.value);
        }
        apply(&self.add(hash, labels, make).value)
    }

    /// Applies `apply` to every value and its labels.
    pub(super) fn each(&self, mut apply: impl FnMut([&str; N], &V)) {
        for entry in self.index.load().iter() {
            apply(entry.labels.each_ref().map(AsRef::as_ref), &entry.value);
        }
    }

    /// Forgets the values of labels that `is_kept` says no to.
    pub(super) fn retain(&self, is_kept: impl Fn([&str; N]) -> bool) {
        let _alone = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.index.load();
        let is_kept =
            |entry: &&Arc<Entry<V, N>>| is_kept(entry.labels.each_ref().map(AsRef::as_ref));
        let kept: Vec<_> = current.iter().filter(is_kept).cloned().collect();
        if kept.len() < current.len() {
            self.index.store(Arc::new(kept));
        }
    }

    fn add(&self, hash: u64, labels: [&str; N], make: impl FnOnce() -> V) -> Arc<Entry<V, N>> {
        let _alone = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.index.load_full();
        // Another thread may have been quicker.
        if let Some(entry) = find(&current, hash, labels) {
            return Arc::clone(entry);
        }
        let entry = Arc::new(Entry {
            hash,
            labels: labels.map(Box::from),
            value: make(),
        });
        let mut grown = Vec::with_capacity(current.len() + 1);
        grown.extend_from_slice(&current);
        grown.insert(
            current.partition_point(|other| other.hash < hash),
            Arc::clone(&entry),
        );
        self.index.store(Arc::new(grown));
        entry
    }
}

fn find<'a, V, const N: usize>(
    index: &'a [Arc<Entry<V, N>>],
    hash: u64,
    labels: [&str; N],
) -> Option<&'a Arc<Entry<V, N>>> {
    let first = index.partition_point(|entry| entry.hash < hash);
    index
        .get(first..)?
        .iter()
        .take_while(|entry| entry.hash == hash)
        .find(|entry| entry.labels.iter().map(AsRef::as_ref).eq(labels))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;

    #[test]
    fn keeps_one_value_for_each_combination() {
        let table: Labelled<AtomicU32, 2> = Labelled::new();
        for _ in 0..3 {
            table.with(["a", "b"], AtomicU32::default, |n| n.fetch_add(1, Relaxed));
        }
        table.with(["ab", ""], AtomicU32::default, |n| n.fetch_add(9, Relaxed));
        let mut values = Vec::new();
        table.each(|_, value| values.push(value.load(Relaxed)));
        values.sort_unstable();
        assert_eq!(values, [3, 9]);
    }

    #[test]
    fn forgets_what_is_not_kept_and_begins_anew() {
        let table: Labelled<AtomicU32, 2> = Labelled::new();
        let add = |labels| table.with(labels, AtomicU32::default, |n| n.fetch_add(1, Relaxed));
        for labels in [["a", "x"], ["b", "x"], ["b", "y"]] {
            add(labels);
        }
        table.retain(|[first, _]| first != "b");
        assert_eq!(add(["a", "x"]), 1);
        assert_eq!(add(["b", "x"]), 0);
        let mut labels = Vec::new();
        table.each(|of, _| labels.push(of.join(" ")));
        labels.sort_unstable();
        assert_eq!(labels, ["a x", "b x"]);
    }

    #[test]
    fn loses_nothing_when_threads_add_at_once() {
        let table: Labelled<AtomicU32, 1> = Labelled::new();
        let count_each = || {
            for number in 0..200 {
                let label = number.to_string();
                table.with([&label], AtomicU32::default, |n| n.fetch_add(1, Relaxed));
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(count_each);
            }
        });
        let mut values = Vec::new();
        table.each(|_, value| values.push(value.load(Relaxed)));
        assert_eq!(values, [4; 200]);
    }
}
