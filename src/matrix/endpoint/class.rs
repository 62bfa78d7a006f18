//! Classes of endpoints, and the limits that go by class.

use std::fmt;
use std::time::Duration;

/// The largest body that Synapse takes where nothing is uploaded, in bytes:
/// 200 events of 64 KiB, 12.5 MiB.
pub const STANDARD_BODY_LIMIT: u64 = 200 * 65_536;

/// How large the body of a request may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyLimit {
    /// [`STANDARD_BODY_LIMIT`], unless configured otherwise.
    Standard,
    /// The site's `max_upload_size`.
    Upload,
}

macro_rules! classes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// What kind of work an endpoint is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Class {
            $($(#[$doc])* $variant,)+
        }

        impl Class {
            /// Every class, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name in metrics, logs and configuration.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

classes! {
    /// `/sync`, sliding sync and `/events`: answered when something happens.
    Sync = "sync",
    /// `/initialSync`, of everything or of one room: slow to compute.
    InitialSync = "initial_sync",
    /// Sending and redacting events, setting state, creating and upgrading rooms.
    Send = "send",
    /// Join, knock, invite, leave, kick, ban; a join of a remote room may take minutes.
    Membership = "membership",
    /// Reading events, state, members, relations, threads and hierarchies.
    EventRead = "event_read",
    /// Typing, receipts and read markers.
    Ephemeral = "ephemeral",
    /// Messages from device to device.
    ToDevice = "to_device",
    /// Device keys, cross-signing and key backup.
    Keys = "keys",
    /// Account data, tags, filters and thread subscriptions.
    AccountData = "account_data",
    /// Push rules, pushers and notifications.
    Push = "push",
    /// Presence.
    Presence = "presence",
    /// Profiles.
    Profile = "profile",
    /// Public rooms, aliases, user directory, third-party networks and search.
    Directory = "directory",
    /// Login, logout, refresh and single sign-on.
    Login = "login",
    /// Registration.
    Register = "register",
    /// The user's account and devices.
    Account = "account",
    /// Reports of events, rooms and users.
    Report = "report",
    /// QR-code login between two devices.
    Rendezvous = "rendezvous",
    /// Versions, capabilities and other small facts about the server.
    ClientMeta = "client_meta",
    /// What application services call on a homeserver, and what homeservers call on them.
    Appservice = "appservice",
    /// Uploads.
    MediaUpload = "media_upload",
    /// Downloads, thumbnails and URL previews.
    MediaDownload = "media_download",
    /// The media repository's configuration and the creation of media ids.
    MediaOther = "media_other",
    /// `PUT /send`: transactions of events.
    FedTransaction = "fed_txn",
    /// Joins, knocks and leaves over federation.
    FedJoin = "fed_join",
    /// Invites over federation.
    FedInvite = "fed_invite",
    /// The state of a room at an event.
    FedState = "fed_state",
    /// Events that the other server has missed.
    FedHistory = "fed_history",
    /// Device lists and keys of our users.
    FedKeys = "fed_keys",
    /// Profiles, aliases, public rooms, hierarchies, `OpenID`.
    FedQuery = "fed_query",
    /// Media over federation.
    FedMedia = "fed_media",
    /// A policy server's signature.
    FedPolicy = "fed_policy",
    /// The server's version.
    FedMeta = "fed_meta",
    /// Federation paths that are not in the table.
    FedUnknown = "fed_unknown",
    /// Our own signing keys.
    KeyOwn = "key_own",
    /// Other servers' signing keys, asked from us as a notary.
    KeyNotary = "key_notary",
    /// The well-known documents.
    WellKnown = "wellknown",
    /// Administration of the homeserver.
    Admin = "admin",
    /// What neighbours on the host ask: metrics, replication, health, MAS.
    Internal = "internal",
    /// Pages for browsers.
    Page = "page",
    /// Identity servers.
    Identity = "identity",
    /// A CORS preflight on any path of a Matrix API.
    Preflight = "preflight",
    /// What the table does not know.
    Unknown = "unknown",
}

impl Class {
    /// The class with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|class| class.as_str() == name)
    }

    /// How large the body of a request of this class may be.
    pub const fn body_limit(self) -> BodyLimit {
        if matches!(self, Self::MediaUpload) {
            BodyLimit::Upload
        } else {
            BodyLimit::Standard
        }
    }

    /// The longest silence that is allowed from the upstream before and within
    /// its response.
    ///
    /// Never shorter than the sender waits: a remote Synapse waits 600 s for
    /// `/state` and 60 s for most else, clients may ask `/sync` to wait ten
    /// minutes, and a join may have to fetch a whole room first.
    pub const fn response_timeout(self) -> Duration {
        Duration::from_secs(match self {
            // What the table does not know may be the long poll of a new proposal.
            Self::Sync
            | Self::InitialSync
            | Self::Membership
            | Self::FedState
            | Self::Admin
            | Self::Unknown => 660,
            Self::FedTransaction => 90,
            Self::FedInvite
            | Self::FedHistory
            | Self::FedKeys
            | Self::FedQuery
            | Self::FedPolicy
            | Self::FedMeta
            | Self::KeyOwn
            | Self::KeyNotary => 75,
            Self::FedJoin
            | Self::FedMedia
            | Self::FedUnknown
            | Self::Send
            | Self::EventRead
            | Self::Ephemeral
            | Self::ToDevice
            | Self::Keys
            | Self::AccountData
            | Self::Push
            | Self::Presence
            | Self::Profile
            | Self::Directory
            | Self::Login
            | Self::Register
            | Self::Account
            | Self::Report
            | Self::Rendezvous
            | Self::ClientMeta
            | Self::Appservice
            | Self::MediaUpload
            | Self::MediaDownload
            | Self::MediaOther
            | Self::WellKnown
            | Self::Internal
            | Self::Page
            | Self::Identity
            | Self::Preflight => 300,
        })
    }
}

impl Class {
    /// How long a request of this class may wait for an upstream that restarts,
    /// where its row says nothing else.
    ///
    /// Always less than the sender waits. A remote Synapse gives up the keys of
    /// users and servers after 10 s and most else after 60 s, and then avoids
    /// us for 10 minutes or longer; clients wait 30 s and more, people at a
    /// login less. What neighbours ask to learn how the homeserver is waits for
    /// nothing.
    pub(super) const fn hold(self) -> Duration {
        Duration::from_secs(match self {
            Self::FedTransaction
            | Self::FedJoin
            | Self::FedInvite
            | Self::FedState
            | Self::FedHistory
            | Self::FedQuery
            | Self::FedMedia
            | Self::FedPolicy
            | Self::FedUnknown => 50,
            Self::FedKeys | Self::FedMeta | Self::KeyOwn | Self::KeyNotary => 8,
            Self::Login
            | Self::Register
            | Self::Rendezvous
            | Self::ClientMeta
            | Self::WellKnown
            | Self::Page
            | Self::Preflight => 20,
            Self::Internal => 0,
            Self::Sync
            | Self::InitialSync
            | Self::Send
            | Self::Membership
            | Self::EventRead
            | Self::Ephemeral
            | Self::ToDevice
            | Self::Keys
            | Self::AccountData
            | Self::Push
            | Self::Presence
            | Self::Profile
            | Self::Directory
            | Self::Account
            | Self::Report
            | Self::Appservice
            | Self::MediaUpload
            | Self::MediaDownload
            | Self::MediaOther
            | Self::Admin
            | Self::Identity
            | Self::Unknown => 30,
        })
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
