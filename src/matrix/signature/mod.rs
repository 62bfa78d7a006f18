//! The signatures of federation requests.

use super::ServerName;

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
