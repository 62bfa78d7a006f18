use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const ROOM: Room = Room {
    each: 1,
    all: 2,
    waiting: 100,
};

fn from(sender: u64) -> Asking {
    Asking {
        sender: Sender(sender),
        network: Network(sender),
        same: None,
    }
}

fn transaction(sender: u64, same: u64) -> Asking {
    let same = Some(same);
    Asking {
        same,
        ..from(sender)
    }
}

fn ticket(entry: Entry) -> Ticket {
    match entry {
        Entry::Wait(ticket) => ticket,
        Entry::Go | Entry::Full => panic!("{entry:?}"),
    }
}

fn all(line: &mut Line, room: Room) -> Vec<Ticket> {
    std::iter::from_fn(|| line.next(room)).collect()
}

#[test]
fn whoever_finds_room_goes_at_once_and_is_forgotten_at_the_end() {
    let mut line = Line::default();
    assert_eq!(line.enter(from(1), ROOM), Entry::Go);
    assert_eq!(line.enter(from(2), ROOM), Entry::Go);
    assert_eq!((line.active(), line.senders()), (2, 2));
    line.end(from(1), true, ROOM);
    line.end(from(2), true, ROOM);
    assert_eq!((line.active(), line.senders(), line.waiting()), (0, 0, 0));
}

#[test]
fn one_of_many_of_one_sender_is_served_between_each_of_another() {
    let room = Room {
        each: 4,
        all: 1,
        waiting: 100,
    };
    let mut line = Line::default();
    assert_eq!(line.enter(from(1), room), Entry::Go);
    let of_first: Vec<_> = (0..20).map(|_| ticket(line.enter(from(1), room))).collect();
    let of_second: Vec<_> = (0..3).map(|_| ticket(line.enter(from(2), room))).collect();
    assert_eq!(all(&mut line, room), []);
    let mut order = Vec::new();
    let mut active = from(1);
    for _ in 0..8 {
        line.end(active, true, room);
        let gone = all(&mut line, room);
        active = if of_first.contains(&gone[0]) {
            from(1)
        } else {
            from(2)
        };
        order.extend(gone);
    }
    let (a, b) = (of_first, of_second);
    assert_eq!(order, [a[0], b[0], a[1], b[1], a[2], b[2], a[3], a[4]]);
}

#[test]
fn a_sender_that_has_all_it_may_does_not_keep_others_waiting() {
    let mut line = Line::default();
    assert_eq!(line.enter(from(1), ROOM), Entry::Go);
    ticket(line.enter(from(1), ROOM));
    ticket(line.enter(from(1), ROOM));
    assert_eq!(line.enter(from(2), ROOM), Entry::Go);
    assert!(!line.is_short_of_room());
}

#[test]
fn the_same_transaction_joins_and_another_waits() {
    let mut line = Line::default();
    assert_eq!(line.enter(transaction(1, 7), ROOM), Entry::Go);
    let other = ticket(line.enter(transaction(1, 8), ROOM));
    assert_eq!(line.enter(transaction(1, 7), ROOM), Entry::Go);
    line.end(transaction(1, 7), true, ROOM);
    assert_eq!(all(&mut line, ROOM), [], "its twin is under way");
    line.end(transaction(1, 7), true, ROOM);
    assert_eq!(all(&mut line, ROOM), [other]);
}

#[test]
fn what_is_sent_again_while_it_waits_goes_with_the_first() {
    let mut line = Line::default();
    assert_eq!(line.enter(transaction(1, 1), ROOM), Entry::Go);
    let first = ticket(line.enter(transaction(1, 2), ROOM));
    let other = ticket(line.enter(transaction(1, 3), ROOM));
    let again = ticket(line.enter(transaction(1, 2), ROOM));
    line.end(transaction(1, 1), true, ROOM);
    assert_eq!(all(&mut line, ROOM), [first, again]);
    line.end(transaction(1, 2), true, ROOM);
    line.end(transaction(1, 2), true, ROOM);
    assert_eq!(all(&mut line, ROOM), [other]);
}

#[test]
fn a_repetition_without_end_waits_like_others() {
    let mut line = Line::default();
    for _ in 0..MOST_JOINED {
        assert_eq!(line.enter(transaction(1, 1), ROOM), Entry::Go);
    }
    ticket(line.enter(transaction(1, 1), ROOM));
}

#[test]
fn who_leaves_gives_up_its_place() {
    let mut line = Line::default();
    assert_eq!(line.enter(from(1), ROOM), Entry::Go);
    let gone = ticket(line.enter(from(1), ROOM));
    let stays = ticket(line.enter(from(1), ROOM));
    assert!(line.leave(Sender(1), gone, false));
    assert!(!line.leave(Sender(1), gone, false));
    line.end(from(1), true, ROOM);
    assert_eq!(all(&mut line, ROOM), [stays]);
    line.end(from(1), true, ROOM);
    assert_eq!((line.senders(), line.networks.len()), (0, 0));
}

