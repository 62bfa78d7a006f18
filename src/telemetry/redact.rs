//! Takes tokens out of text that others wrote: log lines of libraries, user
//! agents.

use std::borrow::Cow;

/// What is written in place of a token.
const REDACTED: &[u8] = b"[redacted]";

/// What a token follows; compared without regard to case.
const BEFORE: [&[u8]; 2] = [b"access_token=", b"bearer "];

/// Header fields that are secret as a whole.
const HEADERS: [&[u8]; 3] = [b"authorization: ", b"cookie: ", b"set-cookie: "];

/// What a token of Synapse or the Matrix Authentication Service begins with.
/// Looked for inside words too: what stands before may be an escape (`%2F`).
const BEGINS: [&[u8]; 6] = [b"syt_", b"syr_", b"mat_", b"mar_", b"mct_", b"mcr_"];

/// `text` with every token that can be told as one replaced.
pub(super) fn redact(text: &[u8]) -> Cow<'_, [u8]> {
    let mut clean = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let found = rest.first().is_some_and(|byte| may_begin(*byte));
        let Some(Secret { after, length }) = found.then(|| secret(rest)).flatten() else {
            at += 1;
            continue;
        };
        let start = at + after;
        clean.extend_from_slice(text.get(copied..start).unwrap_or_default());
        clean.extend_from_slice(REDACTED);
        at = start + length;
        copied = at;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    clean.extend_from_slice(text.get(copied..).unwrap_or_default());
    Cow::Owned(clean)
}

/// Whether any of what is looked for begins with `byte`: a test of each would cost more than all
/// the rest of a record.
const fn may_begin(byte: u8) -> bool {
    matches!(byte.to_ascii_lowercase(), b'a' | b'b' | b'c' | b'm' | b's')
}

/// Where a secret is, from where it was looked for.
struct Secret {
    after: usize,
    length: usize,
}

/// The secret that `text` begins with or announces.
fn secret(text: &[u8]) -> Option<Secret> {
    let rest_after = |prefix: &&[u8]| {
        let (start, rest) = text.split_at_checked(prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then_some(rest)
    };
    let (rest, length) = if BEGINS.iter().any(|prefix| rest_after(prefix).is_some()) {
        (text, token_length(text))
    } else if let Some(rest) = BEFORE.iter().find_map(rest_after) {
        (rest, token_length(rest))
    } else {
        let rest = HEADERS.iter().find_map(rest_after)?;
        (rest, line_length(rest))
    };
    let after = text.len() - rest.len();
    Some(Secret { after, length })
}

fn token_length(text: &[u8]) -> usize {
    let of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.~+/=%:".contains(byte);
    text.iter().take_while(|byte| of_token(byte)).count()
}

/// Up to the end of the line, which is mostly shown as an escape: `\r`.
fn line_length(text: &[u8]) -> usize {
    let mut pairs = text.windows(2);
    let end = pairs.position(|pair| pair == b"\\r" || pair == b"\\n" || pair.starts_with(b"\n"));
    end.unwrap_or_else(|| text.trim_ascii_end().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_look_misses_none_of_what_is_looked_for() {
        for prefix in BEFORE.iter().chain(&HEADERS).chain(&BEGINS) {
            assert!(may_begin(prefix[0]), "{}", prefix.escape_ascii());
        }
    }

    fn redacted(text: &str) -> String {
        String::from_utf8(redact(text.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn takes_tokens_out() {
        for (text, expected) in [
            (
                "GET /sync?access_token=abc.def&since=1",
                "GET /sync?access_token=[redacted]&since=1",
            ),
            (
                r#"buf: "Cookie: a=b; c\r\nHost: a\r\nAuthorization: X-Matrix sig=\"s\"\r\n""#,
                r#"buf: "Cookie: [redacted]\r\nHost: a\r\nAuthorization: [redacted]\r\n""#,
            ),
            ("cookie: a\nnext", "cookie: [redacted]\nnext"),
            ("cookie: a\n", "cookie: [redacted]\n"),
            ("?Access_Token=abc", "?Access_Token=[redacted]"),
            ("a Bearer abc-1 x", "a Bearer [redacted] x"),
            ("next=%2Fsyt_YQ_x_1", "next=%2F[redacted]"),
            (
                "agent syt_YQ_x_1 and mat_Zz",
                "agent [redacted] and [redacted]",
            ),
        ] {
            assert_eq!(redacted(text), expected);
        }
    }

    #[test]
    fn leaves_other_text_alone() {
        for text in ["", "Element/1.11 (Linux)", "bearer", "access_tokens"] {
            assert_eq!(redacted(text), text);
            assert!(matches!(redact(text.as_bytes()), Cow::Borrowed(_)));
        }
    }
}
