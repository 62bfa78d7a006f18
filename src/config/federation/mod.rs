//! What other servers may do, and how they prove who they are.

mod check;
mod keys;
mod list;
mod rule;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::keys::{KeyId, Keys, PinnedKey, PublicKey};
use super::section::Section;
use super::span::Spanned;
use super::value::ByteSize;

pub use list::{ListSource, OriginList, WhenStale};
pub use rule::{OriginAnswer, OriginRule, Permission};

pub(super) use check::problems;

/// What other servers may do, and how they prove who they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Federation {
    /// What the signature of a request is taken for, with which a server proves that it is the
    /// one that sends it.
    pub signatures: Signatures,
    /// The largest body that is verified though its sender did not write it as canonical JSON,
    /// which Synapse and most others do: it is kept in memory until its end, and what was signed is
    /// made of it. What is larger passes with `"verify"`, and does not with `"enforce"`.
    pub rewritten_body_size: ByteSize,
    /// Whether nothing is refused, and it is only counted and logged what would have been: for a
    /// try of rules and of `signatures` on a running server.
    pub dry_run: bool,
    /// What becomes of servers that none of the `rules` names. With `"deny"` the rules are an allow
    /// list.
    pub strangers: Spanned<Permission>,
    /// What becomes of servers that none of the `rules` names and whose name is an IP address.
    pub ip_literals: Spanned<Permission>,
    /// Which servers may do what: the first rule that fits decides. Only requests that servers
    /// sign have an origin; keys and version stay open to everybody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<OriginRule>,
    /// Names of servers that are kept elsewhere, for `rules`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<OriginList>,
    /// How the keys of other servers are had, by which signatures are verified.
    pub keys: Keys,
    /// Keys of servers that are known from elsewhere. They are not looked up and do not expire,
    /// and no other key of such a server counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pinned_keys: Vec<PinnedKey>,
}

/// What the signatures of requests between servers are taken for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Signatures {
    /// Nothing; all is left to the homeserver.
    Off,
    /// The name that a server claims labels metrics and keeps its requests together. A request
    /// that needs a signature and has none is refused as the homeserver would.
    Observe,
    /// Besides, a signature is verified where the key is known, and refused where it is wrong. A
    /// key that is not known is asked for meanwhile, and the request passes.
    Verify,
    /// Only what is verified passes; a request waits until the key has been asked for.
    Enforce,
}

impl Default for Federation {
    fn default() -> Self {
        Self {
            signatures: Signatures::Observe,
            rewritten_body_size: ByteSize::kibibytes(1024),
            dry_run: false,
            strangers: Permission::Allow.into(),
            ip_literals: Permission::Allow.into(),
            rules: Vec::new(),
            lists: Vec::new(),
            keys: Keys::default(),
            pinned_keys: Vec::new(),
        }
    }
}

impl Federation {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let federation = Self {
            signatures: section.or("signatures", default.signatures),
            rewritten_body_size: section.or("rewritten_body_size", default.rewritten_body_size),
            dry_run: section.or("dry_run", default.dry_run),
            strangers: section.or("strangers", default.strangers),
            ip_literals: section.or("ip_literals", default.ip_literals),
            rules: section
                .tables("rules", OriginRule::read)
                .unwrap_or_default(),
            lists: section
                .tables("lists", OriginList::read)
                .unwrap_or_default(),
            keys: section.table_or_default("keys", Keys::read),
            pinned_keys: PinnedKey::read_all(&mut section),
        };
        section.finish();
        federation
    }
}
