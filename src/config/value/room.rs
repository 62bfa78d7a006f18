//! A Matrix room, by its id or an alias.

use std::fmt;
use std::str::FromStr;

use super::{InvalidValue, text_value};

/// The longest id or alias, in bytes (appendices, "Common Identifier Format").
const LONGEST: usize = 255;

/// A room: `!id` or `#alias:example.org`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Room(Box<str>);

impl Room {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an alias, which the homeserver knows the room of.
    pub fn is_alias(&self) -> bool {
        self.0.starts_with('#')
    }
}

impl FromStr for Room {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let is_id = text.len() > 1 && text.starts_with('!');
        let is_alias = text.starts_with('#') && text.contains(':');
        let is_plain = |c: char| !c.is_whitespace() && !c.is_control();
        if (is_id || is_alias) && text.len() <= LONGEST && text.chars().all(is_plain) {
            return Ok(Self(text.into()));
        }
        Err(InvalidValue::new(
            format!("{text:?} is no room"),
            "write its id, such as \"!abc:example.org\", or an alias, such as \"#bans:example.org\"",
        ))
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(
    Room,
    "Room",
    "room id or alias",
    "a room such as \"#bans:example.org\""
);
