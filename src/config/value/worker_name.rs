//! The name of a worker process.

use std::fmt;
use std::str::FromStr;

use super::{InvalidValue, text_value};
use crate::matrix::worker::Group;

/// The longest name.
const LONGEST: usize = 64;

/// The name of a worker: letters, digits, `-`, `_` and `.`, so that it stands as
/// it is in log lines, URLs and metrics.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerName(Box<str>);

impl WorkerName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WorkerName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if text.is_empty() || text.len() > LONGEST || !text.chars().all(is_plain) {
            let message = format!("{text:?} is not the name of a worker");
            let help =
                "write letters, digits, \"-\", \"_\" and \".\", 64 at most, such as \"sync1\"";
            return Err(InvalidValue::new(message, help));
        }
        if text == Group::Main.as_str() {
            let message = "\"main\" is the main process, which `homeserver` names";
            return Err(InvalidValue::new(message, "give the worker another name"));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for WorkerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(
    WorkerName,
    "WorkerName",
    "name",
    "the name of a worker such as \"sync1\""
);
