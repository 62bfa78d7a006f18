//! The signatures of federation requests (server-server API, "Request Authentication").
//!
//! A server signs the canonical JSON of an object with the method, the target and the body of a request, its own name
//! and the name of whom it asks. Other servers write a body in canonical JSON as well, so that the signed bytes are
//! those that come, between a beginning and an end that the head gives: they are hashed while they pass, and none is
//! kept. Only for a body that is written otherwise must what was signed be made from the whole of it.

#[cfg(test)]
mod tests;
mod verification;
mod verify_key;

use super::ServerName;

pub use verification::{SignedRequest, Verdict, Verification, WhyUnknown};
pub use verify_key::{UnsoundKey, VerifyKey};

/// Who sends a request: its signature is right. Only this module makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedOrigin(ServerName);

impl VerifiedOrigin {
    /// The name, in lower case.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name.
    pub fn server_name(&self) -> &ServerName {
        &self.0
    }
}

#[cfg(test)]
impl VerifiedOrigin {
    /// For tests of what is decided by it.
    pub(crate) fn assumed(name: &str) -> Self {
        use std::str::FromStr;
        let name = ServerName::from_str(name);
        Self(name.unwrap_or_else(|reason| panic!("{reason}")))
    }
}
