//! The name of a budget.

use std::fmt;
use std::str::FromStr;

use super::{InvalidValue, text_value};
use crate::matrix::budget::Budget;

/// The name of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BudgetName(Budget);

impl BudgetName {
    /// The budget.
    pub fn budget(self) -> Budget {
        self.0
    }
}

impl From<Budget> for BudgetName {
    fn from(budget: Budget) -> Self {
        Self(budget)
    }
}

impl FromStr for BudgetName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Budget::named(text).map(Self).ok_or_else(|| {
            let names: Vec<&str> = Budget::ALL.iter().map(|budget| budget.as_str()).collect();
            InvalidValue::new(
                format!("{text:?} is no budget"),
                format!("the budgets are {}", names.join(", ")),
            )
        })
    }
}

impl fmt::Display for BudgetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_value!(
    BudgetName,
    "BudgetName",
    "budget",
    "the name of a budget such as \"fed_state\""
);
