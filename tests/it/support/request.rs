//! A well-formed HTTP/1.1 request in a line or two.

/// The host that the one site of most tests answers for.
pub(crate) const HOST: &str = "matrix.example.com";
/// What [`Request::signed`] says in `Authorization`.
pub(crate) const X_MATRIX: &str = "X-Matrix origin=a.test,key=ed25519:a,sig=\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Method, target, fields and body; bytes on demand.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    target: String,
    host: String,
    fields: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            host: HOST.into(),
            fields: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn put(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("PUT", target).body(body)
    }

    pub(crate) fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", target).body(body)
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = host.into();
        self
    }

    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// As another server sends it, as far as anybody can tell who does not verify its signature.
    pub(crate) fn signed(self) -> Self {
        self.field("Authorization", X_MATRIX)
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// The host without its port, as TLS asks for it.
    pub(crate) fn name(&self) -> &str {
        self.host.split(':').next().unwrap_or_default()
    }

    pub(crate) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// The request as it goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Self {
            method,
            target,
            host,
            ..
        } = self;
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in &self.fields {
            text += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = &self.body {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        text += "\r\n";
        let mut bytes = text.into_bytes();
        bytes.extend(self.body.iter().flatten());
        bytes
    }

    /// The same request for an HTTP/2 engine, and its body.
    pub(crate) fn to_http2(&self) -> (http::Request<()>, Vec<u8>) {
        let uri = format!("https://{}{}", self.host, self.target);
        let mut builder = http::Request::builder()
            .method(self.method.as_str())
            .uri(uri);
        for (name, value) in &self.fields {
            builder = builder.header(name, value);
        }
        if let Some(body) = &self.body {
            builder = builder.header("content-length", body.len());
        }
        (
            builder.body(()).unwrap(),
            self.body.clone().unwrap_or_default(),
        )
    }
}
