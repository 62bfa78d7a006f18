//! Reads the head of a HTTP/1 request from its raw bytes.
//!
//! Parsers repair what they can (bare LF, spaces and controls in the target) and pass much of the
//! rest. A front door must not: the server behind it may read the same bytes differently. So what
//! is not exactly one request of HTTP/1.0 or 1.1 with one clear length is refused (RFC 9112).

mod host;
mod refusal;
mod scan;
mod target;

pub use refusal::Refusal;
pub use scan::Scan;

use bytes::Bytes;
use http::Method;

use super::Limits;
use crate::message::syntax::{is_token, length};
use crate::message::{Fields, Protocol, RequestHead};
use target::Target;

/// The methods that are served.
const METHODS: [&[u8]; 7] = [
    b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH",
];

/// How the body of a request is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes; zero where the head names no length.
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
}

/// A request whose head may pass.
#[derive(Debug)]
pub struct Request {
    /// The head; an absolute target is in origin-form, and its authority is the `Host`
    /// (RFC 9112, 3.2.2).
    pub head: RequestHead,
    /// How the body is delimited.
    pub framing: Framing,
    /// What the client wants of the connection.
    pub wishes: Wishes,
}

/// What a client wants of its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// A 100 before it sends the body.
    pub expects_continue: bool,
    /// That it closes after this request; always so in HTTP/1.0.
    pub close: bool,
}

struct RequestLine<'a> {
    method: &'a [u8],
    target: &'a [u8],
    form: Target<'a>,
    version: &'a [u8],
}

fn request_line<'a>(line: &'a [u8], limits: &Limits) -> Result<RequestLine<'a>, Refusal> {
    let mut parts = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::RequestLine);
    };
    if !matches!(version, b"HTTP/1.1" | b"HTTP/1.0") {
        return Err(match version {
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                Refusal::Version
            }
            _ => Refusal::RequestLine,
        });
    }
    check_method(method)?;
    if target.len() > limits.target_size {
        return Err(Refusal::TargetTooLong);
    }
    Ok(RequestLine {
        method,
        target,
        form: target::check(method, target)?,
        version,
    })
}

/// Checks the method and the target of a request that came without a head of bytes: HTTP/2.
pub fn check_request(method: &[u8], target: &[u8], target_size: usize) -> Result<(), Refusal> {
    check_method(method)?;
    if target.len() > target_size {
        return Err(Refusal::TargetTooLong);
    }
    match target::check(method, target)? {
        Target::AsIs => Ok(()),
        Target::Absolute { .. } => Err(Refusal::Target),
    }
}

/// Whether `value` may stand in a `Host` field or in `:authority`.
pub fn is_host(value: &[u8]) -> bool {
    host::is_valid(value)
}

fn check_method(method: &[u8]) -> Result<(), Refusal> {
    if METHODS.contains(&method) {
        Ok(())
    } else if matches!(method, b"CONNECT" | b"TRACE") {
        Err(Refusal::RefusedMethod)
    } else if !method.is_empty() && method.iter().copied().all(is_token) {
        Err(Refusal::UnknownMethod)
    } else {
        Err(Refusal::RequestLine)
    }
}

/// Reads a head that [`Scan`] found complete, from its first byte to the end of its empty line.
pub fn read(head: &[u8], limits: &Limits) -> Result<Request, Refusal> {
    let mut lines = lines(head);
    let line = request_line(lines.next().unwrap_or_default(), limits)?;
    let protocol = match line.version {
        b"HTTP/1.1" => Protocol::Http11,
        _ => Protocol::Http10,
    };
    let (target, authority) = match line.form {
        Target::AsIs => (Bytes::copy_from_slice(line.target), None),
        Target::Absolute { authority, rest } => (origin_form(line.method, rest), Some(authority)),
    };
    let mut reader = Reader::new(head.len(), authority);
    for line in lines {
        reader.take(line)?;
    }
    if let Some(authority) = authority
        && reader.host == 0
    {
        reader.fields.push("Host", authority);
    } else if reader.host == 0 && protocol == Protocol::Http11 {
        return Err(Refusal::HostMissing);
    }
    let framing = match (reader.length, reader.chunked) {
        (Some(_), true) => return Err(Refusal::BothFramings),
        (None, true) if protocol == Protocol::Http10 => return Err(Refusal::TransferEncoding),
        (None, true) => Framing::Chunked,
        (length, false) => Framing::Length(length.unwrap_or(0)),
    };
    let is_latest = protocol == Protocol::Http11;
    Ok(Request {
        framing,
        wishes: Wishes {
            close: reader.wishes.close || !is_latest,
            ..reader.wishes
        },
        head: RequestHead {
            method: Method::from_bytes(line.method).map_err(|_| Refusal::UnknownMethod)?,
            target,
            protocol,
            fields: reader.fields,
        },
    })
}

/// The lines of a head, without their ends and without the empty one.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.strip_suffix(b"\r\n\r\n")
        .unwrap_or(head)
        .split(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// Takes the fields one by one, and notes those that say how the message is to be read.
struct Reader<'a> {
    fields: Fields,
    /// What `Host` is to be instead of what the client sent.
    authority: Option<&'a [u8]>,
    host: usize,
    length: Option<u64>,
    chunked: bool,
    wishes: Wishes,
}

impl<'a> Reader<'a> {
    fn new(size: usize, authority: Option<&'a [u8]>) -> Self {
        Self {
            fields: Fields::with_capacity(16, size),
            authority,
            host: 0,
            length: None,
            chunked: false,
            wishes: Wishes::default(),
        }
    }

    fn take(&mut self, line: &[u8]) -> Result<(), Refusal> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(Refusal::Folded);
        }
        let (name, mut value) = split_field(line).ok_or(Refusal::FieldLine)?;
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return Err(Refusal::FieldName);
        }
        if name.eq_ignore_ascii_case(b"host") {
            self.host += 1;
            if self.host > 1 {
                return Err(Refusal::HostRepeated);
            }
            if !host::is_valid(value) {
                return Err(Refusal::HostInvalid);
            }
            value = self.authority.unwrap_or(value);
        } else if name.eq_ignore_ascii_case(b"content-length") {
            // Two equal ones are refused as well: they would go upstream as they came.
            if self.length.is_some() {
                return Err(Refusal::ContentLength);
            }
            self.length = Some(length(value).ok_or(Refusal::ContentLength)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::TransferEncoding);
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"expect") {
            if !value.eq_ignore_ascii_case(b"100-continue") {
                return Err(Refusal::Expectation);
            }
            self.wishes.expects_continue = true;
        } else if name.eq_ignore_ascii_case(b"connection") {
            let mut tokens = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            self.wishes.close |= tokens.any(|token| token.eq_ignore_ascii_case(b"close"));
        }
        self.fields.push(name, value);
        Ok(())
    }
}

/// A field line as name and value, without the white space around the value.
fn split_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|b| *b == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let mut value = value.get(1..)?;
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    Some((name, value))
}

/// The target that a request in absolute-form asks for.
fn origin_form(method: &[u8], rest: &[u8]) -> Bytes {
    match rest.first() {
        Some(b'/') => Bytes::copy_from_slice(rest),
        // RFC 9112, 3.2.4.
        None if method == b"OPTIONS" => Bytes::from_static(b"*"),
        Some(_) | None => [b"/", rest].concat().into(),
    }
}

#[cfg(test)]
mod tests;
