//! HTTP/1.1 as a homeserver sends it: one request on a connection, its target byte for byte.

use bytes::{Bytes, BytesMut};
use httparse::{EMPTY_HEADER, Response, Status};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::message::chunked::{Decoder, Progress};
use crate::message::{Fields, syntax};

/// What Synapse calls itself; the check comes as it does, so that it sees what it sees.
pub(super) const AGENT: &str = concat!(
    "Synapse/1.163.2 (Vestibule-check/",
    env!("CARGO_PKG_VERSION"),
    ")"
);

/// Largest head of an answer.
const LARGEST_HEAD: usize = 64 << 10;
/// What is read of a body at most.
const LARGEST_BODY: usize = 256 << 10;
/// Most fields of an answer.
const MOST_FIELDS: usize = 128;
/// Most interim answers before one that counts.
const MOST_INTERIM: usize = 8;

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) host: String,
    pub(super) target: String,
    pub(super) agent: &'static str,
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) body: Body,
}

/// What follows the head.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// Nothing.
    None,
    /// So many bytes, announced.
    Whole(Bytes),
    /// The same in chunks.
    Chunked(Bytes),
    /// So many are announced, and sent never: whoever wants them says so (`100 Continue`).
    Withheld(u64),
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) fields: Fields,
    /// At most 256 KiB of the body.
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    /// The connection ended before the answer did.
    #[error("the connection ended without a whole answer")]
    Closed,
    /// What came is not HTTP/1.
    #[error("the answer is not HTTP/1.1")]
    Invalid,
}

impl Request {
    /// A GET as Synapse sends it.
    pub(super) fn get(host: impl Into<String>, target: impl Into<String>) -> Self {
        Self {
            method: "GET",
            host: host.into(),
            target: target.into(),
            agent: AGENT,
            fields: Vec::new(),
            body: Body::None,
        }
    }

    /// The same with a field more.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// The same with another method.
    pub(super) fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    /// The same with another body.
    pub(super) fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    fn wire(&self) -> BytesMut {
        let Self {
            method,
            host,
            target,
            ..
        } = self;
        let mut wire = BytesMut::new();
        let mut line = |text: String| {
            wire.extend_from_slice(text.as_bytes());
            wire.extend_from_slice(b"\r\n");
        };
        line(format!("{method} {target} HTTP/1.1"));
        line(format!("Host: {host}"));
        if !self.agent.is_empty() {
            line(format!("User-Agent: {}", self.agent));
        }
        for (name, value) in &self.fields {
            line(format!("{name}: {value}"));
        }
        match &self.body {
            Body::None => {}
            Body::Whole(body) => line(format!("Content-Length: {}", body.len())),
            Body::Chunked(_) => line("Transfer-Encoding: chunked".to_owned()),
            Body::Withheld(length) => {
                line(format!("Content-Length: {length}"));
                line("Expect: 100-continue".to_owned());
            }
        }
        line("Connection: close\r\n".to_owned());
        match &self.body {
            Body::None | Body::Withheld(_) => {}
            Body::Whole(body) => wire.extend_from_slice(body),
            Body::Chunked(body) => {
                wire.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
                wire.extend_from_slice(body);
                wire.extend_from_slice(b"\r\n0\r\n\r\n");
            }
        }
        wire
    }

    /// Sends it on a fresh connection, and reads the answer. An answer that comes before the
    /// whole body is sent counts.
    pub(super) async fn send<S>(&self, stream: S) -> Result<Answer, Broken>
    where
        S: AsyncRead + AsyncWrite,
    {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let wire = self.wire();
        let write = async {
            writer.write_all(&wire).await?;
            writer.flush().await
        };
        let read = self.read(&mut reader);
        let (mut write, mut read) = (std::pin::pin!(write), std::pin::pin!(read));
        tokio::select! {
            biased;
            answer = &mut read => return answer,
            // It may have answered before it closed.
            _ = &mut write => {}
        }
        read.await
    }

    async fn read<S: AsyncRead + Unpin>(&self, stream: &mut S) -> Result<Answer, Broken> {
        let mut input = BytesMut::with_capacity(8 << 10);
        for _ in 0..MOST_INTERIM {
            let (status, fields) = read_head(stream, &mut input).await?;
            let is_invited = status == 100 && matches!(self.body, Body::Withheld(_));
            if (100..200).contains(&status) && !is_invited {
                continue;
            }
            let has_none = is_invited || self.method == "HEAD" || matches!(status, 204 | 304);
            let body = if has_none {
                Bytes::new()
            } else {
                read_body(stream, input, &fields).await?
            };
            return Ok(Answer {
                status,
                fields,
                body,
            });
        }
        Err(Broken::Invalid)
    }
}

async fn more<S: AsyncRead + Unpin>(stream: &mut S, input: &mut BytesMut) -> Result<bool, Broken> {
    input.reserve(8 << 10);
    let read = stream.read_buf(input).await;
    // A missing `close_notify` is no more than the end.
    Ok(read.unwrap_or(0) > 0)
}

