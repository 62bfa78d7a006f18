//! Which Matrix operation a request is: one table, looked up by method and raw path.
//!
//! The table ([`rows`]) covers the client-server and server-server API of the
//! specification, the well-known documents and every route of Synapse 1.163,
//! with the version aliases that Synapse answers (`api/v1`, `r0`, `v3`,
//! `unstable`). Routing, limits, timeouts, logs and metrics all read the same
//! row.
//!
//! Synapse matches its patterns on the undecoded path, so this module does the
//! same: the path is split on raw `/` and a segment is never decoded. A
//! percent-encoded spelling of a literal segment (`/_matrix/client/v3/%73ync`)
//! is unknown here, as it is there.

mod class;
mod row;
mod table;
mod tree;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod worker_page;
#[cfg(test)]
mod worker_tests;

pub use class::{BodyLimit, Class, STANDARD_BODY_LIMIT};
pub use row::Row;

use super::initial_sync::Split;
use super::worker::{Affinity, Group};
use http::Method;
use std::time::Duration;

/// The API that a path belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// `/_matrix/client`: what users' clients call.
    Client,
    /// `/_matrix/federation` and `/_matrix/policy`: what other servers call.
    Federation,
    /// `/_matrix/key`: signing keys, asked for without a signature.
    Key,
    /// `/_matrix/media`: the content repository before authenticated media.
    Media,
    /// `/.well-known/matrix`.
    WellKnown,
    /// `/_matrix/static`, `/_matrix/consent`, `/_matrix/saml2`: pages of Synapse for browsers.
    Static,
    /// `/_synapse/client`: sign-on pages and extras of Synapse, public.
    SynapseClient,
    /// `/_synapse/admin`: for administrators, hidden unless a route opens it.
    SynapseAdmin,
    /// `/_synapse/mas`, metrics, replication, `/health`: for neighbours only.
    SynapseInternal,
    /// `/_matrix/app`: what a homeserver calls on an application service.
    Appservice,
    /// `/_matrix/identity`: an identity server.
    Identity,
    /// `/_matrix/push`: a push gateway.
    Push,
    /// Anything else.
    Other,
}

impl Api {
    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Federation => "federation",
            Self::Key => "key",
            Self::Media => "media",
            Self::WellKnown => "well_known",
            Self::Static => "static",
            Self::SynapseClient => "synapse_client",
            Self::SynapseAdmin => "synapse_admin",
            Self::SynapseInternal => "synapse_internal",
            Self::Appservice => "appservice",
            Self::Identity => "identity",
            Self::Push => "push",
            Self::Other => "other",
        }
    }

    /// Whether homeservers call it on each other.
    pub const fn is_between_servers(self) -> bool {
        matches!(self, Self::Federation | Self::Key)
    }
}

/// What the table says of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The path with every id replaced by its name, as logs and metrics show
    /// it: `/_matrix/client/{version}/rooms/{roomId}/send/{eventType}/{txnId}`.
    /// It comes from the table, so the set is bounded and holds nothing that a
    /// client wrote. Unknown operations end in `*`.
    pub template: &'static str,
    /// The API that the path belongs to.
    pub api: Api,
    /// What kind of work it is: limits, timeouts and metrics go by it.
    pub class: Class,
    /// Whether sending the request twice does what sending it once does:
    /// `GET`, `HEAD`, `PUT`, `DELETE` and `OPTIONS`, but not the few `GET`s
    /// that use up a token or a login state. `POST` never is.
    pub is_idempotent: bool,
    /// Whether the protocol wants an `Authorization: X-Matrix` header here.
    pub carries_x_matrix: bool,
    /// Whether the Matrix Authentication Service answers this in Synapse's
    /// place where it runs: login, logout and refresh, and nothing else.
    pub is_mas_compat: bool,
    /// The workers that answer. Where `split` is given, those that answer a
    /// request that continues an earlier one.
    pub group: Group,
    /// What chooses among the workers of the group.
    pub affinity: Affinity,
    /// Which segment of the raw path the affinity goes by, counted from 0 after
    /// the leading `/`: the room id or alias ([`Affinity::Room`]) or the media
    /// id ([`Affinity::Media`]).
    pub key_segment: Option<u8>,
    /// Where the query decides between `group` and
    /// [`Group::InitialSynchrotron`]: see [`super::initial_sync`].
    pub split: Option<Split>,
    /// How long the request may wait for an upstream that restarts, so that
    /// whoever sent it still waits for the answer.
    pub hold: Duration,
}

/// Finds the operation that `method` on `path` is.
///
/// `path` is the raw request path without the query. `HEAD` counts as `GET`.
/// A path or a method on it that the table does not know gives the catch-all
/// row of its API (`/_matrix/client/*`), in the end `/*` of [`Api::Other`].
pub fn classify(method: &Method, path: &[u8]) -> Endpoint {
    tree::find(row::method_bit(method), path)
        .map_or(UNKNOWN, |leaf| leaf.row.endpoint(method, leaf.key_segment))
}

/// All rows of the table, in the order of the files.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    table::all()
}

/// For a target that has no path at all.
const UNKNOWN: Endpoint = Endpoint {
    template: "*",
    api: Api::Other,
    class: Class::Unknown,
    is_idempotent: false,
    carries_x_matrix: false,
    is_mas_compat: false,
    group: Group::Main,
    affinity: Affinity::None,
    key_segment: None,
    split: None,
    hold: Duration::ZERO,
};
