//! The target of a request: origin-form, `OPTIONS *`, or absolute-form that becomes origin-form.

use super::{Refusal, host};

/// A target that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// It goes on byte for byte.
    AsIs,
    /// It came in absolute-form (RFC 9112, 3.2.2) and must be written in two fields.
    Absolute {
        /// What belongs in `Host`.
        authority: &'a [u8],
        /// The form it takes without scheme and authority. Empty, or beginning with `?`, where
        /// the path is missing.
        rest: &'a [u8],
    },
}

/// Checks the target of a request with `method`.
pub(super) fn check<'a>(method: &[u8], target: &'a [u8]) -> Result<Target<'a>, Refusal> {
    if target == b"*" {
        return if method == b"OPTIONS" {
            Ok(Target::AsIs)
        } else {
            Err(Refusal::Target)
        };
    }
    if target.first() == Some(&b'/') {
        return check_path(target).map(|()| Target::AsIs);
    }
    let rest = strip_scheme(target).ok_or(Refusal::Target)?;
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#'));
    let (authority, rest) = rest.split_at(end.unwrap_or(rest.len()));
    if !host::is_valid(authority) {
        return Err(Refusal::HostInvalid);
    }
    check_path(rest)?;
    Ok(Target::Absolute { authority, rest })
}

fn strip_scheme(target: &[u8]) -> Option<&[u8]> {
    [b"http://".as_slice(), b"https://"].iter().find_map(|s| {
        let (scheme, rest) = target.split_at_checked(s.len())?;
        scheme.eq_ignore_ascii_case(s).then_some(rest)
    })
}

/// Visible ASCII without `#`, and without what pingora's URI type refuses with an answer that is
/// not ours: `<` and `>`, a backtick in the path, a quote in the query.
fn check_path(target: &[u8]) -> Result<(), Refusal> {
    let mut in_query = false;
    for byte in target {
        let is_good = match byte {
            b'?' => {
                in_query = true;
                true
            }
            b'#' | b'<' | b'>' => false,
            b'`' => in_query,
            b'"' => !in_query,
            0x21..=0x7E => true,
            _ => false,
        };
        if !is_good {
            return Err(Refusal::Target);
        }
    }
    Ok(())
}
