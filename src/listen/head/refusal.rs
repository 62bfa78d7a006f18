//! Why a request head is refused, and the answer to it.

use crate::matrix::{Errcode, cors, error_body};

/// Why the gate refuses a request before anything else sees it. The connection closes after the
/// answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Not exactly `METHOD SP target SP HTTP/1.x`.
    RequestLine,
    /// A method that HTTP does not know, or that no Matrix server serves.
    UnknownMethod,
    /// CONNECT or TRACE.
    RefusedMethod,
    /// A target that is neither origin-form, absolute-form nor `OPTIONS *`, or has bytes that a
    /// target may not have.
    Target,
    /// The target is longer than `limits.target_size`.
    TargetTooLong,
    /// A version of HTTP other than 1.0 and 1.1.
    Version,
    /// A line that ends in LF without CR, or a CR without LF.
    LineEnd,
    /// NUL or another control character.
    Control,
    /// A field that goes on in the next line.
    Folded,
    /// A field line without a colon.
    FieldLine,
    /// A field name that is empty or no token; white space before the colon counts.
    FieldName,
    /// No `Host` where HTTP/1.1 wants one.
    HostMissing,
    /// More than one `Host`.
    HostRepeated,
    /// A `Host` that is not a name or an address with an optional port.
    HostInvalid,
    /// A `Content-Length` that is not one field of digits.
    ContentLength,
    /// A `Transfer-Encoding` other than one `chunked`, or one in HTTP/1.0.
    TransferEncoding,
    /// `Content-Length` and `Transfer-Encoding` together.
    BothFramings,
    /// An expectation other than `100-continue`.
    Expectation,
    /// The head is larger than `limits.head_size`.
    HeadTooLarge,
    /// The head has more fields than `limits.head_fields`.
    TooManyFields,
    /// The head did not arrive within `timeouts.head`.
    Timeout,
}

impl Refusal {
    /// The HTTP status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::RequestLine
            | Self::Target
            | Self::LineEnd
            | Self::Control
            | Self::Folded
            | Self::FieldLine
            | Self::FieldName
            | Self::HostMissing
            | Self::HostRepeated
            | Self::HostInvalid
            | Self::ContentLength
            | Self::TransferEncoding
            | Self::BothFramings => 400,
            Self::RefusedMethod => 405,
            Self::Timeout => 408,
            Self::TargetTooLong => 414,
            Self::Expectation => 417,
            Self::HeadTooLarge | Self::TooManyFields => 431,
            Self::UnknownMethod => 501,
            Self::Version => 505,
        }
    }

    /// The name of the reason in logs and metrics.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::RequestLine => "request_line",
            Self::UnknownMethod => "unknown_method",
            Self::RefusedMethod => "refused_method",
            Self::Target => "target",
            Self::TargetTooLong => "target_too_long",
            Self::Version => "version",
            Self::LineEnd => "line_end",
            Self::Control => "control",
            Self::Folded => "folded",
            Self::FieldLine => "field_line",
            Self::FieldName => "field_name",
            Self::HostMissing => "host_missing",
            Self::HostRepeated => "host_repeated",
            Self::HostInvalid => "host_invalid",
            Self::ContentLength => "content_length",
            Self::TransferEncoding => "transfer_encoding",
            Self::BothFramings => "both_framings",
            Self::Expectation => "expectation",
            Self::HeadTooLarge => "head_too_large",
            Self::TooManyFields => "too_many_fields",
            Self::Timeout => "timeout",
        }
    }

    /// What the client is told.
    pub const fn message(self) -> &'static str {
        match self {
            Self::RequestLine => "malformed request line",
            Self::UnknownMethod => "unknown method",
            Self::RefusedMethod => "this method is not served",
            Self::Target => "malformed request target",
            Self::TargetTooLong => "request target too long",
            Self::Version => "only HTTP/1.0, HTTP/1.1 and HTTP/2 are served",
            Self::LineEnd => "lines of a request head end in CR LF",
            Self::Control => "control character in the request head",
            Self::Folded => "folded header field",
            Self::FieldLine => "header line without a colon",
            Self::FieldName => "malformed header name",
            Self::HostMissing => "no Host header",
            Self::HostRepeated => "more than one Host header",
            Self::HostInvalid => "malformed Host header",
            Self::ContentLength => "malformed Content-Length header",
            Self::TransferEncoding => "only one Transfer-Encoding, chunked, is served",
            Self::BothFramings => "both Content-Length and Transfer-Encoding",
            Self::Expectation => "unknown expectation",
            Self::HeadTooLarge => "request head too large",
            Self::TooManyFields => "too many header fields",
            Self::Timeout => "the request head took too long",
        }
    }

    const fn phrase(self) -> &'static str {
        match self.status() {
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            414 => "URI Too Long",
            417 => "Expectation Failed",
            431 => "Request Header Fields Too Large",
            501 => "Not Implemented",
            505 => "HTTP Version Not Supported",
            _ => "Bad Request",
        }
    }

    const fn errcode(self) -> Errcode {
        match self {
            Self::UnknownMethod | Self::RefusedMethod | Self::Target => Errcode::Unrecognized,
            Self::RequestLine
            | Self::TargetTooLong
            | Self::Version
            | Self::LineEnd
            | Self::Control
            | Self::Folded
            | Self::FieldLine
            | Self::FieldName
            | Self::HostMissing
            | Self::HostRepeated
            | Self::HostInvalid
            | Self::ContentLength
            | Self::TransferEncoding
            | Self::BothFramings
            | Self::Expectation
            | Self::HeadTooLarge
            | Self::TooManyFields
            | Self::Timeout => Errcode::Unknown,
        }
    }

    /// The whole answer. An answer to HEAD (`head_only`) has no body.
    pub(in crate::listen) fn answer(self, head_only: bool) -> Vec<u8> {
        let body = error_body(self.errcode(), self.message());
        let allow = if matches!(self, Self::RefusedMethod) {
            "Allow: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS\r\n"
        } else {
            ""
        };
        let mut answer = format!(
            "HTTP/1.1 {} {}\r\n{allow}Content-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n",
            self.status(),
            self.phrase(),
            body.len(),
        );
        for (name, value) in cors::REPLY {
            answer.push_str(name);
            answer.push_str(": ");
            answer.push_str(value);
            answer.push_str("\r\n");
        }
        answer.push_str("\r\n");
        if !head_only {
            answer.push_str(&body);
        }
        answer.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_as_matrix_json_that_a_browser_can_read() {
        let answer = String::from_utf8(Refusal::RefusedMethod.answer(false)).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 405 Method Not Allowed\r\nAllow: GET"));
        assert!(head.contains("\r\naccess-control-allow-origin: *\r\n"));
        assert!(head.contains("\r\nConnection: close\r\n"));
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())));
        let json: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(json["errcode"], "M_UNRECOGNIZED");
        assert!(Refusal::Control.answer(true).ends_with(b"\r\n\r\n"));
    }
}
