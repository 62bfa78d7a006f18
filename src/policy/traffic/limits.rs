//! What the requests of a budget may take.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use super::pace::Rate;
use crate::matrix::ServerName;
use crate::policy::{Caller, Networks};

/// What the requests of one budget may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests of one sender that the homeserver works on at a time.
    pub per_sender: u32,
    /// The same of all senders together.
    pub in_all: u32,
    /// Requests that wait.
    pub max_queued: u32,
    /// How long one waits.
    pub max_wait: Duration,
    /// What becomes of one that has waited for that long.
    pub past: Past,
    /// Requests of one address, over time.
    pub requests: Option<Rate>,
    /// Bytes of answers to one sender, over time.
    pub bytes: Option<Rate>,
    /// The largest body of a request, in bytes, where its site allows as much.
    pub max_body_size: Option<u64>,
}

/// What becomes of a request that has waited for as long as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// 429 with the time after which it may go better.
    Refuse,
    /// 503.
    Unavailable,
    /// It goes to the homeserver all the same, as long as not too many do.
    Forward,
}

impl Past {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "429",
            Self::Unavailable => "503",
            Self::Forward => "forwarded",
        }
    }
}

/// Whom no limit holds for.
#[derive(Clone, Debug, Default)]
pub struct Exempt {
    /// Servers, once they have proven who they are.
    pub origins: HashSet<ServerName>,
    /// Networks of clients.
    pub networks: Networks,
}

impl Exempt {
    /// Whether limits do not hold for this sender. A name that is only claimed opens nothing.
    pub fn covers(&self, caller: Caller<'_>, client: IpAddr) -> bool {
        if let Caller::Verified(origin) = caller
            && self.origins.contains(origin.server_name())
        {
            return true;
        }
        self.networks.contains(client)
    }
}

/// What a budget has now, of what it may have at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Requests that the homeserver works on.
    pub active: u32,
    /// Requests that wait.
    pub waiting: u32,
    /// Senders with either.
    pub senders: usize,
    /// How many may be active now.
    pub in_all: u32,
}
