//! A set of servers, found by name in a time that does not grow with it.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::matrix::{Glob, ServerName, ServerPattern};

/// Servers by name: whom a rule names itself, or what a list holds.
///
/// A name without a port is read in the way that does no harm: a rule that denies means every port
/// of the host, because whoever has the host has all of its ports, and a rule that allows means the
/// server that is called so and no other, because a server on another port is another server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    has_all: bool,
    exact: HashSet<Box<str>>,
    /// What stands after `*.`.
    below: HashSet<Box<str>>,
    /// The most dots of those in `below`, so that no more of a long name is looked at.
    most_dots: usize,
    globs: Vec<Glob>,
}

/// How far a name without a port reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// To every port.
    EveryPort,
    /// To the server that is called so.
    AsWritten,
}

/// The name of a server in the spelling that names are compared in.
#[derive(Debug)]
pub(super) struct Asked {
    /// With the port.
    text: Box<str>,
    host_length: usize,
    pub(super) is_address: bool,
}

impl Asked {
    pub(super) fn new(name: &ServerName) -> Self {
        let text = canonical(name);
        let port = name.port().and_then(|_| text.rfind(':'));
        Self {
            host_length: port.unwrap_or(text.len()),
            text,
            is_address: name.ip().is_some(),
        }
    }

    fn host(&self) -> &str {
        self.text.get(..self.host_length).unwrap_or(&self.text)
    }
}

impl Names {
    /// How many names and patterns there are.
    pub fn len(&self) -> usize {
        self.exact.len() + self.below.len() + self.globs.len() + usize::from(self.has_all)
    }

    /// Whether nobody is named.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn has(&self, asked: &Asked, reach: Reach) -> bool {
        if self.has_all || self.has_text(&asked.text, asked.is_address) {
            return true;
        }
        let has_port = asked.host_length < asked.text.len();
        reach == Reach::EveryPort && has_port && self.has_text(asked.host(), asked.is_address)
    }

    fn has_text(&self, text: &str, is_address: bool) -> bool {
        if self.exact.contains(text) || self.globs.iter().any(|glob| glob.matches(text)) {
            return true;
        }
        if self.below.is_empty() || is_address {
            return false;
        }
        let dots = text.rmatch_indices('.').take(self.most_dots + 1);
        dots.filter_map(|(dot, _)| text.get(dot + 1..))
            .any(|rest| self.below.contains(rest))
    }
}

impl FromIterator<ServerPattern> for Names {
    fn from_iter<I: IntoIterator<Item = ServerPattern>>(patterns: I) -> Self {
        let mut names = Self::default();
        for pattern in patterns {
            match pattern {
                ServerPattern::All => names.has_all = true,
                ServerPattern::One(name) => drop(names.exact.insert(canonical(&name))),
                ServerPattern::Below(name) => {
                    let dots = name.as_str().matches('.').count();
                    names.most_dots = names.most_dots.max(dots);
                    names.below.insert(canonical(&name));
                }
                ServerPattern::Glob(glob) => names.globs.push(glob),
            }
        }
        names
    }
}

/// One spelling for all of an IPv6 address, and of a port.
fn canonical(name: &ServerName) -> Box<str> {
    let host = match name.ip() {
        Some(IpAddr::V6(address)) => format!("[{address}]"),
        Some(IpAddr::V4(_)) | None => name.host().to_owned(),
    };
    match name.port() {
        Some(port) => format!("{host}:{port}").into(),
        None => host.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(patterns: &[&str]) -> Names {
        patterns
            .iter()
            .map(|text| ServerPattern::of_entity(text).unwrap())
            .collect()
    }

    fn has(names: &Names, name: &str, reach: Reach) -> bool {
        names.has(&Asked::new(&name.parse().unwrap()), reach)
    }

    #[test]
    fn names_and_those_below_them_are_found_in_any_case() {
        let names = names(&[
            "evil.example",
            "*.spam.example",
            "*.b.c.d.example",
            "x*.glob.example",
        ]);
        for (name, expected) in [
            ("evil.example", true),
            ("EVIL.example", true),
            ("sub.evil.example", false),
            ("notevil.example", false),
            ("spam.example", false),
            ("a.spam.example", true),
            ("A.b.c.Spam.example", true),
            ("a.b.c.d.example", true),
            ("c.d.example", false),
            ("xy.glob.example", true),
            ("glob.example", false),
            ("example", false),
        ] {
            assert_eq!(has(&names, name, Reach::EveryPort), expected, "{name}");
            assert_eq!(has(&names, name, Reach::AsWritten), expected, "{name}");
        }
    }

    #[test]
    fn a_name_without_port_denies_every_port_and_allows_one_server() {
        let names = names(&["a.example", "*.b.example", "c.example:1", "*.d.example:1"]);
        for (name, every, written) in [
            ("a.example:8448", true, false),
            ("x.b.example:8448", true, false),
            ("c.example:1", true, true),
            ("c.example:01", true, true),
            ("c.example:2", false, false),
            ("c.example", false, false),
            ("x.d.example:1", true, true),
            ("x.d.example", false, false),
            ("x.d.example:11", false, false),
        ] {
            assert_eq!(has(&names, name, Reach::EveryPort), every, "{name}");
            assert_eq!(has(&names, name, Reach::AsWritten), written, "{name}");
        }
    }

    #[test]
    fn addresses_are_found_in_every_spelling_and_below_no_name() {
        let names = names(&["[2001:db8::1]", "1.2.3.4", "*.example"]);
        for name in ["[2001:DB8:0::1]", "[2001:db8::0:1]:8448", "1.2.3.4:1"] {
            assert!(has(&names, name, Reach::EveryPort), "{name}");
        }
        assert!(has(&names, "[2001:db8:0:0::1]", Reach::AsWritten));
        assert!(!has(&names, "[2001:db8::2]", Reach::EveryPort));
    }
}
