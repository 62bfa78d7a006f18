//! An answer as a client saw it, over HTTP/1.1 or HTTP/2.

use serde_json::Value;

/// Status, fields, body, and whether the body came to its right end.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    pub(crate) version: String,
    pub(crate) status: u16,
    /// Names in lower case, in order.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Ended as its framing says; false where it was cut.
    pub(crate) whole: bool,
    /// The interim answers before it.
    pub(crate) interim: Vec<u16>,
}

impl Response {
    /// All values of a field, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self
            .fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The one value of a field; none where it is absent, a failure where it repeats.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(
            values.len() <= 1,
            "{name} came {} times: {values:?}",
            values.len()
        );
        values.first().copied()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        let parsed = serde_json::from_slice(&self.body);
        parsed.unwrap_or_else(|e| panic!("no JSON ({e}): {self:?}"))
    }

    pub(crate) fn errcode(&self) -> String {
        self.json()["errcode"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Fails unless this is an error that a web client can read: the status,
    /// Matrix JSON, and the CORS header that lets a page see any of it.
    pub(crate) fn assert_error(&self, status: u16, errcode: &str) -> &Self {
        assert_eq!(
            (self.status, self.errcode().as_str()),
            (status, errcode),
            "{self:?}"
        );
        assert!(self.whole, "cut: {self:?}");
        assert!(self.json()["error"].is_string(), "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/json"),
            "{self:?}"
        );
        assert_eq!(
            self.header("access-control-allow-origin"),
            Some("*"),
            "{self:?}"
        );
        self
    }
}
