//! How much of the homeserver the work for other servers may have: less while our own users wait
//! longer than usual, and slowly more again.
//!
//! What is usual is measured. Each kind of call that a person waits for has a baseline, which
//! follows the time to the first byte of its answers: quickly at first, then by a factor of two in
//! minutes, and upwards ten times slower while the share is cut, so that a storm does not become
//! what is usual. Five times a second at most the median of how much longer than usual the answers took
//! is looked at. Above [`SLOW`] the share is cut in proportion; below [`WELL`] it grows by a fixed
//! step. The share begins at [`USUAL`], and exceeds it only while somebody waits for more.

use std::time::Duration;

use crate::matrix::budget::Budget;

/// The least that is left to the work for others, of 1.
const LEAST: f64 = 0.05;
/// Where the share begins, and what it returns to.
const USUAL: f64 = 0.5;
/// Answers that take so many times what is usual are slow.
const SLOW: f64 = 1.25;
/// Answers that take no more are well.
const WELL: f64 = 1.15;
/// What the share gains in a second.
const GROWTH: f64 = 0.05;
/// What it loses in a second where it is above what is usual and nobody needs it.
const DECAY: f64 = 0.005;
/// The most that one look takes, as a factor.
const CUT: f64 = 0.6;
/// How slow a homeserver counts that takes no connections.
const UNREACHABLE: f64 = 2.0;

/// What is looked at together: at least so long, and so many answers.
const WINDOW: Duration = Duration::from_millis(200);
const ENOUGH: usize = 8;
/// After this time few answers are enough, and none means that nobody waits.
const LONG: Duration = Duration::from_secs(2);
const FEW: usize = 3;
/// More answers are not kept of one window.
const MOST: usize = 64;
/// Answers of a kind after which its baseline is trusted.
const KNOWN: u32 = 16;
/// A baseline halves in this time, or doubles in twice that, or in twenty times while the share is cut.
const HALVING: f64 = 60.0;

/// The controller of one homeserver's share.
#[derive(Debug)]
pub struct Share {
    level: f64,
    /// By kind of call.
    baselines: Vec<Baseline>,
    /// How many times as long as usual the answers of this window took.
    window: Vec<f32>,
    begun: Duration,
    is_unreachable: bool,
    is_wanted: bool,
}

/// What is usual of one kind of call, as the logarithm of seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Baseline {
    usual: f64,
    answers: u32,
    at: Duration,
}

impl Share {
    /// The share of a homeserver that nothing is known of, for so many kinds of calls.
    pub fn new(kinds: usize, now: Duration) -> Self {
        Self {
            level: USUAL,
            baselines: vec![Baseline::default(); kinds],
            window: Vec::with_capacity(MOST),
            begun: now,
            is_unreachable: false,
            is_wanted: false,
        }
    }

    /// What the work for others may have now, from [`LEAST`] to 1.
    pub fn level(&self) -> f64 {
        self.level
    }

    /// A call of this kind was answered after `time`. True where the share has changed.
    pub fn answered(&mut self, kind: usize, time: Duration, now: Duration) -> bool {
        let is_cut = self.level < USUAL;
        if let Some(baseline) = self.baselines.get_mut(kind) {
            let ratio = baseline.answered(time, now, is_cut);
            if let Some(ratio) = ratio
                && self.window.len() < MOST
            {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "a ratio needs no more digits"
                )]
                self.window.push(ratio as f32);
            }
        }
        self.look(now)
    }

    /// The homeserver took no connection. True where the share has changed.
    pub fn unreachable(&mut self, now: Duration) -> bool {
        self.is_unreachable = true;
        self.look(now)
    }

    /// Work for others waits for nothing but its share. True where that has changed.
    pub fn wanted(&mut self, now: Duration) -> bool {
        self.is_wanted = true;
        self.look(now)
    }

    /// Looks at what has come, once it is enough.
    fn look(&mut self, now: Duration) -> bool {
        let time = now.saturating_sub(self.begun);
        let is_due = time >= WINDOW && (self.window.len() >= ENOUGH || self.is_unreachable);
        if !is_due && time < LONG {
            return false;
        }
        let mut ratio = None;
        if self.window.len() >= FEW {
            self.window.sort_by(f32::total_cmp);
            ratio = self
                .window
                .get(self.window.len() / 2)
                .copied()
                .map(f64::from);
        }
        if self.is_unreachable {
            ratio = Some(ratio.unwrap_or(1.0).max(UNREACHABLE));
        }
        let before = self.level;
        self.level = next(before, ratio.unwrap_or(1.0), self.is_wanted, time.min(LONG));
        self.window.clear();
        self.begun = now;
        self.is_unreachable = false;
        self.is_wanted = false;
        (self.level - before).abs() > f64::EPSILON
    }
}

/// The share after one at which answers took `ratio` times what is usual for `time`.
fn next(level: f64, ratio: f64, is_wanted: bool, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if ratio > SLOW {
        return (level * (SLOW / ratio).max(CUT)).max(LEAST);
    }
    if ratio > WELL {
        return level;
    }
    let goal = if is_wanted { 1.0 } else { USUAL };
    if level < goal {
        (level + GROWTH * seconds).min(goal)
    } else {
        (level - DECAY * seconds).max(goal)
    }
}

impl Baseline {
    /// Learns of an answer; how many times as long as usual it took, once that is known.
    fn answered(&mut self, time: Duration, now: Duration, is_cut: bool) -> Option<f64> {
        let took = time.as_secs_f64().max(1e-6).ln();
        let since = now.saturating_sub(self.at).as_secs_f64().min(1.0);
        self.at = now;
        if self.answers < KNOWN {
            self.answers += 1;
            self.usual += (took - self.usual) / f64::from(self.answers);
            return None;
        }
        let ratio = (took - self.usual).exp();
        let step = std::f64::consts::LN_2 * since / HALVING;
        if took < self.usual {
            self.usual = (self.usual - step).max(took);
        } else {
            let step = if is_cut { step / 20.0 } else { step / 2.0 };
            self.usual = (self.usual + step).min(took);
        }
        Some(ratio)
    }
}

/// What a budget has of `in_all` at this level of the share.
///
/// What gives way first is what can wait best: keys of others, media and state before history and
/// queries, then joins, then transactions, and last the keys of our users, without which messages
/// cannot be read. Each keeps a little.
pub fn of_budget(budget: Budget, in_all: u32, level: f64) -> u32 {
    // It has nothing at the first level, and everything from the second on.
    let (none, all, least) = match budget {
        Budget::KeyNotary => (0.40, 0.60, 1),
        Budget::FedMedia => (0.35, 0.65, 1),
        Budget::FedState => (0.30, 0.70, 1),
        Budget::FedHistory => (0.25, 0.75, 1),
        Budget::FedQuery => (0.20, 0.80, 1),
        Budget::FedJoin => (0.10, 0.60, 2),
        Budget::FedTransaction => (0.05, 0.40, 4),
        Budget::FedKeys => (0.0, 0.30, 4),
        Budget::Interactive
        | Budget::Sync
        | Budget::InitialSync
        | Budget::Media
        | Budget::Upload
        | Budget::Login
        | Budget::Register => return in_all,
    };
    let part = ((level - none) / (all - none)).clamp(0.0, 1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and a u32"
    )]
    let share = (f64::from(in_all) * part).round() as u32;
    share.max(least).min(in_all)
}

#[cfg(test)]
mod tests;
