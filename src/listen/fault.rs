//! How a client fails while a request of its is served.

use std::io;

/// What a client did, or did not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It left, or its connection or stream failed.
    #[error("the client has gone")]
    Gone,
    /// The framing of its body is broken. 400, and the connection closes.
    #[error("the framing of the request body is broken")]
    Malformed,
    /// Its body came slower than 1 KiB/s. 408, and the connection closes.
    #[error("the request body is too slow")]
    TooSlow,
    /// It takes no more of the answer.
    #[error("the client takes no more of the answer")]
    Stalled,
}

impl Fault {
    /// What a failed read says about the client.
    pub(super) fn of_read(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidData {
            Self::Malformed
        } else if error.kind() == io::ErrorKind::TimedOut {
            Self::TooSlow
        } else {
            Self::Gone
        }
    }

    /// What a failed write says about the client.
    pub(super) fn of_write(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut {
            Self::Stalled
        } else {
            Self::Gone
        }
    }
}
