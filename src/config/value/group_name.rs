//! The name of a group of workers.

use std::fmt;
use std::str::FromStr;

use super::{InvalidValue, text_value};
use crate::matrix::worker::Group;

/// The name of a group of workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupName(Group);

impl GroupName {
    /// The group.
    pub fn group(self) -> Group {
        self.0
    }
}

impl From<Group> for GroupName {
    fn from(group: Group) -> Self {
        Self(group)
    }
}

impl FromStr for GroupName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Group::named(text).map(Self).ok_or_else(|| {
            let names: Vec<&str> = Group::ALL.iter().map(|group| group.as_str()).collect();
            InvalidValue::new(
                format!("{text:?} is no group of workers"),
                format!("the groups are {}", names.join(", ")),
            )
        })
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_value!(
    GroupName,
    "GroupName",
    "group",
    "the name of a group of workers such as \"synchrotron\""
);
