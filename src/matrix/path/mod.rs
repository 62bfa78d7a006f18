//! Request targets: which stay below a path prefix however a later hop may read
//! them.
//!
//! A target is forwarded byte for byte or refused; nothing here rewrites one.
//! Which are well formed is checked before (`listen::head`).

use std::borrow::Cow;

/// The path of a target: what stands before the first `?`.
pub fn path_of(target: &[u8]) -> &[u8] {
    target.split(|&b| b == b'?').next().unwrap_or(target)
}

/// The query of a target: what stands behind the first `?`; empty where there is none.
pub fn query_of(target: &[u8]) -> &[u8] {
    let path = path_of(target);
    target.get(path.len() + 1..).unwrap_or_default()
}

/// Whether the raw `path` begins with `prefix` and ends there or goes on with `/`.
///
/// `prefix` is a path without a `/` at its end; the empty prefix holds every path.
pub fn has_prefix(path: &[u8], prefix: &str) -> bool {
    path.strip_prefix(prefix.as_bytes())
        .is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
}

/// Whether `path` reads the same for everybody: no escapes, parameters or
/// backslashes, and no empty or dot segments.
pub fn is_literal(path: &[u8]) -> bool {
    let is_plain = |segment: &[u8]| !matches!(segment, b"." | b"..");
    !path.iter().any(|b| matches!(b, b'%' | b';' | b'\\'))
        && !path.windows(2).any(|pair| pair == b"//")
        && path.split(|&b| b == b'/').all(is_plain)
}

/// Whether the raw `path` (no query) is below `prefix`, and stays there in
/// every way in which a later hop may read it.
///
/// The bytes must begin with `prefix` at a segment boundary. What follows is
/// taken at its worst: percent-decoded twice, decoded slashes and `\` as
/// separators, `;parameters` and empty segments dropped. Each `..` that shows
/// up so climbs, and only a segment that is a name in every reading descends.
/// Where that would climb out of the prefix, even for a moment, the answer is
/// no. Dot segments that stay below are fine: the path is forwarded as it
/// came, and the upstream does not resolve them.
pub fn is_below(path: &[u8], prefix: &str) -> bool {
    if !has_prefix(path, prefix) {
        return false;
    }
    let rest = path.get(prefix.len()..).unwrap_or_default();
    if !may_climb(rest) {
        return true;
    }
    let mut depth = 0usize;
    rest.split(|&b| b == b'/').skip(1).all(|segment| {
        let (climbs, descends) = worst_reading(segment);
        let stays = climbs <= depth;
        depth = depth.saturating_sub(climbs) + usize::from(descends);
        stays
    })
}

/// Whether a `..` may show up: two dots side by side, or an escape of a dot,
/// or one that may be part of another escape. Most paths end here, after one
/// look and without allocation.
fn may_climb(path: &[u8]) -> bool {
    let mut bytes = path.iter();
    while let Some(&byte) = bytes.next() {
        let next = bytes.as_slice().first();
        let found = match byte {
            b'.' => matches!(next, Some(b'.' | b'%')),
            b'%' => unescape(bytes.as_slice())
                .is_some_and(|b| matches!(b, b'.' | b'%') || b.is_ascii_hexdigit()),
            _ => false,
        };
        if found {
            return true;
        }
    }
    false
}

/// How often a segment may climb, and whether it surely descends.
fn worst_reading(segment: &[u8]) -> (usize, bool) {
    let once = decode(segment);
    let decoded = decode(&once);
    let is_separator = |&b: &u8| matches!(b, b'/' | b'\\');
    let climbs = decoded
        .split(is_separator)
        .filter(|part| without_parameters(part) == b"..")
        .count();
    let is_name = |part: &[u8]| !matches!(part, b"" | b".");
    let descends = without_parameters(&decoded)
        .split(is_separator)
        .any(is_name);
    (climbs, descends && climbs == 0)
}

fn without_parameters(segment: &[u8]) -> &[u8] {
    segment.split(|&b| b == b';').next().unwrap_or(segment)
}

/// Percent-decodes; what is no escape stays.
fn decode(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        match unescape(rest.as_slice()) {
            Some(escaped) if byte == b'%' => {
                decoded.push(escaped);
                rest.nth(1);
            }
            _ => decoded.push(byte),
        }
    }
    Cow::Owned(decoded)
}

/// The byte that the two hexadecimal digits after a `%` stand for.
fn unescape(after_percent: &[u8]) -> Option<u8> {
    let digit = |at| char::from(*after_percent.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

#[cfg(test)]
mod tests;
