//! One connection to an upstream: requests of HTTP/1.1 one after the other.

mod answer;
mod body;
mod output;
mod stream;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::io::poll_read_buf;

use self::answer::Answer;
pub(super) use self::answer::is_whole;
use self::body::Body;
use self::output::Output;
pub(super) use self::stream::Stream;
use crate::message::{RequestHead, ResponseHead, fitting};

/// The first read of an answer; those that follow grow with what comes.
const FIRST_READ: usize = 16 << 10;
/// The largest read of an answer.
const LARGEST_READ: usize = 128 << 10;

/// What ended an exchange with an upstream.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The connection closed or failed.
    #[error("the connection ended: {0}")]
    Closed(io::Error),
    /// What came is not an answer of HTTP/1.
    #[error("not a valid answer: {0}")]
    Invalid(&'static str),
}

/// What has happened on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All that was to be sent has been sent.
    Sent,
    /// Bytes have come.
    Received,
}

/// One connection to an upstream, with one request on it at a time.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    output: Output,
    /// Bytes of the answer that were read and not yet looked at.
    input: BytesMut,
    read_size: usize,
    body: Body,
    /// Whether another request may follow this one.
    may_be_kept: bool,
    is_reused: bool,
    /// Whether any part of an answer to this request has come.
    has_answered: bool,
    /// Since when it has waited for a request.
    pub(super) idle_since: Instant,
}

impl Connection {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            output: Output::default(),
            input: BytesMut::new(),
            read_size: FIRST_READ,
            body: Body::None,
            may_be_kept: true,
            is_reused: false,
            has_answered: false,
            idle_since: Instant::now(),
        }
    }

    /// Whether it has served a request before this one.
    pub fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Begins a request: its head goes out with the next bytes. Where `is_chunked`, the body that
    /// follows has no announced length.
    pub fn begin(&mut self, head: &RequestHead, is_chunked: bool) {
        self.output.begin(head, is_chunked);
        self.read_size = FIRST_READ;
        self.may_be_kept = true;
        self.has_answered = false;
    }

    /// Takes a piece of the request's body.
    pub fn queue(&mut self, data: Bytes) {
        self.output.queue(data);
    }

    /// Ends the request's body.
    pub fn queue_end(&mut self) {
        self.output.end();
    }

    /// Whether all that was queued has been sent.
    pub fn is_sent(&self) -> bool {
        self.output.is_empty()
    }

    /// Whether another piece of the body may be queued.
    pub fn has_room(&self) -> bool {
        self.output.has_room()
    }

    /// Sends and receives until something has happened.
    pub fn poll_progress(&mut self, cx: &mut Context<'_>) -> Poll<Result<Progress, Broken>> {
        if !self.output.is_empty() {
            match self.output.poll_send(&mut self.stream, cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(Progress::Sent)),
                // It may have answered before it closed.
                Poll::Ready(Err(_)) => {
                    self.output.discard();
                    self.may_be_kept = false;
                }
                Poll::Pending => {}
            }
        }
        let received = ready!(self.poll_receive(cx));
        Poll::Ready(
            received
                .map(|()| Progress::Received)
                .map_err(Broken::Closed),
        )
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nothing is held while nothing comes.
        let mut buffer = if self.input.is_empty() {
            BytesMut::with_capacity(self.read_size)
        } else {
            std::mem::take(&mut self.input)
        };
        buffer.reserve(1);
        let room = buffer.capacity() - buffer.len();
        let polled = poll_read_buf(Pin::new(&mut self.stream), cx, &mut buffer);
        if !buffer.is_empty() {
            self.input = fitting(buffer);
        }
        match ready!(polled)? {
            0 if self.body.ends_with_connection() => {
                self.body = Body::None;
                self.may_be_kept = false;
                Poll::Ready(Ok(()))
            }
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            length => {
                self.has_answered = true;
                if length == room {
                    self.read_size = (self.read_size * 4).min(LARGEST_READ);
                }
                Poll::Ready(Ok(()))
            }
        }
    }

    /// The head of the next answer, interim ones included, once it has come whole. `is_head` says
    /// that HEAD was asked.
    pub fn answer(&mut self, is_head: bool) -> Result<Option<ResponseHead>, Broken> {
        let Some((answer, length)) = Answer::read(&self.input, is_head)? else {
            return Ok(None);
        };
        bytes::Buf::advance(&mut self.input, length);
        if !answer.head.status.is_informational() {
            self.body = answer.body;
            self.may_be_kept &= answer.keeps_alive;
        }
        Ok(Some(answer.head))
    }

    /// Whether the answer's body is over.
    pub fn is_body_over(&self) -> bool {
        self.body.is_over()
    }

    /// What has come of the answer's body; `None` where more must be read first.
    pub fn data(&mut self) -> Result<Option<Bytes>, Broken> {
        let data = self.body.take(&mut self.input);
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        data
    }

    /// Whether any part of an answer has come, interim ones included.
    pub fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Whether it may serve another request: the answer is over, the request was sent whole, and
    /// nothing follows.
    pub(super) fn is_reusable(&self) -> bool {
        self.may_be_kept
            && self.body.is_over()
            && self.output.is_complete()
            && self.input.is_empty()
    }

    /// Makes it ready to wait.
    pub(super) fn rest(&mut self) {
        self.input = BytesMut::new();
        self.output = Output::default();
        self.is_reused = true;
        self.idle_since = Instant::now();
    }

    /// Whether it still waits in silence: neither closed, nor sending what nobody asked for.
    pub(super) fn is_open(&mut self) -> bool {
        let mut byte = [0];
        let mut byte = ReadBuf::new(&mut byte);
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(&mut self.stream)
            .poll_read(&mut cx, &mut byte)
            .is_pending()
    }
}