async fn read_head<S: AsyncRead + Unpin>(
    stream: &mut S,
    input: &mut BytesMut,
) -> Result<(u16, Fields), Broken> {
    loop {
        let mut lines = [EMPTY_HEADER; MOST_FIELDS];
        let mut response = Response::new(&mut lines);
        match response.parse(input) {
            Ok(Status::Complete(length)) => {
                let fields = response.headers.iter().map(|line| (line.name, line.value));
                let head = (response.code.unwrap_or_default(), fields.collect());
                bytes::Buf::advance(input, length);
                return Ok(head);
            }
            Ok(Status::Partial) if input.len() < LARGEST_HEAD => {}
            Ok(Status::Partial) | Err(_) => return Err(Broken::Invalid),
        }
        if !more(stream, input).await? {
            return Err(Broken::Closed);
        }
    }
}

async fn read_body<S: AsyncRead + Unpin>(
    stream: &mut S,
    mut input: BytesMut,
    fields: &Fields,
) -> Result<Bytes, Broken> {
    let is_chunked = fields
        .elements("transfer-encoding")
        .any(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    if is_chunked {
        let (mut decoder, mut data) = (Decoder::default(), BytesMut::new());
        loop {
            let progress = decoder
                .decode(&input, &mut data)
                .map_err(|_| Broken::Invalid)?;
            if matches!(progress, Progress::End(_)) || data.len() >= LARGEST_BODY {
                data.truncate(LARGEST_BODY);
                return Ok(data.freeze());
            }
            input.clear();
            if !more(stream, &mut input).await? {
                return Err(Broken::Closed);
            }
        }
    }
    let length = fields.first("content-length").map(syntax::length);
    let wanted = match length {
        Some(Some(length)) => usize::try_from(length).unwrap_or(LARGEST_BODY),
        Some(None) => return Err(Broken::Invalid),
        None => LARGEST_BODY,
    };
    let wanted = wanted.min(LARGEST_BODY);
    while input.len() < wanted {
        if !more(stream, &mut input).await? {
            if length.is_some() {
                return Err(Broken::Closed);
            }
            break;
        }
    }
    input.truncate(wanted);
    Ok(input.freeze())
}

impl Answer {
    /// The body as a JSON object.
    pub(super) fn json(&self) -> Option<serde_json::Map<String, serde_json::Value>> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The `errcode` of a Matrix error.
    pub(super) fn errcode(&self) -> Option<String> {
        let json = self.json()?;
        json.get("errcode")?.as_str().map(str::to_owned)
    }

    /// Whether it is this error.
    pub(super) fn is_error(&self, status: u16, errcode: &str) -> bool {
        self.status == status && self.errcode().as_deref() == Some(errcode)
    }

    /// Whether it sends elsewhere.
    pub(super) fn is_redirect(&self) -> bool {
        (300..400).contains(&self.status) && self.status != 304
    }

    /// The value of a field as text.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .first(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// In few words, for people: `404 (text/html)`.
    pub(super) fn summary(&self) -> String {
        let what = self
            .errcode()
            .or_else(|| self.field("content-type").map(str::to_owned));
        match what {
            Some(what) => format!("{} ({})", self.status, super::text::printable(what)),
            None => self.status.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(request: Request, wire: &'static [u8]) -> Result<Answer, Broken> {
        let (near, far) = tokio::io::duplex(1 << 20);
        let (mut reader, mut writer) = tokio::io::split(far);
        let serve = async {
            let mut sent = vec![0; 1 << 16];
            let _ = reader.read(&mut sent).await;
            let _ = writer.write_all(wire).await;
            let _ = writer.shutdown().await;
        };
        tokio::join!(request.send(near), serve).0
    }

    #[tokio::test]
    async fn bodies_end_where_their_framing_says() {
        for (wire, body) in [
            (
                &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc"[..],
                "ab",
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
                "ab",
            ),
            (b"HTTP/1.0 200 OK\r\n\r\nab", "ab"),
            (
                b"HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
                "ab",
            ),
        ] {
            let answer = answered(Request::get("a", "/"), wire).await.unwrap();
            assert_eq!((answer.status, &*answer.body), (200, body.as_bytes()));
        }
    }

    #[tokio::test]
    async fn what_is_cut_or_foreign_is_no_answer() {
        for (wire, broken) in [
            (
                &b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"[..],
                Broken::Closed,
            ),
            (b"HTTP/1.1 200 O", Broken::Closed),
            (b"SSH-2.0-OpenSSH\r\n\r\n", Broken::Invalid),
        ] {
            let answer = answered(Request::get("a", "/"), wire).await;
            assert_eq!(answer.unwrap_err(), broken);
        }
    }

    #[tokio::test]
    async fn a_withheld_body_is_not_waited_for() {
        let request = Request::get("a", "/")
            .method("PUT")
            .body(Body::Withheld(1 << 30));
        let answer = answered(request, b"HTTP/1.1 100 Continue\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(answer.status, 100);
    }

    #[test]
    fn targets_go_out_as_they_are() {
        let wire = Request::get("h:1", "/a%2fb//%3a?q=+").wire();
        let text = std::str::from_utf8(&wire).unwrap();
        assert!(
            text.starts_with("GET /a%2fb//%3a?q=+ HTTP/1.1\r\nHost: h:1\r\n"),
            "{text}"
        );
    }
}
