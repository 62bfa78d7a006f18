//! The client that sends exactly the bytes it is given.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::request::Request;
use super::response::Response;
use super::wire::{Io, Wire};
use super::within;

/// One connection.
pub(crate) struct Raw(pub(crate) Wire);

impl Raw {
    pub(crate) fn new(stream: impl Io + 'static) -> Self {
        Self(Wire::new(stream))
    }

    /// Sends bytes; that the peer may have closed already shows in what is read next.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.try_send(bytes).await;
    }

    /// Sends bytes; false where the peer takes no more.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sent = within("the peer takes the bytes", self.0.write(bytes.as_ref())).await;
        sent.is_ok()
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&mut self, request: &Request) -> Response {
        self.send(request.bytes()).await;
        let answer = within("an answer", self.read(request.is_head())).await;
        answer.unwrap_or_else(|| panic!("closed without an answer to {request:?}"))
    }

    /// Reads the answer to anything but `HEAD`.
    pub(crate) async fn response(&mut self) -> Response {
        self.try_response().await.expect("closed without an answer")
    }

    /// Reads an answer, none where the peer closes without one.
    pub(crate) async fn try_response(&mut self) -> Option<Response> {
        within("an answer or the end", self.read(false)).await
    }

    /// Waits until something of `text` arrived; everything up to its end.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let bytes = within(text, self.0.until(text.as_bytes())).await;
        let bytes = bytes.unwrap_or_else(|| panic!("closed before {text:?}"));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until the peer closes; what it sent before that.
    pub(crate) async fn closed(&mut self) -> Vec<u8> {
        within("the peer closes", self.0.rest()).await
    }

    /// What came of bytes that ought to be refused, in a few words: the status,
    /// whether the answer is Matrix JSON, and whether the connection closed with
    /// no byte behind it.
    pub(crate) async fn refusal(&mut self) -> String {
        let patience = Duration::from_secs(3);
        let answer = match timeout(patience, self.read(false)).await {
            Err(_) => return "nothing".into(),
            Ok(None) => return "closed".into(),
            Ok(Some(answer)) => answer,
        };
        let json = serde_json::from_slice::<serde_json::Value>(&answer.body);
        let errcode = json.is_ok_and(|json| json["errcode"].is_string());
        let kind = if errcode { "" } else { " without errcode" };
        let end = match timeout(patience, self.0.rest()).await {
            Err(_) => " open",
            Ok(rest) if rest.is_empty() => "",
            Ok(_) => " and more",
        };
        format!("{}{kind}{end}", answer.status)
    }

    /// Sends `part` again and again while waiting for the answer, as a client does
    /// that is in the middle of a large body.
    pub(crate) async fn respond_while_sending(self, part: &[u8], times: usize) -> Response {
        let (reading, mut writing) = tokio::io::split(self.0.into_stream());
        let send = async {
            for _ in 0..times {
                if writing.write_all(part).await.is_err() {
                    break;
                }
            }
            std::future::pending::<()>().await;
        };
        let mut reader = Self::new(tokio::io::join(reading, tokio::io::sink()));
        tokio::select! {
            response = reader.response() => response,
            () = send => unreachable!("pending"),
        }
    }

    pub(crate) async fn read(&mut self, head_only: bool) -> Option<Response> {
        let mut interim = Vec::new();
        loop {
            let mut response = parse_head(&self.0.until(b"\r\n\r\n").await?);
            if (100..200).contains(&response.status) && response.status != 101 {
                interim.push(response.status);
                continue;
            }
            response.interim = interim;
            if !head_only && !matches!(response.status, 101 | 204 | 304) {
                self.read_body(&mut response).await;
            }
            return Some(response);
        }
    }

    async fn read_body(&mut self, response: &mut Response) {
        if let Some(coding) = response.header("transfer-encoding") {
            assert_eq!(coding, "chunked", "{response:?}");
            assert_eq!(response.all("content-length"), [""; 0], "{response:?}");
            response.whole = self.read_chunks(&mut response.body).await;
        } else if let Some(length) = response.header("content-length") {
            let length: usize = length.parse().unwrap();
            response.whole = self.read_exactly(length, &mut response.body).await;
        } else {
            response.body = self.0.rest().await;
        }
    }

    async fn read_chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            match self.0.chunk().await {
                Ok(data) if data.is_empty() => return true,
                Ok(data) => body.extend(data),
                Err(_) => return false,
            }
        }
    }

    async fn read_exactly(&mut self, length: usize, body: &mut Vec<u8>) -> bool {
        while body.len() < length {
            let part = self.0.some(length - body.len()).await;
            if part.is_empty() {
                return false;
            }
            body.extend(part);
        }
        true
    }
}

fn parse_head(head: &[u8]) -> Response {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.trim_end().split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let mut words = status_line.splitn(3, ' ');
    let version = words.next().unwrap_or_default();
    assert!(version.starts_with("HTTP/1."), "no HTTP answer: {text:?}");
    let status = words.next().and_then(|s| s.parse().ok());
    let field = |line: &str| {
        let (name, value) = line
            .split_once(':')
            .unwrap_or_else(|| panic!("no field: {line:?}"));
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    Response {
        version: version.to_owned(),
        status: status.unwrap_or_else(|| panic!("no status: {status_line:?}")),
        fields: lines.map(field).collect(),
        body: Vec::new(),
        whole: true,
        interim: Vec::new(),
    }
}
