//! The fields of a head.

use std::fmt;
use std::ops::Range;

/// Header fields in the order and spelling in which they came.
///
/// A head has about a dozen of them and each is looked for a few times: a walk over one buffer is
/// cheaper than a hash map, and what goes on is already in the form of the wire.
#[derive(Clone, Default)]
pub struct Fields {
    /// `Name: value CR LF`, one behind the other.
    wire: Vec<u8>,
    index: Vec<Line>,
}

/// Where a field stands in the buffer.
#[derive(Clone, Copy)]
struct Line {
    start: u32,
    name: u32,
    end: u32,
}

/// Between a name and its value.
const SEPARATOR: &[u8] = b": ";
/// After a value.
const LINE_END: &[u8] = b"\r\n";

impl Fields {
    /// No fields, and room for `lines` of them in `bytes`.
    pub fn with_capacity(lines: usize, bytes: usize) -> Self {
        Self {
            wire: Vec::with_capacity(bytes),
            index: Vec::with_capacity(lines),
        }
    }

    /// Adds a field behind the others. The caller vouches that name and value are what HTTP
    /// allows: a line end in one of them would begin a field of its own.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        let start = self.wire.len();
        let length = name.len() + SEPARATOR.len() + value.len() + LINE_END.len();
        // Heads are bounded far below; what could not be found again is not added.
        let Ok(end) = u32::try_from(start + length) else {
            return;
        };
        self.wire.reserve(length);
        self.wire.extend_from_slice(name);
        self.wire.extend_from_slice(SEPARATOR);
        self.wire.extend_from_slice(value);
        self.wire.extend_from_slice(LINE_END);
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        self.index.push(Line {
            start: length(start),
            name: length(start + name.len()),
            end: end - 2,
        });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// All fields as `(name, value)`.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
        self.index.iter().map(|line| {
            let name = self.part(line.start..line.name);
            let value = self.part(line.name + 2..line.end);
            (name, value)
        })
    }

    /// The values of every field called `name`, whatever its case.
    pub fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.iter()
            .filter(|(called, _)| called.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The value of the first field called `name`.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// Whether a field is called `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// The elements of the comma-separated lists in every field called `name`, without the empty
    /// ones (RFC 9110, 5.6.1).
    pub fn elements(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
    }

    /// Every field as a line of HTTP/1.1, without the empty line behind them.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    fn part(&self, range: Range<u32>) -> &[u8] {
        let index = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        let range = index(range.start)..index(range.end);
        self.wire.get(range).unwrap_or_default()
    }
}

/// Names only: values may be tokens.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.iter().map(|(name, _)| name.escape_ascii().to_string());
        f.debug_list().entries(names).finish()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut collected = Self::default();
        for (name, value) in fields {
            collected.push(name, value);
        }
        collected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_spelling() {
        let fields: Fields = [("Host", "a"), ("cookie", "b=1"), ("Cookie", "")]
            .into_iter()
            .collect();
        assert_eq!(fields.wire(), b"Host: a\r\ncookie: b=1\r\nCookie: \r\n");
        assert_eq!(fields.len(), 3);
        assert_eq!(fields.first("HOST"), Some(&b"a"[..]));
        assert_eq!(fields.all("cookie").collect::<Vec<_>>(), [&b"b=1"[..], b""]);
        assert!(!fields.contains("cooki") && !fields.contains("x"));
    }

    #[test]
    fn lists_run_over_lines_and_have_no_empty_elements() {
        let fields: Fields = [
            ("connection", " a,, b "),
            ("Connection", ""),
            ("connection", "c"),
        ]
        .into_iter()
        .collect();
        let elements: Vec<_> = fields.elements("connection").collect();
        assert_eq!(elements, [&b"a"[..], b"b", b"c"]);
    }

    #[test]
    fn values_are_not_shown_to_whoever_debugs() {
        let fields: Fields = [("authorization", "Bearer secret")].into_iter().collect();
        assert_eq!(format!("{fields:?}"), r#"["authorization"]"#);
    }
}
