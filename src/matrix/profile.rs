//! Which of Matrix's APIs a listener serves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::has_prefix;

/// Which requests a listener takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// What clients and browsers ask for: everything but federation.
    Client,
    /// What other servers ask for: the federation, key and policy APIs, and the
    /// media paths that they fetched from before authenticated media.
    Federation,
    /// Everything.
    Both,
    /// Redirects to HTTPS, and the well-known documents.
    Redirect,
}

/// What only homeservers ask for.
const SERVER_APIS: [&str; 3] = ["/_matrix/federation", "/_matrix/key", "/_matrix/policy"];

/// Frozen, but still fetched by homeservers (S2S "Content Repository").
const LEGACY_MEDIA: &str = "/_matrix/media";

impl Profile {
    /// Whether a listener of this profile serves `path` (raw, without query).
    pub fn serves(self, path: &[u8]) -> bool {
        match self {
            Self::Client => !Self::is_server_api(path),
            Self::Federation => Self::is_server_api(path) || has_prefix(path, LEGACY_MEDIA),
            Self::Both => true,
            Self::Redirect => false,
        }
    }

    /// Whether requests of other servers are taken.
    pub const fn takes_federation(self) -> bool {
        matches!(self, Self::Federation | Self::Both)
    }

    /// The word for it in configuration and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Federation => "federation",
            Self::Both => "both",
            Self::Redirect => "redirect",
        }
    }

    /// Whether `path` belongs to the APIs between homeservers.
    pub fn is_server_api(path: &[u8]) -> bool {
        SERVER_APIS.iter().any(|api| has_prefix(path, api))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_share_no_more_than_legacy_media() {
        let federation: &[u8] = b"/_matrix/federation/v1/version";
        let client: &[u8] = b"/_matrix/client/versions";
        let media: &[u8] = b"/_matrix/media/v3/download/a/b";
        assert!(!Profile::Client.serves(federation) && Profile::Client.serves(client));
        assert!(Profile::Federation.serves(federation) && !Profile::Federation.serves(client));
        assert!(Profile::Client.serves(media) && Profile::Federation.serves(media));
        assert!(Profile::Both.serves(federation) && Profile::Both.serves(client));
    }
}
