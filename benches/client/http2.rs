//! HTTP/2 on one connection, one stream after the other.

use std::future::poll_fn;

use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::Request;
use tokio::task::AbortHandle;

use super::{HOST, Stream};

/// A connection; it closes when this is dropped.
pub(crate) struct Http2 {
    sender: SendRequest<Bytes>,
    driver: AbortHandle,
}

impl Http2 {
    pub(crate) async fn new<S: Stream>(stream: S) -> Result<Self, h2::Error> {
        let mut builder = client::Builder::new();
        builder
            .initial_window_size(1 << 20)
            .initial_connection_window_size(1 << 24);
        let (sender, connection) = builder.handshake(stream).await?;
        let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Self { sender, driver })
    }

    /// Sends a request and reads the whole answer; its body's length.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<usize, h2::Error> {
        let head = Request::builder()
            .method(method)
            .uri(format!("https://{HOST}{path}"))
            .header("content-type", "application/json");
        let head = match body.len() {
            0 => head,
            length => head.header("content-length", length),
        };
        let head = head.body(()).expect("a sound request");
        self.sender.clone().ready().await?;
        let (answer, mut sending) = self.sender.send_request(head, body.is_empty())?;
        let mut rest = Bytes::copy_from_slice(body);
        while !rest.is_empty() {
            sending.reserve_capacity(rest.len());
            let Some(capacity) = poll_fn(|context| sending.poll_capacity(context)).await else {
                break;
            };
            let part = rest.split_to(capacity?.min(rest.len()));
            sending.send_data(part, rest.is_empty())?;
        }
        let answer = answer.await?;
        assert_eq!(answer.status(), 200, "an unexpected answer: {answer:?}");
        let mut body = answer.into_body();
        let mut length = 0;
        while let Some(part) = body.data().await {
            let part = part?;
            length += part.len();
            body.flow_control().release_capacity(part.len())?;
        }
        Ok(length)
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
