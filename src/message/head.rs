//! Heads of requests and responses.

use bytes::Bytes;
use http::{Method, StatusCode};

use super::Fields;

/// The protocol that a request came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

impl Protocol {
    /// As access logs write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// The head of a request.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The target in origin-form, byte for byte as it came.
    pub target: Bytes,
    /// The protocol it came by.
    pub protocol: Protocol,
    /// The fields. `:authority` of HTTP/2 is the first `host`; where the client also sent a
    /// `host` that says something else, there are two, which nothing accepts.
    pub fields: Fields,
}

/// The head of a response.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// The status.
    pub status: StatusCode,
    /// The fields, framing included.
    pub fields: Fields,
}
