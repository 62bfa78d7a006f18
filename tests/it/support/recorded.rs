//! What the stub homeserver received.

use super::strict::Framing;

/// One request as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// The connection it came on, counted from 0.
    pub(crate) connection: usize,
    /// Request line to empty line, exactly as received.
    pub(crate) head: Vec<u8>,
    /// How its body is delimited.
    pub(crate) framing: Framing,
    /// The body without its framing, as far as it came.
    pub(crate) body: Vec<u8>,
    /// The body came to its right end.
    pub(crate) whole: bool,
    /// The peer left before the answer was written in full.
    pub(crate) abandoned: bool,
}

impl Recorded {
    fn request_line(&self) -> Vec<&[u8]> {
        let line = self.head.split(|b| *b == b'\r').next().unwrap_or_default();
        line.split(|b| *b == b' ').collect()
    }

    pub(crate) fn method(&self) -> &str {
        std::str::from_utf8(self.request_line()[0]).unwrap()
    }

    /// The request target, byte for byte.
    pub(crate) fn target(&self) -> &str {
        std::str::from_utf8(self.request_line()[1]).unwrap()
    }

    /// Every field line as (name, value), in order.
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let text = String::from_utf8_lossy(&self.head).into_owned();
        let lines = text.split("\r\n").skip(1).filter_map(|l| l.split_once(':'));
        lines
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect()
    }

    /// All values of a field, in order, however its name is spelt.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let mut fields = self.fields();
        fields.retain(|(n, _)| n.eq_ignore_ascii_case(name));
        fields.into_iter().map(|(_, value)| value).collect()
    }

    /// The one value of a field; none where it is absent, a failure where it repeats.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let values = self.all(name);
        assert!(values.len() <= 1, "{name} came {} times", values.len());
        values.into_iter().next()
    }
}
