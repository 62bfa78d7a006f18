//! What is kept of a request when it ends.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Method;

use crate::matrix::ServerName;

/// One request from its head to the last byte of its answer: the metrics and
/// the access log are written from this and nothing else.
///
/// The types keep secrets and identifiers out: names are fixed in the program
/// (`&'static str`) or come from the configuration (`Arc<str>`), and there is
/// no place for a path, a query or a header other than the user agent, which
/// is cleaned before it is written.
#[derive(Clone, Debug)]
pub struct AccessRecord<'a> {
    /// When the request head had been read.
    pub time: SystemTime,
    /// The id given to the request, of our own making.
    pub request_id: &'a str,
    /// The client behind trusted proxies, loopback on a unix socket; none where
    /// the head was not looked at.
    pub client: Option<IpAddr>,
    /// The listener that took the connection.
    pub listener: &'a Arc<str>,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'static str,
    /// `TLSv1.2` or `TLSv1.3`; none without TLS.
    pub tls_version: Option<&'static str>,
    /// The site, where the host named one.
    pub site: Option<&'a Arc<str>>,
    /// The method; what is not a known one is written as `other`.
    pub method: Option<&'a Method>,
    /// The endpoint's template or the route's prefix, never the path.
    pub endpoint: Option<Name>,
    /// The endpoint's class.
    pub class: Option<&'static str>,
    /// The status sent; 499 where the client left before there was one.
    pub status: u16,
    /// Bytes of the request body that were read.
    pub bytes_in: u64,
    /// Bytes of the response body that were sent.
    pub bytes_out: u64,
    /// From the head to the last byte of the answer.
    pub duration: Duration,
    /// The upstream that was asked.
    pub upstream: Option<&'a Arc<str>>,
    /// The group of workers whose work it is; none where no homeserver was asked.
    pub group: Option<&'static str>,
    /// Why that upstream was chosen.
    pub placed_by: Option<&'static str>,
    /// The budget that its kind of work has; none where no limit holds.
    pub budget: Option<&'static str>,
    /// The wait for its turn in that; none where there was no wait.
    pub shaped: Option<Duration>,
    /// The wait for a turn at a process; none where there was no wait.
    pub queued: Option<Duration>,
    /// The wait for an upstream that was away; none where there was no wait.
    pub held: Option<Duration>,
    /// Time to a new upstream connection; none where one was reused.
    pub upstream_connect: Option<Duration>,
    /// From sending the request to the first byte of the upstream's answer.
    pub upstream_first_byte: Option<Duration>,
    /// Who says to send this federation request.
    pub origin: Option<&'a ServerName>,
    /// What came of its signature; `verified` where that has proven it, none where nobody looked.
    pub signature: Option<&'static str>,
    /// Why it would have been refused, where a rule is only tried.
    pub would_refuse: Option<&'static str>,
    /// The rule for origins that decided, or would have, and what it did.
    pub rule: Option<(&'a Arc<str>, RuleResult)>,
    /// Stands for the user in this process alone ([`Telemetry::user_hash`](super::Telemetry::user_hash)).
    pub user: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
    /// The `User-Agent` as it came; at most 200 printable characters are kept.
    pub user_agent: Option<&'a [u8]>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// An answer was passed on or made as wished.
    #[default]
    Served,
    /// A rule or limit said no; the word names it.
    Refused(&'static str),
    /// Something broke; the word names it.
    Failed(&'static str),
}

/// What a rule for origins did with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleResult {
    /// Let it pass.
    Allowed,
    /// Refused it.
    Refused,
    /// Would have refused it, and is only tried.
    WouldRefuse,
}

impl RuleResult {
    /// The name in metrics.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::WouldRefuse => "would_refuse",
        }
    }
}

/// A name from a closed set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// Fixed in the program.
    Fixed(&'static str),
    /// Taken from the configuration.
    Configured(Arc<str>),
}

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Fixed(name) => name,
            Self::Configured(name) => name,
        }
    }
}

impl From<&'static str> for Name {
    fn from(name: &'static str) -> Self {
        Self::Fixed(name)
    }
}

impl From<Arc<str>> for Name {
    fn from(name: Arc<str>) -> Self {
        Self::Configured(name)
    }
}

/// The method as a label: a client may send any word as one.
pub(super) fn method_label(method: &Method) -> &'static str {
    const KNOWN: [(&Method, &str); 8] = [
        (&Method::GET, "GET"),
        (&Method::PUT, "PUT"),
        (&Method::POST, "POST"),
        (&Method::OPTIONS, "OPTIONS"),
        (&Method::DELETE, "DELETE"),
        (&Method::HEAD, "HEAD"),
        (&Method::PATCH, "PATCH"),
        (&Method::CONNECT, "CONNECT"),
    ];
    KNOWN
        .iter()
        .find(|(known, _)| *known == method)
        .map_or("other", |(_, label)| label)
}
