use proptest::prelude::*;

use super::*;

const KINDS: usize = 2;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Answers of `took` milliseconds, fifty a second, for so long.
fn run(share: &mut Share, now: &mut Duration, seconds: u64, took: u64, is_wanted: bool) {
    for _ in 0..seconds * 50 {
        *now += ms(20);
        share.answered(0, ms(took), *now);
        if is_wanted {
            share.wanted(*now);
        }
    }
}

#[test]
fn slow_answers_cut_the_share_at_once_and_it_grows_back_slowly() {
    let mut now = Duration::ZERO;
    let mut share = Share::new(KINDS, now);
    run(&mut share, &mut now, 30, 20, true);
    assert!(share.level() > 0.99, "{}", share.level());
    run(&mut share, &mut now, 2, 60, true);
    assert!(share.level() < 0.2, "{}", share.level());
    run(&mut share, &mut now, 5, 20, true);
    let after_five_seconds = share.level();
    assert!(after_five_seconds < 0.5, "{after_five_seconds}");
    run(&mut share, &mut now, 30, 20, true);
    assert!(share.level() > 0.99, "{}", share.level());
}

#[test]
fn a_storm_does_not_become_what_is_usual() {
    let mut now = Duration::ZERO;
    let mut share = Share::new(KINDS, now);
    run(&mut share, &mut now, 30, 20, true);
    run(&mut share, &mut now, 600, 60, true);
    assert!(share.level() <= LEAST + f64::EPSILON, "{}", share.level());
}

#[test]
fn a_homeserver_that_stays_slower_gets_its_share_back() {
    let mut now = Duration::ZERO;
    let mut share = Share::new(KINDS, now);
    run(&mut share, &mut now, 30, 20, true);
    run(&mut share, &mut now, 7_200, 60, true);
    assert!(share.level() > 0.99, "{}", share.level());
}

#[test]
fn nobody_who_waits_means_no_reason_to_cut() {
    let mut now = Duration::ZERO;
    let mut share = Share::new(KINDS, now);
    run(&mut share, &mut now, 30, 20, true);
    run(&mut share, &mut now, 2, 80, true);
    assert!(share.level() < 0.2);
    for _ in 0..60 {
        now += Duration::from_secs(1);
        share.wanted(now);
    }
    assert!(share.level() > 0.99, "{}", share.level());
}

#[test]
fn what_is_not_needed_goes_back_to_what_is_usual() {
    let mut now = Duration::ZERO;
    let mut share = Share::new(KINDS, now);
    run(&mut share, &mut now, 30, 20, true);
    run(&mut share, &mut now, 120, 20, false);
    assert!((share.level() - USUAL).abs() < 0.01, "{}", share.level());
}

#[test]
fn a_homeserver_that_takes_no_connections_gets_less() {
    let mut now = Duration::ZERO;
    let mut share = Share::new(KINDS, now);
    for _ in 0..10 {
        now += ms(250);
        share.unreachable(now);
    }
    assert!(share.level() < 0.1, "{}", share.level());
}

#[test]
fn a_few_slow_answers_among_many_change_nothing() {
    let mut now = Duration::ZERO;
    let mut share = Share::new(KINDS, now);
    run(&mut share, &mut now, 10, 20, true);
    let before = share.level();
    for n in 0..2_000 {
        now += ms(20);
        share.answered(0, ms(if n % 4 == 0 { 2_000 } else { 20 }), now);
    }
    assert!(share.level() >= USUAL, "{before} {}", share.level());
}

#[test]
fn kinds_are_compared_with_themselves() {
    let mut now = Duration::ZERO;
    let mut share = Share::new(KINDS, now);
    run(&mut share, &mut now, 10, 20, true);
    // Calls that always take long are not slow.
    for _ in 0..2_000 {
        now += ms(20);
        share.answered(1, ms(900), now);
        share.wanted(now);
    }
    assert!(share.level() > 0.99, "{}", share.level());
}

#[test]
fn reads_give_way_before_transactions_and_keys_last() {
    let table = [
        (Budget::FedState, 8),
        (Budget::FedHistory, 16),
        (Budget::FedQuery, 16),
        (Budget::FedTransaction, 64),
        (Budget::FedKeys, 32),
        (Budget::Interactive, 1_000),
    ];
    let at = |level| table.map(|(budget, all)| of_budget(budget, all, level));
    assert_eq!(at(1.0), [8, 16, 16, 64, 32, 1_000]);
    assert_eq!(at(USUAL), [4, 8, 8, 64, 32, 1_000]);
    assert_eq!(at(0.2), [1, 1, 1, 27, 21, 1_000]);
    assert_eq!(at(LEAST), [1, 1, 1, 4, 5, 1_000]);
}

proptest! {
    /// Whatever is measured, the share stays within its bounds; and once all is well again, it
    /// comes back within the time that its growth takes.
    #[test]
    fn the_share_has_a_floor_and_recovers(
        answers in prop::collection::vec((0usize..3, 0u64..100_000, 0u64..3_000, 0u8..8), 1..400),
    ) {
        let mut now = Duration::ZERO;
        let mut share = Share::new(KINDS, now);
        for (kind, took, gap, act) in answers {
            now += ms(gap);
            match act {
                0 => share.unreachable(now),
                1 => share.wanted(now),
                _ => share.answered(kind, ms(took), now),
            };
            prop_assert!((LEAST..=1.0).contains(&share.level()));
            for budget in Budget::ALL {
                let part = of_budget(*budget, 10, share.level());
                prop_assert!((1..=10).contains(&part));
            }
        }
        // Nobody waits longer than usual any more.
        for _ in 0..30 {
            now += LONG;
            share.wanted(now);
        }
        prop_assert!(share.level() > 0.99, "{}", share.level());
    }
}
