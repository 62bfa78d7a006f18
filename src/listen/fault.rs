//! What a failed read of a request body says about the client.

use std::error::Error as StdError;
use std::io;

use pingora::Error;

/// Why a request body could not be read, where it is the client's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFault {
    /// The chunked framing is broken. 400, and the connection closes.
    Malformed,
    /// It came slower than 1 KiB/s. 408, and the connection closes.
    TooSlow,
}

/// Finds the fault of the client behind an error of pingora.
pub fn body_fault(error: &Error) -> Option<BodyFault> {
    let mut cause: &(dyn StdError + 'static) = error.cause.as_deref()?;
    loop {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return of_kind(error.kind());
        }
        cause = match cause.downcast_ref::<Box<Error>>() {
            Some(inner) => inner.cause.as_deref()?,
            None => cause.downcast_ref::<Error>()?.cause.as_deref()?,
        };
    }
}

fn of_kind(kind: io::ErrorKind) -> Option<BodyFault> {
    if kind == io::ErrorKind::InvalidData {
        Some(BodyFault::Malformed)
    } else if kind == io::ErrorKind::TimedOut {
        Some(BodyFault::TooSlow)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use pingora::{ErrorType, OrErr};

    use super::*;

    #[test]
    fn finds_the_fault_behind_wrapped_errors() {
        for (kind, fault) in [
            (io::ErrorKind::InvalidData, Some(BodyFault::Malformed)),
            (io::ErrorKind::TimedOut, Some(BodyFault::TooSlow)),
            (io::ErrorKind::BrokenPipe, None),
        ] {
            let failed: Result<(), _> = Err(io::Error::from(kind));
            let error = failed.or_err(ErrorType::ReadError, "inner").unwrap_err();
            assert_eq!(body_fault(&error), fault);
            let outer = Error::because(ErrorType::InternalError, "outer", error);
            assert_eq!(body_fault(&outer), fault);
        }
        assert_eq!(body_fault(&Error::new(ErrorType::ReadError)), None);
    }
}
