//! What went wrong, read from pingora's errors.

use pingora::{Error, ErrorSource, ErrorType};

use crate::listen::{BodyFault, body_fault};
use crate::policy::Refusal;

/// Something broke while a request was served; nobody's rule refused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No connection to the upstream could be made.
    Unreachable,
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
}

/// How a request ended when it did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The sender's doing.
    Refused(Refusal),
    /// Something broke.
    Failed(Failure),
}

/// Reads the kind of trouble from an error of the engine.
pub(super) fn classify(error: &Error) -> Trouble {
    match error.esource() {
        ErrorSource::Upstream => Trouble::Failed(upstream(error)),
        ErrorSource::Downstream => downstream(error),
        ErrorSource::Internal | ErrorSource::Unset => Trouble::Failed(internal(error)),
    }
}

fn upstream(error: &Error) -> Failure {
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
        | ErrorType::InvalidCert => Failure::Unreachable,
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => Failure::Silent,
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError => {
            Failure::Closed
        }
        _ => Failure::BadAnswer,
    }
}

fn downstream(error: &Error) -> Trouble {
    match body_fault(error) {
        Some(BodyFault::TooSlow) if is_write(error) => {
            return Trouble::Failed(Failure::ClientStalled);
        }
        Some(BodyFault::Malformed) => return Trouble::Refused(Refusal::BadBody),
        Some(BodyFault::TooSlow) => return Trouble::Refused(Refusal::BodyTooSlow),
        None => {}
    }
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's list is open; whatever else a client does, it is gone"
    )]
    match error.etype() {
        ErrorType::InvalidHTTPHeader => Trouble::Refused(Refusal::BadHead),
        ErrorType::ReadTimedout => Trouble::Refused(Refusal::BodyTooSlow),
        ErrorType::WriteTimedout => Trouble::Failed(Failure::ClientStalled),
        _ => Trouble::Failed(Failure::ClientGone),
    }
}

fn internal(error: &Error) -> Failure {
    if *error.etype() == ErrorType::ConnectNoRoute {
        Failure::Unreachable
    } else {
        Failure::Internal
    }
}

fn is_write(error: &Error) -> bool {
    matches!(
        error.etype(),
        ErrorType::WriteError | ErrorType::WriteTimedout
    )
}

#[cfg(test)]
mod tests {
    use std::io;

    use pingora::OrErr;

    use super::*;

    fn caused_by(kind: io::ErrorKind, etype: ErrorType) -> Trouble {
        let failed: Result<(), _> = Err(io::Error::from(kind));
        let error = failed.or_err(etype, "test").unwrap_err();
        classify(&error.into_down())
    }

    #[test]
    fn an_upstream_that_fails_is_told_apart_by_how() {
        for (etype, failure) in [
            (ErrorType::ConnectRefused, Failure::Unreachable),
            (ErrorType::TLSHandshakeFailure, Failure::Unreachable),
            (ErrorType::ReadTimedout, Failure::Silent),
            (ErrorType::ConnectionClosed, Failure::Closed),
            (ErrorType::InvalidHTTPHeader, Failure::BadAnswer),
        ] {
            let error = Error::new(etype).into_up();
            assert_eq!(classify(&error), Trouble::Failed(failure));
        }
    }

    #[test]
    fn a_client_that_misbehaves_is_refused_and_one_that_left_is_gone() {
        for (kind, etype, trouble) in [
            (
                io::ErrorKind::InvalidData,
                ErrorType::ReadError,
                Trouble::Refused(Refusal::BadBody),
            ),
            (
                io::ErrorKind::TimedOut,
                ErrorType::ReadError,
                Trouble::Refused(Refusal::BodyTooSlow),
            ),
            (
                io::ErrorKind::TimedOut,
                ErrorType::WriteError,
                Trouble::Failed(Failure::ClientStalled),
            ),
            (
                io::ErrorKind::ConnectionReset,
                ErrorType::ReadError,
                Trouble::Failed(Failure::ClientGone),
            ),
        ] {
            assert_eq!(caused_by(kind, etype), trouble);
        }
    }
}
