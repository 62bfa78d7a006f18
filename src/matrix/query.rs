//! The query of a target, read as Twisted reads it for Synapse.

use std::borrow::Cow;

/// What the parameter `name` stands for in `query`, each time it is given.
///
/// As `parse_qs` of `twisted/web/http.py`: pairs end at `&` and at `;`, one
/// without `=` is none, `+` is a space and `%xx` a byte, in names too; an
/// escape that is none stays. The first value is the one that Synapse takes.
/// Nothing is allocated for a pair that has no `%` or `+`.
pub(super) fn values<'q>(query: &'q [u8], name: &str) -> impl Iterator<Item = Cow<'q, [u8]>> {
    let pairs = query.split(|b| matches!(b, b'&' | b';'));
    pairs.filter_map(move |pair| {
        let at = pair.iter().position(|&b| b == b'=')?;
        let (key, value) = (pair.get(..at)?, pair.get(at + 1..)?);
        (*decode(key) == *name.as_bytes()).then(|| decode(value))
    })
}

fn decode(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.contains(&b'+') {
        return percent_encoding::percent_decode(bytes).into();
    }
    let spaced: Vec<u8> = bytes
        .iter()
        .map(|&b| if b == b'+' { b' ' } else { b })
        .collect();
    Cow::Owned(percent_encoding::percent_decode(&spaced).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_split_and_decoded_as_twisted_does() {
        for (query, expected) in [
            ("", &[] as &[&str]),
            ("a", &[]),
            ("a=", &[""]),
            ("=a", &[]),
            ("a=1&a=2;a=3", &["1", "2", "3"]),
            ("%61=1&b=2&&;%41=3", &["1"]),
            ("a=b=c", &["b=c"]),
            ("a=x+y%2Bz%20", &["x y+z "]),
            ("a=%zz%4&a=%", &["%zz%4", "%"]),
            ("+a=1&a+=2& a=3", &[]),
        ] {
            let found: Vec<_> = values(query.as_bytes(), "a").collect();
            let expected: Vec<_> = expected.iter().map(|v| v.as_bytes()).collect();
            assert_eq!(found, expected, "{query}");
        }
    }
}
