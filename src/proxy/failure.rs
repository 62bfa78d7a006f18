//! What can go wrong with a request.

use std::fmt;

use pingora::{Error, ErrorSource, ErrorType};

use crate::listen::Fault;
use crate::policy::Refusal;
use crate::upstream::{Broken, NoConnection};

/// Something broke while a request was served; nobody's rule refused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No connection to the upstream of a route could be made.
    Unreachable,
    /// The homeserver was away for longer than a request waits for it.
    Down,
    /// Too many requests of servers wait for their turn.
    Busy,
    /// The upstream was silent for longer than its endpoint allows.
    Silent,
    /// The upstream's answer is not valid HTTP, or not an answer to this.
    BadAnswer,
    /// The upstream closed the connection in place of an answer.
    Closed,
    /// The client went away.
    ClientGone,
    /// The client takes no more of the answer.
    ClientStalled,
    /// A defect of ours.
    Internal,
    /// Vestibule stopped, and the time to drain was over.
    Cut,
}

/// How a request ended when it did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The sender's doing.
    Refused(Refusal),
    /// Something broke.
    Failed(Failure),
}

/// What went wrong, with what the log is told of it.
#[derive(Debug)]
pub(super) enum Problem {
    /// A rule said no.
    Refused(Refusal),
    /// The client failed.
    Client(Fault),
    /// There is no connection to the upstream.
    NoConnection(NoConnection),
    /// Every process that could answer stayed away; with the last reason, where this request
    /// tried one.
    Down(Option<NoConnection>),
    /// Too many requests of servers wait for their turn.
    Busy,
    /// The connection to the upstream ended, or brought no valid answer.
    Upstream(Broken),
    /// The upstream was silent for longer than its endpoint allows.
    Silent,
    /// A defect of ours, or a file that cannot be read.
    Internal(&'static str),
}

impl Problem {
    pub(super) fn trouble(&self) -> Trouble {
        Trouble::Failed(match self {
            Self::Refused(refusal) => return Trouble::Refused(*refusal),
            Self::Client(Fault::Malformed) => return Trouble::Refused(Refusal::BadBody),
            Self::Client(Fault::TooSlow) => return Trouble::Refused(Refusal::BodyTooSlow),
            Self::Client(Fault::Gone) => Failure::ClientGone,
            Self::Client(Fault::Stalled) => Failure::ClientStalled,
            Self::NoConnection(_) => Failure::Unreachable,
            Self::Down(_) => Failure::Down,
            Self::Busy => Failure::Busy,
            Self::Upstream(Broken::Closed(_)) => Failure::Closed,
            Self::Upstream(Broken::Invalid(_)) => Failure::BadAnswer,
            Self::Silent => Failure::Silent,
            Self::Internal(_) => Failure::Internal,
        })
    }
}

impl Problem {
    /// Whether the connection ended without a byte of an answer.
    pub(super) fn is_closed(&self) -> bool {
        self.trouble() == Trouble::Failed(Failure::Closed)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "refused: {refusal:?}"),
            Self::Client(fault) => fault.fmt(f),
            Self::NoConnection(error) | Self::Down(Some(error)) => error.fmt(f),
            Self::Down(None) => f.write_str("nobody who could answer takes connections"),
            Self::Busy => f.write_str("too many requests wait for their turn"),
            Self::Upstream(broken) => broken.fmt(f),
            Self::Silent => f.write_str("the upstream was silent for too long"),
            Self::Internal(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Problem {}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::Client(fault)
    }
}

impl From<NoConnection> for Problem {
    fn from(error: NoConnection) -> Self {
        Self::NoConnection(error)
    }
}

impl From<Broken> for Problem {
    fn from(broken: Broken) -> Self {
        Self::Upstream(broken)
    }
}

/// Reads an error of pingora's engine. Its context may quote bytes of either side, so none of it
/// is told.
pub(super) fn of_tunnel(error: &Error) -> Problem {
    match error.esource() {
        ErrorSource::Upstream => of_upstream(error),
        ErrorSource::Downstream => Problem::Client(Fault::Gone),
        ErrorSource::Internal | ErrorSource::Unset
            if *error.etype() == ErrorType::ConnectNoRoute =>
        {
            Problem::NoConnection(NoConnection::of_pingora(error))
        }
        ErrorSource::Internal | ErrorSource::Unset => Problem::Internal("pingora's engine failed"),
    }
}

fn of_upstream(error: &Error) -> Problem {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's list is open; what is not named here is a bad answer"
    )]
    match error.etype() {
        ErrorType::ConnectTimedout
        | ErrorType::ConnectRefused
        | ErrorType::ConnectNoRoute
        | ErrorType::ConnectError
        | ErrorType::ConnectProxyFailure
        | ErrorType::BindError
        | ErrorType::SocketError
        | ErrorType::TLSHandshakeFailure
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::TLSWantX509Lookup
        | ErrorType::InvalidCert => Problem::NoConnection(NoConnection::of_pingora(error)),
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => Problem::Silent,
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError => {
            Problem::Upstream(Broken::Closed(std::io::ErrorKind::ConnectionReset.into()))
        }
        _ => Problem::Upstream(Broken::Invalid("pingora does not take it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_that_fails_is_told_apart_by_how() {
        for (etype, failure) in [
            (ErrorType::ConnectRefused, Failure::Unreachable),
            (ErrorType::TLSHandshakeFailure, Failure::Unreachable),
            (ErrorType::ReadTimedout, Failure::Silent),
            (ErrorType::ConnectionClosed, Failure::Closed),
            (ErrorType::InvalidHTTPHeader, Failure::BadAnswer),
        ] {
            let error = Error::new(etype).into_up();
            assert_eq!(of_tunnel(&error).trouble(), Trouble::Failed(failure));
        }
        let error = Error::new(ErrorType::ReadError).into_down();
        assert_eq!(
            of_tunnel(&error).trouble(),
            Trouble::Failed(Failure::ClientGone)
        );
    }
}
