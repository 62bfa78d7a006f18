//! The checks on the raw bytes of a request head, before pingora parses it.
//!
//! Pingora repairs what it can (bare LF, spaces and controls in the target) and passes much of the
//! rest. A front door must not: the server behind it may read the same bytes differently. So what
//! is not exactly one request of HTTP/1.0 or 1.1 with one clear length is refused (RFC 9112).

mod host;
mod refusal;
mod scan;
mod target;

pub use refusal::Refusal;
pub use scan::Scan;

use super::Limits;
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

/// What the gate needs to know of a head that may pass.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// How the body is delimited.
    pub framing: Framing,
    /// Whether the client asks for another protocol; what follows the request is then held back
    /// until the upgrade is granted.
    pub upgrade: bool,
    /// The head in its rewritten form, where the target was absolute.
    pub rewritten: Option<Vec<u8>>,
}

struct RequestLine<'a> {
    method: &'a [u8],
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

/// Checks a head that [`Scan`] found complete, from its first byte to the end of its empty line.
pub fn check(head: &[u8], limits: &Limits) -> Result<Head, Refusal> {
    let mut lines = lines(head);
    let request = request_line(lines.next().unwrap_or_default(), limits)?;
    let is_latest = request.version == b"HTTP/1.1";
    let mut fields = Fields::default();
    for line in lines {
        fields.take(line)?;
    }
    if fields.host == 0 && is_latest {
        return Err(Refusal::HostMissing);
    }
    let framing = match (fields.length, fields.chunked) {
        (Some(_), true) => return Err(Refusal::BothFramings),
        (None, true) if !is_latest => return Err(Refusal::TransferEncoding),
        (None, true) => Framing::Chunked,
        (length, false) => Framing::Length(length.unwrap_or(0)),
    };
    let rewritten = match request.form {
        Target::AsIs => None,
        Target::Absolute { authority, rest } => Some(rewrite(head, &request, authority, rest)),
    };
    Ok(Head {
        framing,
        upgrade: fields.upgrade && is_latest,
        rewritten,
    })
}

/// The lines of a head, without their ends and without the empty one.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.strip_suffix(b"\r\n\r\n")
        .unwrap_or(head)
        .split(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

#[derive(Default)]
struct Fields {
    host: usize,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

impl Fields {
    fn take(&mut self, line: &[u8]) -> Result<(), Refusal> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(Refusal::Folded);
        }
        let (name, value) = split_field(line).ok_or(Refusal::FieldLine)?;
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
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            self.upgrade = true;
        }
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

/// Digits only, and few enough that no reader overflows.
fn length(value: &[u8]) -> Option<u64> {
    if !(1..=18).contains(&value.len()) {
        return None;
    }
    value.iter().try_fold(0_u64, |sum, byte| {
        byte.is_ascii_digit()
            .then(|| sum * 10 + u64::from(byte - b'0'))
    })
}

/// The one rewriting: absolute-form becomes origin-form, and `Host` comes from the target
/// (RFC 9112, 3.2.2), in the place where the client's stood.
fn rewrite(head: &[u8], request: &RequestLine<'_>, authority: &[u8], rest: &[u8]) -> Vec<u8> {
    let prefix: &[u8] = match rest.first() {
        Some(b'/') => b"",
        // RFC 9112, 3.2.4.
        None if request.method == b"OPTIONS" => b"*",
        Some(_) | None => b"/",
    };
    let mut out = Vec::with_capacity(head.len() + authority.len());
    for part in [
        request.method,
        b" ",
        prefix,
        rest,
        b" ",
        request.version,
        b"\r\n",
    ] {
        out.extend_from_slice(part);
    }
    let host = [b"Host: ".as_slice(), authority, b"\r\n"].concat();
    let mut has_host = false;
    for line in lines(head).skip(1) {
        let is_host = split_field(line).is_some_and(|(n, _)| n.eq_ignore_ascii_case(b"host"));
        if is_host {
            has_host = true;
            out.extend_from_slice(&host);
        } else {
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
        }
    }
    if !has_host {
        out.extend_from_slice(&host);
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// RFC 9110, 5.6.2.
pub(in crate::listen) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