#[test]
fn who_goes_out_of_turn_counts() {
    let mut line = Line::default();
    assert_eq!(line.enter(from(1), ROOM), Entry::Go);
    let overdue = ticket(line.enter(from(1), ROOM));
    assert!(line.leave(Sender(1), overdue, true));
    assert_eq!((line.active(), line.waiting()), (2, 0));
}

#[test]
fn the_queue_is_bounded_and_one_network_has_a_part_of_it() {
    let room = Room {
        each: 1,
        all: 1,
        waiting: 8,
    };
    let mut line = Line::default();
    assert_eq!(line.enter(from(0), room), Entry::Go);
    // Names are free to make up; the network is not.
    let made_up = |sender| Asking {
        network: Network(1),
        ..from(sender)
    };
    for sender in 1..=2 {
        ticket(line.enter(made_up(sender), room));
    }
    assert_eq!(line.enter(made_up(3), room), Entry::Full);
    assert_eq!(line.senders(), 3, "who was turned away is not kept");
    for sender in 10..16 {
        ticket(line.enter(from(sender), room));
    }
    assert_eq!(line.enter(from(20), room), Entry::Full);
}

#[test]
fn more_room_lets_more_go() {
    let mut line = Line::default();
    let none = Room { all: 0, ..ROOM };
    let waiting: Vec<_> = (0..3).map(|s| ticket(line.enter(from(s), none))).collect();
    assert!(line.is_short_of_room());
    assert_eq!(all(&mut line, none), []);
    assert_eq!(all(&mut line, ROOM), waiting[..2]);
}

#[derive(Clone, Debug)]
enum Act {
    Enter(u64, Option<u64>),
    End(usize),
    Leave(usize),
    Overdue(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0u64..5, prop::option::of(0u64..3)).prop_map(|(s, same)| Act::Enter(s, same)),
        3 => (0usize..20).prop_map(Act::End),
        1 => (0usize..20).prop_map(Act::Leave),
        1 => (0usize..20).prop_map(Act::Overdue),
    ]
}

proptest! {
    /// Whatever happens: nobody is lost, limits hold but for those that join or are overdue,
    /// nobody waits while there is room for it, and nothing is kept of who has gone.
    #[test]
    fn nobody_is_lost_and_limits_hold(acts in prop::collection::vec(act(), 1..300)) {
        let room = Room { each: 2, all: 4, waiting: 40 };
        let mut line = Line::default();
        let mut active: Vec<Asking> = Vec::new();
        let mut waiting: BTreeMap<Ticket, Asking> = BTreeMap::new();
        for act in acts {
            match act {
                Act::Enter(sender, same) => {
                    let asking = Asking { same, ..from(sender) };
                    match line.enter(asking, room) {
                        Entry::Go => active.push(asking),
                        Entry::Wait(ticket) => drop(waiting.insert(ticket, asking)),
                        Entry::Full => {}
                    }
                }
                Act::End(index) if !active.is_empty() => {
                    let ended = active.swap_remove(index % active.len());
                    line.end(ended, true, room);
                }
                Act::Leave(index) | Act::Overdue(index) if !waiting.is_empty() => {
                    let (ticket, asking) = waiting.iter().nth(index % waiting.len()).unwrap();
                    let (ticket, asking) = (*ticket, *asking);
                    waiting.remove(&ticket);
                    let goes = matches!(act, Act::Overdue(_));
                    prop_assert!(line.leave(asking.sender, ticket, goes));
                    if goes {
                        active.push(asking);
                    }
                }
                Act::End(_) | Act::Leave(_) | Act::Overdue(_) => {}
            }
            while let Some(ticket) = line.next(room) {
                active.push(waiting.remove(&ticket).unwrap());
            }
            prop_assert_eq!(line.active() as usize, active.len());
            prop_assert_eq!(line.waiting() as usize, waiting.len());
            for asking in waiting.values() {
                let of_sender = active.iter().filter(|a| a.sender == asking.sender).count();
                prop_assert!(of_sender >= 2 || active.len() >= 4, "{:?} could go", asking);
            }
        }
        while let Some(ended) = active.pop() {
            line.end(ended, true, room);
            while let Some(ticket) = line.next(room) {
                active.push(waiting.remove(&ticket).unwrap());
            }
        }
        prop_assert!(waiting.is_empty());
        prop_assert_eq!((line.senders(), line.networks.len(), line.ready.len()), (0, 0, 0));
    }
}
