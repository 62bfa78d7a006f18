//! The name of a class of endpoints that servers call with a signature.

use std::fmt;
use std::str::FromStr;

use super::{InvalidValue, text_value};
use crate::matrix::endpoint::Class;

/// Those that are called with a signature, so that an origin is known.
const SIGNED: [Class; 11] = [
    Class::FedTransaction,
    Class::FedJoin,
    Class::FedInvite,
    Class::FedState,
    Class::FedHistory,
    Class::FedKeys,
    Class::FedQuery,
    Class::FedMedia,
    Class::FedPolicy,
    Class::FedUnknown,
    Class::Appservice,
];

/// A class of endpoints that servers call with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClassName(Class);

impl ClassName {
    /// The class.
    pub fn class(self) -> Class {
        self.0
    }
}

impl FromStr for ClassName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let class = Class::named(text);
        if let Some(class) = class.filter(|class| SIGNED.contains(class)) {
            return Ok(Self(class));
        }
        let message = match class {
            Some(Class::KeyOwn | Class::KeyNotary | Class::FedMeta) => {
                format!("{text:?} stays open: without it no server could talk to another one")
            }
            Some(_) => format!("requests of the class {text:?} have no origin"),
            None => format!("{text:?} is no class of endpoints"),
        };
        let names = SIGNED.map(Class::as_str).join(", ");
        Err(InvalidValue::new(
            message,
            format!("the classes are {names}"),
        ))
    }
}

impl fmt::Display for ClassName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_value!(
    ClassName,
    "ClassName",
    "class",
    "the name of a class of endpoints such as \"fed_query\""
);
