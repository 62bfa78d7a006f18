//! Who sends a federation request, as far as that is known.

use crate::matrix::signature::VerifiedOrigin;
use crate::matrix::{ClaimedOrigin, Credentials, ServerName};

/// Who sends a federation request, as far as that is known.
#[derive(Clone, Copy, Debug)]
pub enum Caller<'a> {
    /// This server: its signature is right.
    Verified(&'a VerifiedOrigin),
    /// Somebody who says to be this server.
    Claimed(&'a ClaimedOrigin),
    /// Somebody whose headers can be read in two ways.
    Ambiguous,
    /// Somebody who does not say.
    Nobody,
}

impl<'a> Caller<'a> {
    /// The caller of a request with these credentials, of which `verified` is what their
    /// signature has proven.
    pub fn new(credentials: &'a Credentials, verified: Option<&'a VerifiedOrigin>) -> Self {
        match (verified, credentials) {
            (Some(origin), _) => Self::Verified(origin),
            (None, Credentials::Clear(x_matrix)) => Self::Claimed(x_matrix.origin()),
            (None, Credentials::Ambiguous) => Self::Ambiguous,
            (None, Credentials::None) => Self::Nobody,
        }
    }

    /// The name, proven or not.
    pub fn name(self) -> Option<&'a ServerName> {
        match self {
            Self::Verified(origin) => Some(origin.server_name()),
            Self::Claimed(origin) => Some(origin.server_name()),
            Self::Ambiguous | Self::Nobody => None,
        }
    }
}
