//! What another proxy does, whichever it is.

use regex::Regex;

use crate::matrix::path::has_prefix;

/// A whole proxy.
#[derive(Debug, Default)]
pub(super) struct Front {
    pub(super) hosts: Vec<VirtualHost>,
    /// Where requests are logged, with the directive.
    pub(super) access_log: Option<(usize, AccessLog)>,
    /// Proxies whose `X-Forwarded-For` is believed, with the directive of each.
    pub(super) trusted: Vec<(usize, String)>,
    /// Whether addresses come from the PROXY protocol alone.
    pub(super) trusts_proxy_protocol: bool,
    /// What upstreams with a name consist of: the directives of the upstream and the member, and
    /// its address.
    pub(super) members: Vec<(usize, usize, String)>,
    /// `Strict-Transport-Security`: the directive and its `max-age`.
    pub(super) hsts: Option<(usize, u64)>,
}

/// Where requests are logged.
#[derive(Clone, Debug)]
pub(super) enum AccessLog {
    Nowhere,
    File(String),
}

/// Hosts on sockets, and rules for them.
#[derive(Debug)]
pub(super) struct VirtualHost {
    /// Its own directive.
    pub(super) directive: usize,
    /// In lower case, without wildcards.
    pub(super) names: Vec<String>,
    pub(super) sockets: Vec<Socket>,
    pub(super) certificates: Vec<Certificate>,
    pub(super) rules: Vec<Rule>,
    pub(super) order: Order,
    /// The largest body.
    pub(super) body: Option<Limit>,
    /// The largest body where nothing is written; `None` for any.
    pub(super) default_body: Option<u64>,
    /// Whether plain requests are sent to `https`.
    pub(super) redirects: bool,
}

/// Where it listens.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    pub(super) directive: usize,
    /// As our `address`: `*:443`, `192.0.2.1:443`, `unix:/path`.
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) is_tls: bool,
    pub(super) has_proxy_protocol: bool,
}

/// Two files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// A number and the directive that says it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) directive: usize,
    pub(super) number: u64,
}

/// Which rule of several holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// An exact path, else the longest prefix if it forbids patterns, else the first pattern, else
    /// the longest prefix.
    Nginx,
    /// The first that matches; prefixes are of whole segments.
    Apache,
}

/// Which paths, and what happens there.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// The directive that names the paths.
    pub(super) directive: usize,
    /// The directive that says what happens; the same where it is one.
    pub(super) acting: usize,
    /// The directive that names the folder, where that is another.
    pub(super) root: Option<usize>,
    pub(super) paths: Paths,
    pub(super) action: Action,
    /// Clients that may, with their directives; empty for all.
    pub(super) networks: Vec<(usize, String)>,
    pub(super) read_timeout: Option<Limit>,
    pub(super) body: Option<Limit>,
}

/// The paths of a rule.
#[derive(Clone, Debug)]
pub(super) enum Paths {
    /// This one.
    Exact(String),
    /// All that begin so.
    Prefix(String),
    /// All that begin so, and no pattern may take them.
    FirmPrefix(String),
    /// All that a pattern matches.
    Pattern(Regex),
}

/// What happens.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// Others answer.
    Pass {
        to: Choice,
        /// What the prefix of the path is replaced by.
        path: Option<String>,
    },
    /// Files of a folder.
    Files(String),
    /// One file.
    File(String),
    /// A text.
    Document { status: u16, text: String },
    /// The client is sent to a URL.
    Redirect(String),
    /// A status, and nothing else.
    Refuse,
    /// What is not understood, or nothing at all.
    Unknown,
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Always(Target),
    /// By whether the query has an argument.
    ByArgument {
        name: String,
        with: Target,
        without: Target,
    },
}

/// Processes that share the work.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Target {
    /// As they are called; empty where they have no name.
    pub(super) name: String,
    /// Their addresses, as our `upstream`.
    pub(super) addresses: Vec<String>,
}

impl Choice {
    /// Who answers a request with these arguments.
    pub(super) fn of(&self, arguments: &[&str]) -> &Target {
        match self {
            Self::Always(target) => target,
            Self::ByArgument {
                name,
                with,
                without,
            } => {
                if arguments.contains(&name.as_str()) {
                    with
                } else {
                    without
                }
            }
        }
    }

    /// All who may.
    pub(super) fn targets(&self) -> Vec<&Target> {
        match self {
            Self::Always(target) => vec![target],
            Self::ByArgument { with, without, .. } => vec![with, without],
        }
    }
}

impl Paths {
    /// The prefix or the path itself.
    pub(super) fn literal(&self) -> Option<&str> {
        match self {
            Self::Exact(path) | Self::Prefix(path) | Self::FirmPrefix(path) => Some(path),
            Self::Pattern(_) => None,
        }
    }

    /// Whether a word stands in it.
    pub(super) fn names(&self, word: &str) -> bool {
        match self {
            Self::Exact(path) | Self::Prefix(path) | Self::FirmPrefix(path) => path.contains(word),
            Self::Pattern(pattern) => pattern.as_str().contains(word),
        }
    }
}

impl VirtualHost {
    /// The rule that holds for a decoded path.
    pub(super) fn rule(&self, path: &str) -> Option<&Rule> {
        match self.order {
            Order::Nginx => self.by_length(path),
            Order::Apache => self.rules.iter().find(|rule| match &rule.paths {
                Paths::Exact(exact) => exact == path,
                Paths::Prefix(prefix) | Paths::FirmPrefix(prefix) => {
                    prefix.ends_with('/') && path.starts_with(prefix)
                        || has_prefix(path.as_bytes(), prefix)
                }
                Paths::Pattern(pattern) => pattern.is_match(path),
            }),
        }
    }

    fn by_length(&self, path: &str) -> Option<&Rule> {
        let is_exact = |rule: &&Rule| matches!(&rule.paths, Paths::Exact(exact) if exact == path);
        if let Some(exact) = self.rules.iter().find(is_exact) {
            return Some(exact);
        }
        let prefix = |rule: &Rule| match &rule.paths {
            Paths::Prefix(prefix) | Paths::FirmPrefix(prefix) if path.starts_with(prefix) => {
                Some(prefix.len())
            }
            Paths::Exact(_) | Paths::Prefix(_) | Paths::FirmPrefix(_) | Paths::Pattern(_) => None,
        };
        let prefixes = self.rules.iter().filter(|rule| prefix(rule).is_some());
        let longest = prefixes.max_by_key(|rule| prefix(rule));
        if longest.is_some_and(|rule| matches!(rule.paths, Paths::FirmPrefix(_))) {
            return longest;
        }
        let matches =
            |rule: &&Rule| matches!(&rule.paths, Paths::Pattern(pattern) if pattern.is_match(path));
        self.rules.iter().find(matches).or(longest)
    }
}
