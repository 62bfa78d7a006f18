use std::time::Duration;

use super::*;
use crate::upstream::{Address, Health};

fn process(name: &str) -> Arc<Upstream> {
    let address = Address::Socket(([127, 0, 0, 1], 1).into());
    let health = Health::new(Arc::default());
    Arc::new(Upstream::new(name.into(), address, None, health))
}

fn worker(name: &str, groups: &[Group]) -> Worker {
    Worker {
        groups: groups.to_vec(),
        members: vec![process(name)],
        discovered: None,
    }
}

fn homeserver(workers: Vec<Worker>) -> Homeserver {
    Homeserver::new(process("main"), workers, |_| GroupLimits {
        max_requests: 2,
        max_queued: 1,
        max_wait: Duration::from_secs(1),
    })
}

/// Who is chosen and why, without a turn that lasts.
fn chosen(homeserver: &Homeserver, group: Group, key: Option<Key>) -> (String, &'static str) {
    match homeserver.choose(group, key) {
        Choice::Go(turn, how) => (turn.upstream().name.to_string(), how.as_str()),
        Choice::Full => ("full".to_owned(), ""),
        Choice::Nobody => ("nobody".to_owned(), ""),
    }
}

fn set(homeserver: &Homeserver, name: &str, state: State) {
    let upstreams = homeserver.upstreams();
    let found = upstreams.iter().find(|upstream| *upstream.name == *name);
    found.unwrap().health.set(state);
}

const GENERIC: &[Group] = &[Group::GenericWorker];

#[test]
fn who_answers_depends_on_who_is_there() {
    let own = worker("own", &[Group::Synchrotron]);
    let homeserver = homeserver(vec![own, worker("generic", GENERIC)]);
    let choose = || chosen(&homeserver, Group::Synchrotron, None);
    for (name, state, expected, how) in [
        ("own", State::Well, "own", "only"),
        ("own", State::InDoubt, "generic", "stand_in"),
        ("generic", State::Away, "own", "only"),
        ("own", State::Away, "main", "main"),
        ("main", State::Away, "nobody", ""),
        ("generic", State::InDoubt, "generic", "stand_in"),
        ("own", State::Well, "own", "only"),
    ] {
        set(&homeserver, name, state);
        assert_eq!(choose(), (expected.to_owned(), how), "{name} is {state:?}");
    }
}

#[test]
fn nobody_stands_in_for_a_writer() {
    let homeserver = homeserver(vec![
        worker("writer", &[Group::Typing]),
        worker("generic", GENERIC),
    ]);
    set(&homeserver, "writer", State::Away);
    assert_eq!(chosen(&homeserver, Group::Typing, None).0, "nobody");
    // A stream that no worker writes is the main process's.
    assert_eq!(chosen(&homeserver, Group::Receipts, None).0, "main");
}

#[test]
fn a_key_stays_with_its_worker_while_that_is_there() {
    let names = ["a", "b", "c"];
    let homeserver = homeserver(names.map(|name| worker(name, GENERIC)).into());
    let key = Some(Key::room(b"!r:x"));
    let (home, how) = chosen(&homeserver, Group::ClientReader, key);
    assert_eq!(how, "key");
    set(&homeserver, &home, State::Away);
    let (other, how) = chosen(&homeserver, Group::ClientReader, key);
    assert!(other != home && how == "moved", "{other} {how}");
    set(&homeserver, &home, State::Well);
    assert_eq!(chosen(&homeserver, Group::ClientReader, key).0, home);
    let ranking = homeserver.ranking(Group::ClientReader, key);
    let ranking: Vec<&str> = ranking.iter().map(|upstream| &*upstream.name).collect();
    assert_eq!(&ranking[..2], [&*home, &*other]);
}

#[test]
fn a_drained_worker_gets_nothing_new() {
    let homeserver = homeserver(vec![worker("a", GENERIC), worker("b", GENERIC)]);
    let (drained, _) = &homeserver.workers_with_groups()[0];
    assert!(drained.health.drain(true));
    for number in 0..10 {
        let key = Key::turn(number);
        assert_eq!(chosen(&homeserver, Group::ClientReader, Some(key)).0, "b");
    }
    assert!(drained.health.drain(false));
    assert!(!drained.health.drain(false));
}

#[test]
fn a_turn_counts_until_it_ends() {
    let homeserver = homeserver(vec![worker("a", GENERIC)]);
    let take = || homeserver.choose(Group::ClientReader, None);
    let (first, second) = (take(), take());
    assert!(matches!(
        (&first, &second),
        (Choice::Go(..), Choice::Go(..))
    ));
    // It is not passed on to the main process: the cap is there to protect somebody.
    assert!(matches!(take(), Choice::Full));
    // Another group has a count of its own.
    let other = homeserver.choose(Group::EventCreator, None);
    assert!(matches!(other, Choice::Go(..)));
    drop(first);
    assert!(matches!(take(), Choice::Go(..)));
    drop((second, other));
    let (worker, _) = &homeserver.workers_with_groups()[0];
    assert_eq!(worker.load.total(), 0);
}

#[test]
fn the_processes_of_a_worker_may_change() {
    let homeserver = homeserver(vec![worker("a", GENERIC)]);
    assert!(!homeserver.wants_key(Group::ClientReader));
    homeserver.replace(0, vec![process("a/1"), process("a/2")]);
    assert!(homeserver.wants_key(Group::ClientReader));
    assert_eq!(homeserver.upstreams().len(), 3);
    homeserver.replace(0, Vec::new());
    // Somebody is configured, and will be found again.
    assert_eq!(
        homeserver.answering(Group::ClientReader),
        Group::GenericWorker
    );
    assert_eq!(chosen(&homeserver, Group::ClientReader, None).0, "main");
}
