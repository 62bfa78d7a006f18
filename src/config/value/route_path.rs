//! The path prefix of a route.

use std::fmt;
use std::str::FromStr;

use super::{InvalidValue, text_value};
use crate::matrix::path::has_prefix;

/// A path prefix that matches whole segments of the raw path: `/a` matches `/a`
/// and `/a/b`, never `/ab`. A `/` at the end is dropped, except of `/` itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoutePath(Box<str>);

impl RoutePath {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `prefix` or below it.
    pub fn is_below(&self, prefix: &str) -> bool {
        has_prefix(self.0.as_bytes(), prefix)
    }
}

impl FromStr for RoutePath {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refuse = |reason: &str| {
            InvalidValue::new(
                format!("{text:?} is not a path prefix: {reason}"),
                "write whole segments as they stand in the URL, such as \"/livekit/sfu\"",
            )
        };
        if !text.starts_with('/') {
            return Err(refuse("it does not begin with \"/\""));
        }
        if text.contains("//") {
            return Err(refuse("it has an empty segment"));
        }
        if text.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(refuse("it has a dot segment"));
        }
        if text.contains('*') {
            return Err(refuse(
                "\"*\" has no meaning; a prefix matches all below it",
            ));
        }
        // Unreserved characters and the few sub-delimiters that servers do not give a meaning.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()+,=:@/".contains(c);
        if let Some(bad) = text.chars().find(|c| !is_plain(*c)) {
            return Err(refuse(&format!("{bad:?} may not stand in it")));
        }
        let trimmed = match text.strip_suffix('/') {
            Some("") | None => text,
            Some(trimmed) => trimmed,
        };
        Ok(Self(trimmed.into()))
    }
}

impl fmt::Display for RoutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(
    RoutePath,
    "RoutePath",
    "path",
    "a path such as \"/livekit/sfu\""
);
