//! Many cases in one test, every wrong one named at the end.

use std::fmt::Debug;

/// Collects the rows that went wrong.
#[derive(Default)]
pub(crate) struct Table {
    rows: usize,
    wrong: Vec<String>,
}

impl Table {
    /// One row: what came of `case`, and what should have.
    pub(crate) fn row<T: PartialEq + Debug>(&mut self, case: impl Debug, got: &T, wanted: &T) {
        self.rows += 1;
        if got != wanted {
            self.wrong
                .push(format!("{case:?}: got {got:?}, wanted {wanted:?}"));
        }
    }

    /// One row with several right outcomes.
    pub(crate) fn row_of(&mut self, case: impl Debug, got: &str, wanted: &[&str]) {
        self.rows += 1;
        if !wanted.contains(&got) {
            self.wrong
                .push(format!("{case:?}: got {got:?}, wanted {wanted:?}"));
        }
    }

    /// Fails if any row was wrong, or if the table is shorter than it claims.
    pub(crate) fn assert_right(&self, at_least: usize) {
        let wrong = self.wrong.join("\n  ");
        assert!(
            self.wrong.is_empty(),
            "{} of {} rows:\n  {wrong}",
            self.wrong.len(),
            self.rows
        );
        assert!(self.rows >= at_least, "{} rows, not {at_least}", self.rows);
    }
}
