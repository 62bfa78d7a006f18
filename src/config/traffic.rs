//! Who goes to the homeserver, and who waits: limits by kind of work.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::federation::Signatures;
use super::section::Section;
use super::span::Spanned;
use super::value::{BudgetName, ByteSize, Count, Network, Timeout};
use crate::matrix::ServerName;
use crate::matrix::budget::Budget;

/// Requests to a homeserver are counted in budgets, one for each kind of work.
/// One that finds its budget used up waits, its body unread: first come, first
/// served among those of one sender, and turn by turn between senders. Only what
/// has waited for as long as it may is turned away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Traffic {
    /// Whether work for other servers gives way while our own users wait longer
    /// than usual: its budgets shrink as soon as the homeserver's answers to them
    /// take 1.25 times as long as they mostly do, what can wait best first, and
    /// grow back slowly. What users do never waits for other servers.
    pub local_first: bool,
    /// Other limits than the defaults, each under `[[traffic.budgets]]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetLimits>,
    /// Whom no limit of this section holds for.
    pub exempt: Exempt,
}

/// Whom no limit holds for: bridges, big servers that are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Exempt {
    /// Servers, by name. A request is exempt once its signature has been verified
    /// (`federation.signatures`), not as long as the name is only claimed; the
    /// signature of one with a body covers that too, so such a request is not.
    #[schemars(example = ["matrix.org"])]
    pub origins: Vec<Spanned<ServerName>>,
    /// Networks of clients.
    #[schemars(example = ["10.1.0.0/16"])]
    pub networks: Vec<Network>,
}

/// What the requests of one budget may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BudgetLimits {
    /// The budget: `interactive`, `sync`, `initial_sync`, `media`, `upload`,
    /// `login`, `register`; for other servers `fed_txn`, `fed_keys`, `fed_join`,
    /// `fed_state`, `fed_history`, `fed_query`, `fed_media`, `key_notary`.
    #[schemars(example = &"fed_state")]
    pub name: Spanned<BudgetName>,
    /// Requests of one sender that the homeserver works on at a time: of a server,
    /// with its address where its name is not proven; of a user, or of an address
    /// where there is none; of an address for `login`, `register` and `key_notary`.
    /// Default: by budget, see [TRAFFIC.md](TRAFFIC.md#limits).
    pub per_sender: Count,
    /// The same of all senders together. Default: by budget.
    pub in_all: Count,
    /// Requests that wait; one network has a quarter of the places at most.
    pub max_queued: Count,
    /// How long one waits. Default: by budget, and less than who sends it does.
    pub max_wait: Timeout,
    /// What becomes of one that has waited for so long. Default: by budget.
    pub past: Past,
    /// Requests of one address in a second, five seconds' worth of them at once;
    /// more are spread over time. Default: 20 for `fed_query`, 10 for `login`, 5 for
    /// `register`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 20)]
    pub requests_per_second: Option<Count>,
    /// Bytes of answers to one sender in a second, ten seconds' worth at once. They
    /// are counted once they are sent: the next request waits for its turn. Default:
    /// 32M for `fed_media`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"32M")]
    pub bytes_per_second: Option<ByteSize>,
    /// The largest body of a request. Above it 413. Default: by budget; for `fed_txn`
    /// and those of clients only `limits.body_size` and `max_upload_size` hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"1M")]
    pub max_body_size: Option<ByteSize>,
}

/// What becomes of a request that has waited for as long as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Past {
    /// 429 with the time after which it may go better.
    Refuse,
    /// 503.
    Unavailable,
    /// It goes to the homeserver all the same, as long as no more than `in_all`
    /// do so; then 503.
    Forward,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            local_first: true,
            budgets: Vec::new(),
            exempt: Exempt::default(),
        }
    }
}

impl Traffic {
    /// What holds for `budget`.
    pub fn limits(&self, budget: Budget) -> BudgetLimits {
        let mut written = self.budgets.iter();
        let written = written.find(|limits| limits.name.budget() == budget);
        written.cloned().unwrap_or_else(|| BudgetLimits::of(budget))
    }

