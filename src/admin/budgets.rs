//! What each kind of work has of a homeserver, as an operator sees it.

use serde::Serialize;

use crate::matrix::budget::Budget;
use crate::traffic::Traffic;

/// The requests of a site's budgets.
#[derive(Debug, Serialize)]
pub(super) struct Budgets {
    /// What the work for other servers may have now, from 0 to 1; 0.5 is usual.
    pub(super) federation_share: f64,
    pub(super) budgets: Vec<Row>,
}

/// The requests of one budget.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) budget: &'static str,
    /// At the homeserver.
    pub(super) active: u32,
    /// Of so many that may be.
    pub(super) allowed: u32,
    pub(super) waiting: u32,
    /// Who sends them.
    pub(super) senders: usize,
}

impl Budgets {
    pub(super) fn of(traffic: &Traffic) -> Self {
        let row = |budget: &Budget| {
            let now = traffic.allowance(*budget);
            Row {
                budget: budget.as_str(),
                active: now.active,
                allowed: now.in_all,
                waiting: now.waiting,
                senders: now.senders,
            }
        };
        Self {
            federation_share: traffic.share(),
            budgets: Budget::ALL.iter().map(row).collect(),
        }
    }
}
