use super::*;
use crate::policy::traffic::{Asking, Past};

fn limits(per_sender: u32, in_all: u32) -> Limits {
    Limits {
        per_sender,
        in_all,
        max_queued: 100,
        max_wait: Duration::from_secs(5),
        past: Past::Forward,
        requests: None,
        bytes: None,
        max_body_size: None,
    }
}

fn traffic(per_sender: u32, in_all: u32) -> Arc<Traffic> {
    let limits = |_| limits(per_sender, in_all);
    Arc::new(Traffic::new(limits, Exempt::default(), false))
}

fn request(sender: u64) -> Request {
    Request {
        budget: Budget::FedState,
        asking: Asking {
            sender: Sender(sender),
            network: Network(sender),
            same: None,
        },
        has_body: false,
    }
}

fn go(traffic: &Arc<Traffic>, request: Request) -> Turn {
    match traffic.enter(request, false) {
        Entered::Go(turn) => turn,
        other @ (Entered::Wait(_) | Entered::Later(_) | Entered::Full) => panic!("{other:?}"),
    }
}

fn wait(traffic: &Arc<Traffic>, request: Request) -> PlaceInLine {
    match traffic.enter(request, false) {
        Entered::Wait(place) => place,
        other @ (Entered::Go(_) | Entered::Later(_) | Entered::Full) => panic!("{other:?}"),
    }
}

fn counts(traffic: &Traffic) -> (u32, u32, usize) {
    let now = traffic.allowance(Budget::FedState);
    (now.active, now.waiting, now.senders)
}

#[tokio::test]
async fn a_turn_that_ends_is_the_next_one_s() {
    let traffic = traffic(1, 1);
    let turn = go(&traffic, request(1));
    let mut place = wait(&traffic, request(2));
    drop(turn);
    place.turn().await;
    let turn = place.take();
    assert_eq!(counts(&traffic), (1, 0, 1));
    drop(turn);
    assert_eq!(counts(&traffic), (0, 0, 0));
}

#[tokio::test]
async fn who_leaves_while_it_is_told_gives_the_turn_on() {
    let traffic = traffic(1, 1);
    let turn = go(&traffic, request(1));
    let leaves = wait(&traffic, request(2));
    let mut stays = wait(&traffic, request(3));
    drop(turn);
    drop(leaves);
    stays.turn().await;
    drop(stays.take());
    assert_eq!(counts(&traffic), (0, 0, 0));
}

#[tokio::test]
async fn a_turn_ends_with_the_answer_s_head_and_once_only() {
    let traffic = traffic(1, 2);
    let mut slow = go(&traffic, request(1));
    slow.end();
    let next = go(&traffic, request(1));
    drop(slow);
    assert_eq!(counts(&traffic), (1, 0, 1));
    drop(next);
}

#[tokio::test]
async fn a_body_that_trickles_does_not_keep_others_from_the_homeserver() {
    let traffic = traffic(1, 1);
    let slow = Request {
        has_body: true,
        ..request(1)
    };
    let mut slow = go(&traffic, slow);
    let mut other = wait(&traffic, request(2));
    // The clock of the lanes is the real one: as if the time had passed.
    let lane = traffic.lane(Budget::FedState).unwrap();
    lane.lock().pass_over_slow_bodies(Duration::from_mins(1));
    lane.lock().let_go(traffic.room(Budget::FedState));
    other.turn().await;
    let other = other.take();
    assert_eq!(counts(&traffic), (1, 0, 2));
    slow.body_is_up();
    drop(slow);
    assert_eq!(counts(&traffic), (1, 0, 1));
    drop(other);
    assert_eq!(counts(&traffic), (0, 0, 0));
}

#[tokio::test]
async fn what_is_overdue_goes_as_long_as_not_too_many_do() {
    let traffic = traffic(1, 2);
    let _first = go(&traffic, request(1));
    let mut overdue: Vec<_> = (0..2)
        .map(|_| wait(&traffic, request(1)).go_anyway().unwrap())
        .collect();
    assert!(wait(&traffic, request(1)).go_anyway().is_none());
    assert_eq!(counts(&traffic), (3, 0, 1));
    overdue.pop();
    assert!(wait(&traffic, request(1)).go_anyway().is_some());
}

#[tokio::test]
async fn a_reload_keeps_turns_and_places() {
    let before = traffic(1, 1);
    let turn = go(&before, request(1));
    let mut place = wait(&before, request(2));
    let after = Traffic::new(|_| limits(1, 3), Exempt::default(), false);
    let after = Arc::new(after.in_place_of(&before));
    assert_eq!(counts(&after), (1, 1, 2));
    drop(turn);
    place.turn().await;
    drop(place.take());
    assert_eq!(counts(&after), (0, 0, 0));
}

#[tokio::test]
async fn what_comes_too_fast_is_told_when_to_ask_again() {
    let rate = crate::policy::traffic::Rate {
        per_second: 1,
        burst: 2,
    };
    let paced = |_| Limits {
        requests: Some(rate),
        ..limits(10, 10)
    };
    let traffic = Arc::new(Traffic::new(paced, Exempt::default(), false));
    let turns = [go(&traffic, request(1)), go(&traffic, request(1))];
    let entered = traffic.enter(request(1), false);
    assert!(matches!(entered, Entered::Later(wait) if wait <= Duration::from_secs(1)));
    assert!(matches!(traffic.enter(request(1), true), Entered::Go(_)));
    drop(turns);
    // Another network is not concerned.
    drop(go(&traffic, request(2)));
    for _ in 0..10 {
        let _ = traffic.enter(request(1), false);
    }
    assert!(matches!(traffic.enter(request(1), false), Entered::Full));
}

#[tokio::test]
async fn slow_answers_make_less_room_for_others_and_none_for_our_own() {
    let limits = |_| limits(100, 40);
    let traffic = Arc::new(Traffic::new(limits, Exempt::default(), true));
    assert_eq!(traffic.allowance(Budget::FedState).in_all, 20);
    {
        let mut share = traffic.state.share.lock().unwrap();
        for step in 1..100 {
            share.unreachable(Duration::from_secs(step));
        }
        let level = millionths(share.level());
        traffic.state.level.store(level, Ordering::Relaxed);
    }
    assert_eq!(traffic.allowance(Budget::FedState).in_all, 1);
    assert_eq!(traffic.allowance(Budget::Interactive).in_all, 40);
}
