//! URLs as far as redirects and well-known documents need them.

use std::fmt;

/// `http(s)://host[:port]/target`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) is_https: bool,
    /// In lower case; an IPv6 address in its brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Path and query, from the slash on.
    pub(super) target: String,
}

/// Why a text is no URL that could be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    /// Another scheme than http and https.
    #[error("its scheme is neither http nor https")]
    Scheme,
    /// Something else.
    #[error("it is no URL")]
    Malformed,
}

impl Url {
    /// `https://host/target` on the usual port.
    pub(super) fn https(host: &str, target: &str) -> Self {
        Self {
            is_https: true,
            host: host.to_owned(),
            port: 443,
            target: target.to_owned(),
        }
    }

    /// Reads an absolute URL.
    pub(super) fn parse(text: &str) -> Result<Self, Unusable> {
        let is_plain = |byte: u8| matches!(byte, b'!'..=b'~');
        if !text.bytes().all(is_plain) {
            return Err(Unusable::Malformed);
        }
        let (scheme, rest) = text.split_once("://").ok_or(Unusable::Malformed)?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(Unusable::Scheme),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let name: crate::matrix::ServerName = authority.parse().map_err(|_| Unusable::Malformed)?;
        let target = match target.strip_prefix('?') {
            Some(query) => format!("/?{query}"),
            None if target.is_empty() => "/".to_owned(),
            None => target.to_owned(),
        };
        Ok(Self {
            is_https,
            host: name.host().to_owned(),
            port: name.port().unwrap_or(if is_https { 443 } else { 80 }),
            target,
        })
    }

    /// What a `Location` means here (RFC 3986, 5.2, without dot segments, which no server sends).
    pub(super) fn join(&self, location: &str) -> Result<Self, Unusable> {
        if let Some(rest) = location.strip_prefix("//") {
            let scheme = if self.is_https { "https" } else { "http" };
            return Self::parse(&format!("{scheme}://{rest}"));
        }
        let colon = location.find(':');
        let end = location.find(['/', '?', '#']).unwrap_or(location.len());
        if colon.is_some_and(|colon| colon < end) {
            return Self::parse(location);
        }
        if !location.bytes().all(|byte| matches!(byte, b'!'..=b'~')) {
            return Err(Unusable::Malformed);
        }
        let location = location.split('#').next().unwrap_or_default();
        let path = self.target.split('?').next().unwrap_or_default();
        let target = if location.starts_with('/') {
            location.to_owned()
        } else if location.starts_with('?') {
            format!("{path}{location}")
        } else {
            let folder = path
                .rfind('/')
                .and_then(|at| path.get(..=at))
                .unwrap_or("/");
            format!("{folder}{location}")
        };
        Ok(Self {
            target,
            ..self.clone()
        })
    }

    /// Whether a `Location` is relative.
    pub(super) fn is_relative(location: &str) -> bool {
        !location.contains("://")
    }

    /// `host[:port]` as a client sends it.
    pub(super) fn authority(&self) -> String {
        match (self.is_https, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        let (authority, target) = (self.authority(), &self.target);
        write!(f, "{scheme}://{authority}{target}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_written() {
        for (text, written) in [
            ("https://Example.org", "https://example.org/"),
            ("http://a:80/b?c#d", "http://a/b?c"),
            ("https://[::1]:8448?x", "https://[::1]:8448/?x"),
        ] {
            assert_eq!(Url::parse(text).unwrap().to_string(), written);
        }
        assert_eq!(Url::parse("ftp://a/"), Err(Unusable::Scheme));
        for text in [
            "a",
            "https://",
            "https://a b/",
            "https://u@h/",
            "https:///x",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn locations_are_resolved_where_they_stand() {
        let base = Url::https("a", "/x/y?z");
        for (location, expected) in [
            ("/b", "https://a/b"),
            ("b", "https://a/x/b"),
            ("?q", "https://a/x/y?q"),
            ("//c/d", "https://c/d"),
            ("http://c/d", "http://c/d"),
        ] {
            assert_eq!(
                base.join(location).unwrap().to_string(),
                expected,
                "{location}"
            );
        }
        assert_eq!(base.join("gopher://c"), Err(Unusable::Scheme));
    }
}
