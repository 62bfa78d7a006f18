//! Budgets: the kinds of work that have limits of their own, so that one does not eat what
//! another needs.

use std::fmt;

use super::endpoint::Class;
use super::worker::Group;

macro_rules! budgets {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// A kind of work with limits of its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Budget {
            $($(#[$doc])* $variant,)+
        }

        impl Budget {
            /// Every budget, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name in configuration, logs and metrics.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

budgets! {
    /// What a person who sits at a client waits for: to send, to read, to find.
    Interactive = "interactive",
    /// `/sync` that continues an earlier one: mostly it waits.
    Sync = "sync",
    /// `/sync` and sliding sync from nothing, and `/initialSync`.
    InitialSync = "initial_sync",
    /// Downloads, thumbnails and previews for clients.
    Media = "media",
    /// Uploads of media.
    Upload = "upload",
    /// Login and refresh.
    Login = "login",
    /// Registration.
    Register = "register",
    /// Transactions of other servers: `PUT /send`.
    FedTransaction = "fed_txn",
    /// Keys and devices of our users, for other servers.
    FedKeys = "fed_keys",
    /// Joins, knocks, leaves and invites between servers.
    FedJoin = "fed_join",
    /// The state of a room at an event, for other servers.
    FedState = "fed_state",
    /// Events that another server has missed.
    FedHistory = "fed_history",
    /// Profiles, aliases, hierarchies, versions and what is unknown, for other servers.
    FedQuery = "fed_query",
    /// Media for other servers.
    FedMedia = "fed_media",
    /// Other servers' signing keys, asked from us as a notary.
    KeyNotary = "key_notary",
}

/// Whom the requests of a budget are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedBy {
    /// The user, as far as the token tells; else the client's address.
    User,
    /// The client's address.
    Address,
    /// The server that sends, together with its address where that is not proven.
    Origin,
}

impl CountedBy {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Address => "address",
            Self::Origin => "origin",
        }
    }
}

impl Budget {
    /// The budget of a request of this class, which is the work of `group`. None for what is
    /// answered from memory, comes from neighbours, or tells others our own keys.
    pub const fn of(class: Class, group: Group) -> Option<Self> {
        Some(match class {
            _ if matches!(group, Group::InitialSynchrotron) => Self::InitialSync,
            Class::Sync => Self::Sync,
            Class::InitialSync => Self::InitialSync,
            Class::Send
            | Class::Membership
            | Class::EventRead
            | Class::Ephemeral
            | Class::ToDevice
            | Class::Keys
            | Class::AccountData
            | Class::Push
            | Class::Presence
            | Class::Profile
            | Class::Directory
            | Class::Account
            | Class::Report
            | Class::Rendezvous
            | Class::ClientMeta => Self::Interactive,
            Class::Login => Self::Login,
            Class::Register => Self::Register,
            Class::MediaUpload => Self::Upload,
            Class::MediaDownload | Class::MediaOther => Self::Media,
            Class::FedTransaction => Self::FedTransaction,
            Class::FedJoin | Class::FedInvite => Self::FedJoin,
            Class::FedState => Self::FedState,
            Class::FedHistory => Self::FedHistory,
            Class::FedKeys => Self::FedKeys,
            Class::FedQuery | Class::FedPolicy | Class::FedMeta | Class::FedUnknown => {
                Self::FedQuery
            }
            Class::FedMedia => Self::FedMedia,
            Class::KeyNotary => Self::KeyNotary,
            Class::Appservice
            | Class::KeyOwn
            | Class::WellKnown
            | Class::Admin
            | Class::Internal
            | Class::Page
            | Class::Identity
            | Class::Preflight
            | Class::Unknown => return None,
        })
    }

    /// The budget of this name.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|budget| budget.as_str() == name)
    }

    /// Whom its requests are counted for.
    pub const fn counted_by(self) -> CountedBy {
        match self {
            Self::Interactive | Self::Sync | Self::InitialSync | Self::Media | Self::Upload => {
                CountedBy::User
            }
            Self::Login | Self::Register | Self::KeyNotary => CountedBy::Address,
            Self::FedTransaction
            | Self::FedKeys
            | Self::FedJoin
            | Self::FedState
            | Self::FedHistory
            | Self::FedQuery
            | Self::FedMedia => CountedBy::Origin,
        }
    }

    /// Whether it is work for other servers, which gives way to that for our own users.
    pub const fn is_for_others(self) -> bool {
        matches!(self.counted_by(), CountedBy::Origin) || matches!(self, Self::KeyNotary)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lead_back() {
        for budget in Budget::ALL {
            assert_eq!(Budget::named(budget.as_str()), Some(*budget));
        }
        assert_eq!(Budget::named("fed"), None);
    }

    #[test]
    fn a_sync_from_nothing_is_told_from_one_that_goes_on() {
        let of = |group| Budget::of(Class::Sync, group);
        assert_eq!(of(Group::Synchrotron), Some(Budget::Sync));
        assert_eq!(of(Group::InitialSynchrotron), Some(Budget::InitialSync));
    }

    #[test]
    fn every_budget_has_a_class_and_what_is_for_others_is_federation() {
        for budget in Budget::ALL {
            let mut classes = Class::ALL
                .iter()
                .filter(|class| Budget::of(**class, Group::Main) == Some(*budget))
                .peekable();
            assert!(classes.peek().is_some(), "{budget}");
            for class in classes {
                let name = class.as_str();
                let is_federation = name.starts_with("fed_") || name.starts_with("key_");
                assert_eq!(budget.is_for_others(), is_federation, "{class}");
            }
        }
        // What makes us verifiable is never kept waiting.
        assert_eq!(Budget::of(Class::KeyOwn, Group::Main), None);
    }
}
