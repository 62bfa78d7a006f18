//! Synapse's worker processes: which group of them an operation belongs to, and what keeps
//! requests that belong together on one of them.
//!
//! Source: Synapse's `docs/workers.md`, its `docker/configure_workers_and_start.py` for the
//! names, and the code of 1.163 for what a process answers that is not meant to.

use std::fmt;

macro_rules! groups {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// Workers that answer the same operations.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Group {
            $($(#[$doc])* $variant,)+
        }

        impl Group {
            /// Every group, in the order of declaration.
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

groups! {
    /// The main process: what no worker answers.
    Main = "main",
    /// Any worker: what the more special groups fall back to.
    GenericWorker = "generic_worker",
    /// `/sync` that continues an earlier one, and `/events`.
    Synchrotron = "synchrotron",
    /// `/sync` and sliding sync from nothing, and `/initialSync`: slow to compute.
    InitialSynchrotron = "initial_synchrotron",
    /// Simplified sliding sync (MSC4186).
    SlidingSync = "sliding_sync",
    /// Transactions of other servers: `PUT /_matrix/federation/v1/send`.
    FederationInbound = "federation_inbound",
    /// Everything else that other servers ask.
    FederationReader = "federation_reader",
    /// What clients read, and what they write to no stream.
    ClientReader = "client_reader",
    /// Login and registration.
    Login = "login",
    /// Single sign-on, whose state is in the memory of one process.
    SsoLogin = "sso_login",
    /// Events that clients send, memberships and profiles.
    EventCreator = "event_creator",
    /// Search in the user directory.
    UserDir = "user_dir",
    /// Uploads, downloads, thumbnails and URL previews.
    MediaRepository = "media_repository",
    /// Writer of the stream `typing`.
    Typing = "typing",
    /// Writer of the stream `to_device`.
    ToDevice = "to_device",
    /// Writer of the stream `account_data`.
    AccountData = "account_data",
    /// Writers of the stream `receipts`.
    Receipts = "receipts",
    /// Writer of the stream `presence`.
    Presence = "presence",
    /// Writer of the stream `push_rules`.
    PushRules = "push_rules",
    /// Writers of the stream `device_lists`.
    DeviceLists = "device_lists",
    /// Writers of the stream `thread_subscriptions`.
    ThreadSubscriptions = "thread_subscriptions",
    /// Writers of the stream `quarantined_media_changes`, which have a media repository.
    QuarantinedMediaChanges = "quarantined_media_changes",
}

impl Group {
    /// The groups whose workers answer for this one where it has none of its own, the next best
    /// first. The main process comes after the last.
    ///
    /// A stream that has no writer of its own is written by the main process.
    pub const fn stand_ins(self) -> &'static [Self] {
        match self {
            Self::InitialSynchrotron => {
                &[Self::Synchrotron, Self::SlidingSync, Self::GenericWorker]
            }
            Self::SlidingSync => &[Self::Synchrotron, Self::GenericWorker],
            Self::Synchrotron
            | Self::FederationInbound
            | Self::FederationReader
            | Self::ClientReader
            | Self::EventCreator => &[Self::GenericWorker],
            Self::Login | Self::UserDir => &[Self::ClientReader, Self::GenericWorker],
            Self::Main
            | Self::GenericWorker
            | Self::SsoLogin
            | Self::MediaRepository
            | Self::Typing
            | Self::ToDevice
            | Self::AccountData
            | Self::Receipts
            | Self::Presence
            | Self::PushRules
            | Self::DeviceLists
            | Self::ThreadSubscriptions
            | Self::QuarantinedMediaChanges => &[],
        }
    }

    /// Whether the main process answers rightly while all workers of this group are away.
    ///
    /// Where a stream has a writer of its own, the main process answers 500 or waits for the
    /// writer; single sign-on ends where it began; and a main process beside media workers
    /// commonly has no media repository.
    pub const fn is_served_by_main(self) -> bool {
        match self {
            Self::Main
            | Self::GenericWorker
            | Self::Synchrotron
            | Self::InitialSynchrotron
            | Self::SlidingSync
            | Self::FederationInbound
            | Self::FederationReader
            | Self::ClientReader
            | Self::Login
            | Self::EventCreator
            | Self::UserDir
            | Self::DeviceLists => true,
            Self::SsoLogin
            | Self::MediaRepository
            | Self::Typing
            | Self::ToDevice
            | Self::AccountData
            | Self::Receipts
            | Self::Presence
            | Self::PushRules
            | Self::ThreadSubscriptions
            | Self::QuarantinedMediaChanges => false,
        }
    }

    /// Whether Synapse allows one process only in this group.
    pub const fn is_single(self) -> bool {
        matches!(
            self,
            Self::Main
                | Self::SsoLogin
                | Self::Typing
                | Self::ToDevice
                | Self::AccountData
                | Self::Presence
                | Self::PushRules
        )
    }

    /// The group of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|group| group.as_str() == name)
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What requests have in common that belong on the same worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Affinity {
    /// Nothing: the worker with the least to do.
    None,
    /// The user: caches of `/sync`, limits of a user, writers that go by user.
    User,
    /// The room named in the path.
    Room,
    /// The server that sends: Synapse takes one transaction of each at a time, per process.
    Origin,
    /// The media id named in the path, without the server that it is from: a file
    /// is in the same cache for those who ask for it by either.
    Media,
    /// The whole target: the same question from several servers is answered once.
    Target,
}

impl Affinity {
    /// The name in `explain` and documentation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::User => "user",
            Self::Room => "room",
            Self::Origin => "origin",
            Self::Media => "media",
            Self::Target => "target",
        }
    }
}
