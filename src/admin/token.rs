//! A token in a file, and who may change something.

use std::fs;
use std::io;
use std::path::Path;

use crate::listen::{ConnectionFacts, Peer};
use crate::message::RequestHead;

/// A token that stands in a file of its own.
pub struct Token(Box<[u8]>);

impl Token {
    /// Reads the file; white space around the token does not count.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read(path)?;
        let token = text.trim_ascii();
        if token.is_empty() {
            return Err(io::Error::other("it is empty"));
        }
        Ok(Self(token.into()))
    }

    /// As the value of `Authorization`.
    pub(crate) fn as_bearer(&self) -> Vec<u8> {
        [b"Bearer ", &*self.0].concat()
    }

    fn is(&self, given: &[u8]) -> bool {
        // As long for a wrong first byte as for a wrong last one.
        let differences = self.0.iter().zip(given).map(|(a, b)| a ^ b);
        self.0.len() == given.len() && differences.fold(0, |all, one| all | one) == 0
    }
}

/// Whether the request may change something: it came through a unix socket, whose permissions
/// say who that can be, or it brings the token.
pub(super) fn may_change(
    token: Option<&Token>,
    facts: &ConnectionFacts,
    head: &RequestHead,
) -> bool {
    let given = head.fields.first("authorization");
    let given = given.and_then(|value| value.strip_prefix(b"Bearer "));
    facts.peer == Peer::Unix
        || token
            .zip(given)
            .is_some_and(|(token, given)| token.is(given))
}
