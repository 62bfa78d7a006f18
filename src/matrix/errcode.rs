//! Matrix error codes and the JSON body that carries them.
//!
//! Client-server API, "Standard error response".

use std::fmt;

/// The error codes that Vestibule itself answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Errcode {
    /// The request is understood and refused.
    Forbidden,
    /// Too many requests at once.
    LimitExceeded,
    /// Nothing is to be found there.
    NotFound,
    /// The body is larger than the server accepts.
    TooLarge,
    /// Who sends it has not proven who that is.
    Unauthorized,
    /// Something else; the HTTP status tells.
    Unknown,
    /// The endpoint, or the method on it, is unknown.
    Unrecognized,
}

impl Errcode {
    /// The code as it stands in the JSON body.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "M_FORBIDDEN",
            Self::LimitExceeded => "M_LIMIT_EXCEEDED",
            Self::NotFound => "M_NOT_FOUND",
            Self::TooLarge => "M_TOO_LARGE",
            Self::Unauthorized => "M_UNAUTHORIZED",
            Self::Unknown => "M_UNKNOWN",
            Self::Unrecognized => "M_UNRECOGNIZED",
        }
    }
}

impl fmt::Display for Errcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The JSON body of an error: `{"errcode":"M_…","error":"…"}`.
pub fn error_body(errcode: Errcode, message: &str) -> String {
    // The message of a refusal is ours, but it may name what was asked for.
    let message = serde_json::Value::from(message);
    format!(r#"{{"errcode":"{errcode}","error":{message}}}"#)
}

/// The same of `M_LIMIT_EXCEEDED`, with the time after which it may go better. Clients still read
/// it there, though `Retry-After` says the same since version 1.10.
pub fn limit_exceeded_body(message: &str, retry_after_ms: u64) -> String {
    let message = serde_json::Value::from(message);
    let errcode = Errcode::LimitExceeded;
    format!(r#"{{"errcode":"{errcode}","error":{message},"retry_after_ms":{retry_after_ms}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_is_json_with_the_message_escaped() {
        let body = error_body(Errcode::NotFound, "no \"route\"\n");
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(value["errcode"], "M_NOT_FOUND");
        assert_eq!(value["error"], "no \"route\"\n");
    }
}