    /// What only shows beside the rest.
    pub(super) fn problems(&self, signatures: Signatures) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        for (index, limits) in self.budgets.iter().enumerate() {
            let mut before = self.budgets.iter().take(index);
            if let Some(first) = before.find(|first| *first.name == *limits.name) {
                let message = format!("the budget \"{}\" has limits twice", limits.name);
                let problem = Diagnostic::new(message, limits.name.span())
                    .related(first.name.span(), "the first ones")
                    .help("write all of them under one [[traffic.budgets]]");
                problems.push(problem);
            }
        }
        let first = self.exempt.origins.first();
        if let Some(origin) = first.filter(|_| signatures < Signatures::Verify) {
            let message = "nobody is exempt by name: no signature is verified";
            let problem = Diagnostic::new(message, origin.span());
            let help = "write signatures = \"verify\" under [federation], or exempt networks";
            problems.push(problem.help(help));
        }
        problems
    }

    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let traffic = Self {
            local_first: section.or("local_first", default.local_first),
            budgets: section
                .tables("budgets", BudgetLimits::read)
                .unwrap_or_default(),
            exempt: section.table_or_default("exempt", Exempt::read),
        };
        section.finish();
        traffic
    }
}

impl Exempt {
    fn read(mut section: Section<'_>) -> Self {
        let exempt = Self {
            origins: section.list("origins").unwrap_or_default(),
            networks: section.list("networks").unwrap_or_default(),
        };
        section.finish();
        exempt
    }
}

impl BudgetLimits {
    /// What holds for a budget that the configuration does not name.
    ///
    /// Waits are shorter than a remote Synapse waits for an answer, so that a request that had
    /// its turn late is still answered in time; numbers are such that Synapse's own limits
    /// (`rc_federation`) are not met.
    pub fn of(budget: Budget) -> Self {
        let kibibytes = |number| Some(ByteSize::kibibytes(number));
        let (per_sender, in_all, max_wait, past, max_body_size) = match budget {
            Budget::Interactive => (200, 10_000, 30, Past::Refuse, None),
            Budget::Sync => (100, 20_000, 10, Past::Refuse, None),
            Budget::InitialSync => (10, 2_000, 30, Past::Refuse, None),
            Budget::Media => (200, 5_000, 30, Past::Refuse, None),
            Budget::Upload => (20, 5_000, 60, Past::Refuse, None),
            Budget::Login | Budget::Register => (50, 2_000, 15, Past::Refuse, None),
            Budget::FedTransaction => (1, 64, 50, Past::Refuse, None),
            Budget::FedKeys => (4, 32, 6, Past::Forward, kibibytes(1_024)),
            Budget::FedJoin => (4, 16, 15, Past::Forward, kibibytes(2_048)),
            Budget::FedState => (2, 8, 45, Past::Unavailable, kibibytes(16)),
            Budget::FedHistory => (4, 16, 45, Past::Unavailable, kibibytes(256)),
            Budget::FedQuery => (4, 16, 6, Past::Refuse, kibibytes(16)),
            Budget::FedMedia => (4, 32, 30, Past::Refuse, None),
            Budget::KeyNotary => (2, 8, 5, Past::Refuse, kibibytes(64)),
        };
        let requests_per_second = match budget {
            Budget::FedQuery => Some(20),
            Budget::Login => Some(10),
            Budget::Register => Some(5),
            Budget::Interactive
            | Budget::Sync
            | Budget::InitialSync
            | Budget::Media
            | Budget::Upload
            | Budget::FedTransaction
            | Budget::FedKeys
            | Budget::FedJoin
            | Budget::FedState
            | Budget::FedHistory
            | Budget::FedMedia
            | Budget::KeyNotary => None,
        };
        Self {
            name: Spanned::new(BudgetName::from(budget), None),
            per_sender: Count::new(per_sender),
            in_all: Count::new(in_all),
            max_queued: Count::new(2_000),
            max_wait: Timeout::seconds(max_wait),
            past,
            requests_per_second: requests_per_second.map(Count::new),
            bytes_per_second: (budget == Budget::FedMedia).then(|| ByteSize::kibibytes(32 << 10)),
            max_body_size,
        }
    }

    fn read(mut section: Section<'_>) -> Option<Self> {
        let name: Option<Spanned<BudgetName>> = section.required("name", "name = \"fed_state\"");
        let budget = name.as_ref().map_or(Budget::FedState, |name| name.budget());
        let default = Self::of(budget);
        let per_sender = section.or("per_sender", default.per_sender);
        let in_all = section.or("in_all", default.in_all);
        let max_queued = section.or("max_queued", default.max_queued);
        let max_wait = section.or("max_wait", default.max_wait);
        let past = section.or("past", default.past);
        let requests_per_second = section.optional("requests_per_second");
        let bytes_per_second = section.optional("bytes_per_second");
        let max_body_size = section.optional("max_body_size");
        section.finish();
        Some(Self {
            name: name?,
            per_sender,
            in_all,
            max_queued,
            max_wait,
            past,
            requests_per_second: requests_per_second.or(default.requests_per_second),
            bytes_per_second: bytes_per_second.or(default.bytes_per_second),
            max_body_size: max_body_size.or(default.max_body_size),
        })
    }
}
