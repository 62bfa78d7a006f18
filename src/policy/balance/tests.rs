use super::*;
use crate::matrix::affinity::hash_of_name;
use proptest::prelude::*;
use std::collections::HashMap;

const KEYS: u32 = 20_000;

fn key(number: u32) -> Key {
    Key::user(format!("user{number}").as_bytes())
}

fn idle(names: &[String]) -> Vec<Candidate> {
    let idle = |name: &String| Candidate {
        name: hash_of_name(name),
        load: 0,
    };
    names.iter().map(idle).collect()
}

/// Where a request with this key goes.
fn place(key: Key, candidates: &[Candidate]) -> Option<usize> {
    choose(Some(key), candidates).map(|chosen| chosen.index)
}

fn names(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("sync-{n}")).collect()
}

/// The name of the worker that each key goes to while nobody has anything to do.
fn homes(names: &[String]) -> Vec<&str> {
    let candidates = idle(names);
    let home = |n| &*names[place(key(n), &candidates).unwrap()];
    (0..KEYS).map(home).collect()
}

#[test]
fn keys_are_shared_out_evenly() {
    for count in [1, 2, 3, 7, 16, 64] {
        let names = names(count);
        let mut shares = HashMap::new();
        for home in homes(&names) {
            *shares.entry(home).or_insert(0_u32) += 1;
        }
        let fair = f64::from(KEYS) / f64::from(u32::try_from(count).unwrap());
        for (name, share) in shares {
            // Five standard deviations.
            let off = (f64::from(share) - fair).abs();
            assert!(off < 5.0 * fair.sqrt(), "{name} of {count} has {share}");
        }
    }
}

#[test]
fn a_worker_that_comes_or_goes_moves_its_own_share_and_no_other() {
    for count in [2, 3, 5, 10] {
        let all = names(count);
        let (last, rest) = all.split_last().unwrap();
        let (with, without) = (homes(&all), homes(rest));
        let moved = with.iter().zip(&without).filter(|(a, b)| a != b);
        let moved = moved
            .inspect(|(a, _)| assert_eq!(**a, last.as_str()))
            .count();

        let moved = f64::from(u32::try_from(moved).unwrap());
        let share = f64::from(KEYS) / f64::from(u32::try_from(count).unwrap());
        assert!(
            (moved - share).abs() < 5.0 * share.sqrt(),
            "{moved} of {KEYS} keys moved with 1 of {count} workers"
        );
    }
}

/// The same in every replica and release: a change of these moves every user.
#[test]
fn choices_never_change() {
    let names = names(4);
    let found: Vec<_> = homes(&names).into_iter().take(8).collect();
    let numbers = [1, 3, 4, 4, 3, 1, 1, 2];
    assert_eq!(found, numbers.map(|n| format!("sync-{n}")));
}

#[test]
fn a_busy_worker_leaves_what_comes_on_top_to_the_next() {
    let names = names(4);
    let mut candidates = idle(&names);
    let first = place(key(1), &candidates).unwrap();
    candidates[first].load = 7;
    assert_eq!(place(key(1), &candidates), Some(first));

    candidates[first].load = 8;
    let second = place(key(1), &candidates).unwrap();
    assert_ne!(second, first);
    let without: Vec<_> = names
        .iter()
        .filter(|n| **n != names[first])
        .cloned()
        .collect();
    let heir = place(key(1), &idle(&without)).unwrap();
    assert_eq!(without[heir], names[second]);

    // Its share of much is no more than its share.
    for candidate in &mut candidates {
        candidate.load = 100;
    }
    candidates[first].load = 125;
    assert_eq!(place(key(1), &candidates), Some(first));
    candidates[first].load = 140;
    assert_ne!(place(key(1), &candidates), Some(first));
}

#[test]
fn who_takes_over_is_told_from_where_the_key_belongs() {
    let mut candidates = idle(&names(3));
    let first = choose(Some(key(1)), &candidates).unwrap();
    assert!(first.is_first);
    candidates[first.index].load = 100;
    assert!(!choose(Some(key(1)), &candidates).unwrap().is_first);
}

#[test]
fn requests_without_a_key_go_where_least_is_done() {
    let mut candidates = idle(&names(4));
    for _ in 0..4_000 {
        let at = choose(None, &candidates).unwrap();
        assert!(at.is_first);
        let least = candidates.iter().map(|c| c.load).min().unwrap();
        assert_eq!(candidates[at.index].load, least);
        candidates[at.index].load += 1;
    }
    assert!(candidates.iter().all(|c| c.load == 1_000));
}

#[test]
fn workers_with_equally_little_take_turns() {
    let names = names(4);
    let mut turns = [0_u32; 4];
    for load in 0..4_000 {
        let busy = |mut c: Candidate| {
            c.load = load;
            c
        };
        let candidates: Vec<_> = idle(&names).into_iter().map(busy).collect();
        turns[choose(None, &candidates).unwrap().index] += 1;
    }
    assert!(turns.iter().all(|n| (850..1_150).contains(n)), "{turns:?}");
}

#[test]
fn of_no_workers_none_is_chosen() {
    assert_eq!(choose(Some(key(1)), &[]), None);
    assert_eq!(choose(None, &[]), None);
}

/// Up to 64 workers with any loads, their names all different.
fn workers() -> impl Strategy<Value = Vec<Candidate>> {
    let load = prop_oneof![0..20_u32, any::<u32>()];
    prop::collection::vec(load, 1..=64).prop_map(|loads| {
        let numbered = loads.into_iter().enumerate();
        let worker = |(n, load)| Candidate {
            name: hash_of_name(&format!("w{n}")),
            load,
        };
        numbered.map(worker).collect()
    })
}

proptest! {
    #[test]
    fn the_order_of_the_workers_means_nothing(
        (workers, shuffled) in workers().prop_flat_map(|w| (Just(w.clone()), Just(w).prop_shuffle())),
        number in any::<u32>(),
    ) {
        let at = place(key(number), &workers).unwrap();
        let other = place(key(number), &shuffled).unwrap();
        prop_assert_eq!(workers[at], shuffled[other]);
        let at = choose(None, &workers).unwrap().index;
        let other = choose(None, &shuffled).unwrap().index;
        prop_assert_eq!(workers[at], shuffled[other]);
    }

    #[test]
    fn nobody_gets_more_than_its_bound(workers in workers(), number in any::<u32>()) {
        let at = place(key(number), &workers).unwrap();
        let total: u64 = workers.iter().map(|w| u64::from(w.load)).sum();
        let average = (total + 1).div_ceil(workers.len() as u64);
        let most = (average * 5).div_ceil(4).max(8);
        prop_assert!(u64::from(workers[at].load) < most);
    }

    #[test]
    fn one_key_may_fill_all_workers_and_none_beyond_its_bound(count in 1..=64_usize, requests in 1..600_u32) {
        let mut workers = idle(&names(count));
        for _ in 0..requests {
            let at = place(key(1), &workers).unwrap();
            workers[at].load += 1;
        }
        let most = workers.iter().map(|w| w.load).max().unwrap();
        let average = requests.div_ceil(u32::try_from(count).unwrap());
        prop_assert!(most <= (average * 5).div_ceil(4).max(8));
    }
}
