//! One stream of HTTP/2.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{DATE, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use pingora_timeout::timeout;

use super::super::bodies::PendingBody;
use super::super::patience::Patience;
use super::super::{Bodies, Fault};
use super::date;
use crate::message::{Fields, ResponseHead};

/// How long the stream of a refused upload stays before it is reset.
///
/// A reset that arrives together with the answer makes curl 7.88 forget the answer, even one with
/// `NO_ERROR`. Nothing more of the body is taken meanwhile than its window.
const TIME_TO_READ: Duration = Duration::from_secs(1);

/// One stream: the body that comes up, and the answer that goes down.
pub(in crate::listen) struct Http2 {
    body: RecvStream,
    is_body_over: bool,
    /// Bytes of the body that were taken and not yet given back to the client's window.
    unreleased: usize,
    bodies: Arc<Bodies>,
    pending: Option<PendingBody>,
    respond: SendResponse<Bytes>,
    answer: Option<SendStream<Bytes>>,
    is_head: bool,
    has_ended: bool,
    /// How long the client may open no window for the answer.
    patience: Patience,
    sent: u64,
}

impl Http2 {
    /// A stream whose request has just come.
    pub(in crate::listen) fn new(
        method: &Method,
        body: RecvStream,
        respond: SendResponse<Bytes>,
        bodies: Arc<Bodies>,
        patience: Duration,
    ) -> Self {
        Self {
            is_body_over: body.is_end_stream(),
            body,
            unreleased: 0,
            bodies,
            pending: None,
            respond,
            answer: None,
            is_head: *method == Method::HEAD,
            has_ended: false,
            patience: Patience::new(patience),
            sent: 0,
        }
    }

    pub(super) fn is_body_over(&self) -> bool {
        self.is_body_over
    }

    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Fault>> {
        if self.is_body_over {
            return Poll::Ready(Ok(None));
        }
        // Whoever asks for more has passed on what came before.
        self.release();
        let Poll::Ready(data) = self.body.poll_data(cx) else {
            // From here on it is the client that is waited for.
            let bodies = &self.bodies;
            self.pending.get_or_insert_with(|| bodies.pending());
            return Poll::Pending;
        };
        self.pending = None;
        Poll::Ready(match data {
            Some(Ok(data)) => {
                self.bodies.received(data.len() as u64);
                self.unreleased = data.len();
                if self.body.is_end_stream() {
                    self.release();
                    self.is_body_over = true;
                }
                Ok(Some(data))
            }
            Some(Err(_)) => Err(Fault::Gone),
            None => {
                self.is_body_over = true;
                Ok(None)
            }
        })
    }

    /// Gives what was taken back to the client's window.
    fn release(&mut self) {
        let release = std::mem::take(&mut self.unreleased);
        if release > 0 {
            // Fails only where the stream has ended.
            drop(self.body.flow_control().release_capacity(release));
        }
    }

    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let reset = match &mut self.answer {
            Some(answer) => answer.poll_reset(cx),
            None => self.respond.poll_reset(cx),
        };
        reset.map(drop)
    }

    pub(super) fn interim(&mut self, head: &ResponseHead) -> Result<(), Fault> {
        let response = response(head.status, &head.fields);
        let sent = self.respond.send_informational(response);
        sent.map_err(|_| Fault::Gone)
    }

    pub(super) fn answer(
        &mut self,
        status: StatusCode,
        fields: &Fields,
        has_body: bool,
    ) -> Result<(), Fault> {
        let mut response = response(status, fields);
        let headers = response.headers_mut();
        if !headers.contains_key(DATE)
            && let Ok(date) = HeaderValue::from_bytes(&date::now())
        {
            headers.insert(DATE, date);
        }
        self.has_ended = !has_body || self.is_head;
        let answer = self.respond.send_response(response, self.has_ended);
        self.answer = Some(answer.map_err(|_| Fault::Gone)?);
        Ok(())
    }

    pub(super) async fn send(&mut self, mut data: Bytes) -> Result<bool, Fault> {
        if self.has_ended {
            return Ok(false);
        }
        let Some(answer) = &mut self.answer else {
            return Err(Fault::Gone);
        };
        while !data.is_empty() {
            answer.reserve_capacity(data.len());
            if answer.capacity() == 0 {
                let left = self.patience.wait(Instant::now(), self.sent);
                let window = timeout(left, poll_fn(|cx| answer.poll_capacity(cx))).await;
                self.patience.stop(Instant::now(), self.sent);
                window
                    .map_err(|_| Fault::Stalled)?
                    .ok_or(Fault::Gone)?
                    .map_err(|_| Fault::Gone)?;
            }
            let piece = data.split_to(answer.capacity().min(data.len()));
            self.sent += piece.len() as u64;
            if !piece.is_empty() {
                answer.send_data(piece, false).map_err(|_| Fault::Gone)?;
            }
        }
        Ok(true)
    }

    pub(super) fn end(&mut self) -> Result<(), Fault> {
        if self.has_ended {
            return Ok(());
        }
        self.has_ended = true;
        let answer = self.answer.as_mut().ok_or(Fault::Gone)?;
        let ended = answer.send_data(Bytes::new(), true);
        ended.map_err(|_| Fault::Gone)
    }

    pub(super) fn abort(&mut self) {
        if self.has_ended {
            return;
        }
        self.has_ended = true;
        match &mut self.answer {
            Some(answer) => answer.send_reset(Reason::INTERNAL_ERROR),
            None => self.respond.send_reset(Reason::INTERNAL_ERROR),
        }
    }

    /// Ends the stream, and gives a client that is still sending the time to see the answer.
    pub(in crate::listen) async fn finish(mut self) {
        self.pending = None;
        if !self.has_ended {
            self.abort();
        } else if !self.is_body_over {
            drop(timeout(TIME_TO_READ, poll_fn(|cx| self.poll_gone(cx))).await);
        }
    }
}

/// A head as the codec wants it.
fn response(status: StatusCode, fields: &Fields) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(fields.len() + 1);
    for (name, value) in fields.iter() {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    response
}

impl fmt::Debug for Http2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2")
            .field("is_body_over", &self.is_body_over)
            .field("has_ended", &self.has_ended)
            .finish_non_exhaustive()
    }
}
