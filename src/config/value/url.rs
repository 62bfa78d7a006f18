//! Absolute web addresses that we hand out.

use std::fmt;
use std::str::FromStr;

use super::{InvalidValue, text_value};
use crate::matrix::ServerName;

/// An absolute `http://` or `https://` URL, kept as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpUrl(Box<str>);

impl HttpUrl {
    /// `https://host[:port]`, of a host that was parsed as one.
    pub(in crate::config) fn https(host: &str, port: Option<u16>) -> Self {
        let text = match port {
            Some(port) => format!("https://{host}:{port}"),
            None => format!("https://{host}"),
        };
        Self(text.into())
    }

    /// A URL of ours, which needs no check.
    pub(in crate::config) fn fixed(url: &'static str) -> Self {
        Self(url.into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the scheme is `https`.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Whether there is a `?` or `#` in it.
    pub fn has_query_or_fragment(&self) -> bool {
        self.0.contains(['?', '#'])
    }
}

impl FromStr for HttpUrl {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refuse = |reason: &dyn fmt::Display| {
            InvalidValue::new(
                format!("{text:?} is not a web address: {reason}"),
                "write an absolute URL such as \"https://matrix.example.com\"",
            )
        };
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .ok_or_else(|| refuse(&"it does not begin with https:// or http://"))?;
        // It goes into headers and documents, so only what RFC 3986 allows.
        let is_allowed = |c: char| {
            c.is_ascii_graphic()
                && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
        };
        if let Some(bad) = rest.chars().find(|c| !is_allowed(*c)) {
            return Err(refuse(&format_args!("{bad:?} must be percent-encoded")));
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(refuse(
                &"it carries a user name, which everybody could read",
            ));
        }
        authority
            .parse::<ServerName>()
            .map_err(|reason| refuse(&reason))?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(
    HttpUrl,
    "HttpUrl",
    "URL",
    "a URL such as \"https://example.com\""
);
