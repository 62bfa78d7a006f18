//! Whom a rule names.

use std::fmt;
use std::str::FromStr;

use super::{InvalidValue, text_value};
use crate::matrix::ServerPattern;

/// One server by its name, those below a name, or all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginPattern(ServerPattern);

impl OriginPattern {
    /// The pattern.
    pub fn pattern(&self) -> &ServerPattern {
        &self.0
    }
}

impl FromStr for OriginPattern {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        text.parse().map(Self).map_err(|reason| {
            let message = format!("{text:?} names no server: {reason}");
            let help = "write \"example.org\" for one server, \"*.example.org\" for those below \
                        the name, or \"*\" for all";
            InvalidValue::new(message, help)
        })
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_value!(
    OriginPattern,
    "OriginPattern",
    "`*`, server name or `*.name`",
    "a server name such as \"example.org\", or \"*.example.org\""
);
