//! The client's side of one request, the same for HTTP/1 and HTTP/2: the body that comes up and
//! the answer that goes down.

mod date;
mod http1;
mod http2;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;

pub(super) use self::http1::Http1;
pub(super) use self::http2::Http2;
use super::{ConnectionFacts, Fault};
use crate::message::{Fields, ResponseHead};

/// The client's side of one request.
///
/// An answer is a head, its
/// data and an end; whoever cannot finish it calls [`Downstream::abort`], and the client sees that
/// it was cut.
#[derive(Debug)]
pub struct Downstream {
    facts: Arc<ConnectionFacts>,
    side: Side,
}

#[derive(Debug)]
enum Side {
    Http1(Http1),
    Http2(Http2),
}

impl Downstream {
    pub(super) fn http1(facts: Arc<ConnectionFacts>, http1: Http1) -> Self {
        let side = Side::Http1(http1);
        Self { facts, side }
    }

    pub(super) fn http2(facts: Arc<ConnectionFacts>, http2: Http2) -> Self {
        let side = Side::Http2(http2);
        Self { facts, side }
    }

    pub(super) fn into_http1(self) -> Option<Http1> {
        match self.side {
            Side::Http1(http1) => Some(http1),
            Side::Http2(_) => None,
        }
    }

    pub(super) fn into_http2(self) -> Option<Http2> {
        match self.side {
            Side::Http1(_) => None,
            Side::Http2(http2) => Some(http2),
        }
    }

    /// What is known of the connection.
    pub fn facts(&self) -> &Arc<ConnectionFacts> {
        &self.facts
    }

    /// Whether the request's body has been read whole; true from the start where there is none.
    pub fn is_body_over(&self) -> bool {
        match &self.side {
            Side::Http1(http1) => http1.is_body_over(),
            Side::Http2(http2) => http2.is_body_over(),
        }
    }

    /// The next piece of the request's body; `None` after the last.
    pub async fn data(&mut self) -> Result<Option<Bytes>, Fault> {
        poll_fn(|cx| self.poll_data(cx)).await
    }

    /// The same, polled. Nothing is lost where it is polled no more.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Fault>> {
        match &mut self.side {
            Side::Http1(http1) => http1.poll_data(cx),
            Side::Http2(http2) => http2.poll_data(cx),
        }
    }

    /// Ready when the client has gone. Not to be called before the body is over.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.side {
            Side::Http1(http1) => http1.poll_gone(cx),
            Side::Http2(http2) => http2.poll_gone(cx),
        }
    }

    /// Passes on an interim answer (1xx), which HTTP/1.0 knows none of.
    pub async fn interim(&mut self, head: &ResponseHead) -> Result<(), Fault> {
        match &mut self.side {
            Side::Http1(http1) => http1.interim(head).await,
            Side::Http2(http2) => http2.interim(head),
        }
    }

    /// Begins the answer. `fields` say nothing of the connection, and of the framing only
    /// `Content-Length`. Where `has_body` is false, the answer is complete with its head.
    pub fn answer(
        &mut self,
        status: StatusCode,
        fields: &Fields,
        has_body: bool,
    ) -> Result<(), Fault> {
        match &mut self.side {
            Side::Http1(http1) => {
                let is_draining = self.facts.is_draining();
                http1.answer(status, fields, has_body, is_draining);
                Ok(())
            }
            Side::Http2(http2) => http2.answer(status, fields, has_body),
        }
    }

    /// Sends a piece of the answer's body. Gives how many bytes of it the client wants: all, or
    /// none where it asked by HEAD.
    pub async fn send(&mut self, data: Bytes) -> Result<u64, Fault> {
        let length = data.len() as u64;
        let is_wanted = match &mut self.side {
            Side::Http1(http1) => http1.send(&data).await?,
            Side::Http2(http2) => http2.send(data).await?,
        };
        Ok(if is_wanted { length } else { 0 })
    }

    /// Ends the answer's body.
    pub async fn end(&mut self) -> Result<(), Fault> {
        match &mut self.side {
            Side::Http1(http1) => http1.end().await,
            Side::Http2(http2) => http2.end(),
        }
    }

    /// Gives up on an answer that has begun, so that the client sees it is not whole.
    pub fn abort(&mut self) {
        match &mut self.side {
            Side::Http1(http1) => http1.abort(),
            Side::Http2(http2) => http2.abort(),
        }
    }

    /// Serves no further request on the connection, where it is one of HTTP/1.
    pub fn close_after(&mut self) {
        if let Side::Http1(http1) = &mut self.side {
            http1.close_after();
        }
    }
}
