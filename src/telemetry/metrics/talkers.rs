//! The servers that send most, by the name that they claim.
//!
//! Anybody can claim any name, and there are tens of thousands of servers, so only the busiest
//! are shown, found in fixed memory ([`Ranking`]): apart those who are believed, which metrics
//! name, and those who are not, which only the operator sees.
//!
//! What is counted is exact: a request of a server that is shown counts there, any other as one
//! of the rest. No series ever goes down while it is shown.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use prometheus::IntCounter;

use super::family::Family;
use super::ranking::{Ranking, lock};
use crate::telemetry::origins::{Origin, OriginFigures};

/// Servers that are shown by name.
const SHOWN: usize = 20;
/// The time in which a weight halves.
const HALF_LIFE: Duration = Duration::from_mins(10);
/// What a server that is shown has ahead of others, so that two do not take turns.
const ADVANTAGE: f64 = 1.25;

/// Neither is a valid server name.
const OTHER: &str = "(other)";
const UNPROVEN: &str = "(unproven)";

/// Counts requests by server.
pub(super) struct Talkers {
    believed: Ranking,
    doubted: Ranking,
    boards: Mutex<Boards>,
}

/// What is shown.
struct Boards {
    believed: Board,
    doubted: Board,
    series: HashMap<Box<str>, IntCounter>,
    collected: Instant,
}

/// The servers of one ranking.
type Board = HashMap<Box<str>, Shown>;

/// A server while it is shown.
#[derive(Default)]
struct Shown {
    weight: f64,
    /// Since it is shown.
    figures: OriginFigures,
}

impl Talkers {
    pub(super) fn new() -> Self {
        Self {
            believed: Ranking::new(),
            doubted: Ranking::new(),
            boards: Mutex::new(Boards {
                believed: HashMap::new(),
                doubted: HashMap::new(),
                series: HashMap::new(),
                collected: Instant::now(),
            }),
        }
    }

    /// Counts a request of `origin`; it `is_proven` where the homeserver did not doubt it.
    pub(super) fn count(&self, origin: &str, is_proven: bool, figures: &OriginFigures) {
        let ranking = if is_proven {
            &self.believed
        } else {
            &self.doubted
        };
        ranking.count(origin, figures);
    }

    /// Brings `family` up to date, and chooses anew who is shown from here on.
    pub(super) fn show(&self, family: &Family<IntCounter, 1>, now: Instant) {
        let mut boards = lock(&self.boards);
        let boards = &mut *boards;
        let past = now.saturating_duration_since(boards.collected);
        boards.collected = now;
        let fading = 0.5_f64.powf(past.as_secs_f64() / HALF_LIFE.as_secs_f64());
        let series = &boards.series;
        let mut other = 0;
        let rest = collect(
            &self.believed,
            fading,
            &mut boards.believed,
            |name, new| match series.get(name) {
                Some(series) => series.inc_by(new.requests),
                None => other += new.requests,
            },
        );
        other += rest;
        let mut unproven = 0;
        let rest = collect(&self.doubted, fading, &mut boards.doubted, |_, new| {
            unproven += new.requests;
        });
        unproven += rest;
        for (name, requests) in [(OTHER, other), (UNPROVEN, unproven)] {
            family.with([name], |series| series.inc_by(requests));
        }
        let is_shown = |name: &str| boards.believed.contains_key(name);
        boards.series.retain(|name, _| is_shown(name));
        family.retain(&|_, name| is_shown(name) || name == OTHER || name == UNPROVEN);
        for name in boards.believed.keys() {
            let known = boards.series.contains_key(name);
            if !known {
                boards.series.insert(name.clone(), family.child([name]));
            }
        }
    }

    /// The servers that are shown, the busiest first.
    pub(super) fn origins(&self) -> Vec<Origin> {
        let boards = lock(&self.boards);
        let of = |board: &Board, is_believed| {
            let servers = board.iter().map(|(name, shown)| Origin {
                name: name.clone(),
                is_believed,
                per_minute: per_minute(shown.weight),
                figures: shown.figures,
            });
            servers.collect::<Vec<_>>()
        };
        let mut all = of(&boards.believed, true);
        all.extend(of(&boards.doubted, false));
        all.sort_by(|a, b| {
            let by_load = b.per_minute.total_cmp(&a.per_minute);
            by_load.then_with(|| a.name.cmp(&b.name))
        });
        all
    }
}

/// Adds what a ranking has to its board, tells of each server, and keeps those with most. Returns
/// the requests of whoever was not followed.
fn collect(
    ranking: &Ranking,
    fading: f64,
    board: &mut Board,
    mut each: impl FnMut(&str, &OriginFigures),
) -> u64 {
    let mut all: HashMap<Box<str>, Shown> = HashMap::new();
    let other = ranking.collect(fading, |name, weight, new| {
        let shown = all.entry(name.into()).or_default();
        shown.weight += weight;
        shown.figures.add(new);
        each(name, new);
    });
    let mut order: Vec<(Box<str>, Shown, f64)> = all
        .into_iter()
        .map(|(name, shown)| {
            let ahead = if board.contains_key(&name) {
                ADVANTAGE
            } else {
                1.0
            };
            let weight = shown.weight * ahead;
            (name, shown, weight)
        })
        .collect();
    order.sort_by(|(a, _, more), (b, _, less)| less.total_cmp(more).then_with(|| a.cmp(b)));
    order.truncate(SHOWN);
    board.retain(|name, _| order.iter().any(|(shown, ..)| shown == name));
    for (name, new, _) in order {
        let shown = board.entry(name).or_default();
        shown.weight = new.weight;
        shown.figures.add(&new.figures);
    }
    other.requests
}

/// The rate that has led to a weight, if it has been the same for long: with one decimal.
fn per_minute(weight: f64) -> f64 {
    let minutes = HALF_LIFE.as_secs_f64() / 60.0 / std::f64::consts::LN_2;
    (weight / minutes * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prometheus::Registry;

    use super::super::Families;
    use super::*;

    /// A request of which nothing is known.
    const ONE: OriginFigures = OriginFigures {
        requests: 1,
        verified: 0,
        refused: 0,
        failed: 0,
        bytes_in: 0,
        bytes_out: 0,
        waited: Duration::ZERO,
    };

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
                self.talkers.count(name, true, &ONE);
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
        counted.talkers.count("forged.test", false, &ONE);
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
                scope.spawn(|| (0..1000).for_each(|_| talkers.count("a.test", true, &ONE)));
            }
        });
        assert_eq!(counted.shown(Duration::ZERO)["a.test"], 4000);
    }

    #[test]
    fn what_requests_came_to_is_told_and_who_is_doubted_stands_apart() {
        let mut counted = Counted::new();
        let refused = OriginFigures {
            refused: 1,
            bytes_in: 7,
            ..ONE
        };
        counted.count("a.test", 30);
        counted.shown(Duration::ZERO);
        counted.count("a.test", 5);
        counted.talkers.count("b.test", false, &refused);
        counted.shown(Duration::from_secs(15));
        let origins = counted.talkers.origins();
        let seen: Vec<_> = origins
            .iter()
            .map(|it| (&*it.name, it.is_believed, it.figures))
            .collect();
        let all = OriginFigures {
            requests: 35,
            ..ONE
        };
        assert_eq!(seen, [("a.test", true, all), ("b.test", false, refused)]);
        assert!(origins[0].per_minute > origins[1].per_minute);
        assert!(origins[0].per_minute < 35.0);
    }
}
