//! One request of HTTP/1 and its answer.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use pingora_timeout::timeout;
use tokio::io::AsyncWriteExt;

use super::super::incoming::Incoming;
use super::super::part::LINGER;
use super::super::{Connection, Fault, head};
use super::date;
use crate::message::{Fields, Protocol, ResponseHead, syntax};

/// A request body up to this long is read and thrown away, so that the connection can serve the
/// next request; a longer one ends the connection.
const WORTH_DRAINING: u64 = 64 << 10;
/// How long that may take.
const DRAINING: Duration = Duration::from_secs(5);

/// One request on a connection, and how far its answer is.
#[derive(Debug)]
pub(in crate::listen) struct Http1 {
    connection: Box<Connection>,
    protocol: Protocol,
    is_head: bool,
    keeps_alive: bool,
    /// Whether the client waits for a 100 that it has not been sent.
    expects_continue: bool,
    outgoing: Outgoing,
}

/// What is left to be sent of the answer.
#[derive(Debug, PartialEq, Eq)]
enum Outgoing {
    /// All of it.
    Everything,
    /// So many bytes of the body.
    Length(u64),
    /// Chunks.
    Chunks,
    /// Whatever comes, until the connection closes.
    UntilClose,
    /// Nothing.
    Nothing,
    /// It cannot be completed.
    Cut,
}

impl Http1 {
    /// A request whose head was just read from `connection`.
    pub(in crate::listen) fn new(connection: Box<Connection>, request: &head::Request) -> Self {
        Self {
            connection,
            protocol: request.head.protocol,
            is_head: request.head.method == Method::HEAD,
            keeps_alive: !request.wishes.close,
            expects_continue: request.wishes.expects_continue,
            outgoing: Outgoing::Everything,
        }
    }

    pub(super) fn is_body_over(&self) -> bool {
        self.connection.incoming.is_over()
    }

    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Fault>> {
        if let Err(error) = self.connection.poll_flush_behind(cx) {
            return Poll::Ready(Err(Fault::of_write(&error)));
        }
        let data = ready!(self.connection.poll_data(cx));
        self.expects_continue &= data.is_err();
        Poll::Ready(data.map_err(|error| Fault::of_read(&error)))
    }

    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.connection.poll_gone(cx)
    }

    pub(super) async fn interim(&mut self, head: &ResponseHead) -> Result<(), Fault> {
        if self.protocol == Protocol::Http10 {
            return Ok(());
        }
        self.expects_continue &= head.status != StatusCode::CONTINUE;
        self.write_status(head.status);
        self.connection.out.extend_from_slice(head.fields.wire());
        self.connection.out.extend_from_slice(b"\r\n");
        let flushed = self.connection.flush().await;
        flushed.map_err(|error| Fault::of_write(&error))
    }

    pub(super) fn answer(
        &mut self,
        status: StatusCode,
        fields: &Fields,
        has_body: bool,
        is_draining: bool,
    ) {
        let length = fields.first("content-length");
        let length = length.and_then(syntax::length);
        self.outgoing = match length {
            _ if !has_body || self.is_head => Outgoing::Nothing,
            Some(length) => Outgoing::Length(length),
            None if self.protocol == Protocol::Http11 => Outgoing::Chunks,
            None => Outgoing::UntilClose,
        };
        self.keeps_alive &= !is_draining && self.can_drain();
        self.write_status(status);
        let out = &mut self.connection.out;
        out.extend_from_slice(fields.wire());
        if !fields.contains("date") {
            out.extend_from_slice(b"Date: ");
            out.extend_from_slice(&date::now());
            out.extend_from_slice(b"\r\n");
        }
        if self.outgoing == Outgoing::Chunks {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        if !self.keeps_alive || self.outgoing == Outgoing::UntilClose {
            self.keeps_alive = false;
            out.extend_from_slice(b"Connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }

    fn write_status(&mut self, status: StatusCode) {
        let out = &mut self.connection.out;
        out.reserve(512);
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(status.as_str().as_bytes());
        out.extend_from_slice(b" ");
        let reason = status.canonical_reason().unwrap_or_default();
        out.extend_from_slice(reason.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    pub(super) async fn send(&mut self, data: &[u8]) -> Result<bool, Fault> {
        let is_wanted = self.outgoing != Outgoing::Nothing;
        let sent = match &mut self.outgoing {
            Outgoing::Length(left) if *left >= data.len() as u64 => {
                *left -= data.len() as u64;
                self.connection.write_all(data).await
            }
            Outgoing::Chunks if !data.is_empty() => {
                let size = format!("{:x}\r\n", data.len());
                self.connection.out.extend_from_slice(size.as_bytes());
                let sent = self.connection.write_all(data).await;
                self.connection.out.extend_from_slice(b"\r\n");
                sent
            }
            Outgoing::UntilClose => self.connection.write_all(data).await,
            Outgoing::Chunks | Outgoing::Nothing => Ok(()),
            Outgoing::Length(_) | Outgoing::Everything | Outgoing::Cut => {
                self.outgoing = Outgoing::Cut;
                Ok(())
            }
        };
        sent.map_err(|error| Fault::of_write(&error))?;
        Ok(is_wanted)
    }

    pub(super) async fn end(&mut self) -> Result<(), Fault> {
        self.outgoing = match self.outgoing {
            Outgoing::Chunks => {
                self.connection.out.extend_from_slice(b"0\r\n\r\n");
                Outgoing::Nothing
            }
            Outgoing::Length(0) | Outgoing::UntilClose | Outgoing::Nothing => Outgoing::Nothing,
            Outgoing::Length(_) | Outgoing::Everything | Outgoing::Cut => Outgoing::Cut,
        };
        let flushed = self.connection.flush().await;
        flushed.map_err(|error| Fault::of_write(&error))
    }

    pub(super) fn abort(&mut self) {
        if self.outgoing == Outgoing::UntilClose {
            // Only a reset tells this end from a good one.
            self.connection.reset();
        }
        self.outgoing = Outgoing::Cut;
    }

    pub(super) fn close_after(&mut self) {
        self.keeps_alive = false;
    }

    /// The connection, for the pingora session that takes over.
    pub(in crate::listen) fn into_connection(self) -> Box<Connection> {
        self.connection
    }

    /// Ends the request. Gives the connection where it may serve another.
    pub(in crate::listen) async fn finish(mut self) -> Option<Box<Connection>> {
        if self.outgoing != Outgoing::Nothing {
            // Closed before the end, and without TLS's goodbye. What there is may still be read.
            drop(timeout(LINGER, self.connection.flush()).await);
            return None;
        }
        if self.keeps_alive && self.drain().await {
            return Some(self.connection);
        }
        self.connection.part().await;
        None
    }

    /// Whether what is left of the request's body is none, or short enough to be thrown away. A
    /// client that still waits for a 100 may never send it.
    fn can_drain(&self) -> bool {
        match &self.connection.incoming {
            incoming if incoming.is_over() => true,
            Incoming::Length(left) => *left <= WORTH_DRAINING && !self.expects_continue,
            Incoming::Chunked(_) | Incoming::Broken => false,
        }
    }

    /// Reads what is left of the request's body. False where it does not come.
    async fn drain(&mut self) -> bool {
        if self.is_body_over() {
            return true;
        }
        let body = async {
            while let Some(data) = poll_fn(|cx| self.poll_data(cx)).await? {
                drop(data);
            }
            Ok::<(), Fault>(())
        };
        matches!(timeout(DRAINING, body).await, Ok(Ok(())))
    }
}
