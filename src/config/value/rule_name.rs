//! The name of an origin rule, or of a list of origins.

use std::fmt;
use std::str::FromStr;

use super::{InvalidValue, text_value};

/// The longest name.
const LONGEST: usize = 64;
/// What decides where no rule does has a name as well.
const TAKEN: [&str; 3] = ["ambiguous", "ip_literals", "strangers"];

/// The name of an origin rule or of a list: letters, digits, `-`, `_` and `.`, so that it stands as
/// it is in log lines, file names and metrics.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleName(Box<str>);

impl RuleName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RuleName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_good = text.chars().all(is_plain) && !text.starts_with('.');
        if text.is_empty() || text.len() > LONGEST || !is_good {
            let message = format!("{text:?} is not the name of a rule or a list");
            let help =
                "write letters, digits, \"-\", \"_\" and \".\", 64 at most, such as \"spam\"";
            return Err(InvalidValue::new(message, help));
        }
        if TAKEN.contains(&text) {
            let message = format!("\"{text}\" is what decides where no rule does");
            return Err(InvalidValue::new(message, "write another name"));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(RuleName, "RuleName", "name", "a name such as \"spam\"");
