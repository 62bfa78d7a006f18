//! An HTTP/2 client on the `h2` engine.

use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use h2::client::{self, SendRequest};
use h2::{RecvStream, SendStream};
use tokio::task::AbortHandle;

use super::request::Request;
use super::response::Response;
use super::wire::Io;
use super::within;

/// One connection; it closes when this is dropped.
pub(crate) struct H2 {
    sender: SendRequest<Bytes>,
    driver: AbortHandle,
}

/// A request that is on its way.
pub(crate) struct Pending {
    response: client::ResponseFuture,
    pub(crate) body: SendStream<Bytes>,
}

impl H2 {
    pub(crate) async fn connect(stream: Box<dyn Io>) -> Self {
        let mut builder = client::Builder::new();
        builder
            .initial_window_size(1 << 20)
            .initial_connection_window_size(1 << 22);
        let handshake = builder.handshake(stream);
        let (sender, connection) = within("an HTTP/2 preface", handshake).await.unwrap();
        let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Self { sender, driver }
    }

    /// Sends a request with its whole body and reads the answer.
    pub(crate) async fn ask(&mut self, request: &Request) -> Response {
        let answer = self.try_ask(request).await;
        answer.unwrap_or_else(|e| panic!("no answer to {request:?}: {e}"))
    }

    /// The same; an error where stream or connection was reset before the answer's head.
    pub(crate) async fn try_ask(&mut self, request: &Request) -> Result<Response, h2::Error> {
        let (head, body) = request.to_http2();
        let mut pending = self.begin(head, body.is_empty()).await?;
        if !body.is_empty() {
            // An early answer may end the stream before the body is out.
            let _ = pending.send(body.into(), true).await;
        }
        pending.response().await
    }

    /// Sends a head; the body, if there is any, is the caller's to send.
    pub(crate) async fn begin(
        &mut self,
        head: http::Request<()>,
        ends: bool,
    ) -> Result<Pending, h2::Error> {
        let mut sender = within("room for a stream", self.sender.clone().ready()).await?;
        let (response, body) = sender.send_request(head, ends)?;
        Ok(Pending { response, body })
    }
}

impl Drop for H2 {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Pending {
    /// Sends a part of the body as the peer's window allows.
    pub(crate) async fn send(&mut self, mut data: Bytes, ends: bool) -> Result<(), h2::Error> {
        while !data.is_empty() {
            self.body.reserve_capacity(data.len());
            let capacity = std::future::poll_fn(|context| self.body.poll_capacity(context));
            let Some(capacity) = within("window for a body", capacity).await else {
                return Ok(());
            };
            let part = data.split_to(capacity?.min(data.len()));
            let ends = ends && data.is_empty();
            self.body.send_data(part, ends)?;
        }
        Ok(())
    }

    /// The answer; an error where the stream was reset before its head.
    pub(crate) async fn response(self) -> Result<Response, h2::Error> {
        let Self { mut response, body } = self;
        let mut interim = Vec::new();
        let answer = std::future::poll_fn(|context| {
            while let Poll::Ready(Some(Ok(head))) = response.poll_informational(context) {
                interim.push(head.status().as_u16());
            }
            Pin::new(&mut response).poll(context)
        });
        let answer = within("an answer", answer).await?;
        let (head, stream) = answer.into_parts();
        let fields = head.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        let fields = fields.collect();
        let (received, whole) = within("the answer's body", read_body(stream)).await;
        drop(body);
        Ok(Response {
            version: "HTTP/2".into(),
            status: head.status.as_u16(),
            fields,
            body: received,
            whole,
            interim,
        })
    }
}

async fn read_body(mut stream: RecvStream) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(part) = stream.data().await {
        let Ok(part) = part else { return (body, false) };
        let _ = stream.flow_control().release_capacity(part.len());
        body.extend(part);
    }
    (body, true)
}
