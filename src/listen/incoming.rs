//! The body of a HTTP/1 request while it comes in.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

use super::Connection;
use super::head::Framing;
use crate::message::chunked::{Decoder, Progress};
use crate::message::fitting;

/// The first read of a body; those that follow grow with what the client sends.
const FIRST_READ: usize = 4 << 10;
/// The largest read of a body.
const LARGEST_READ: usize = 64 << 10;
/// Bytes of the next requests that are read while the client is watched.
const PEEK: usize = 4 << 10;

/// What of a request's body is still to come.
#[derive(Debug)]
pub(super) enum Incoming {
    /// So many bytes.
    Length(u64),
    /// Chunks up to the last one.
    Chunked(Decoder),
    /// The framing was broken: nothing more is read.
    Broken,
}

impl Incoming {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Decoder::default()),
        }
    }

    /// Whether all of it has been taken.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(decoder) => decoder.is_ended(),
            Self::Broken => false,
        }
    }

    /// Takes what of `bytes` belongs to the body, and leaves the rest. `None` where none of it
    /// was data.
    fn take(&mut self, bytes: &mut BytesMut) -> io::Result<Option<Bytes>> {
        match self {
            Self::Length(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let data = bytes.split_to(bytes.len().min(most)).freeze();
                *left -= data.len() as u64;
                Ok(Some(data).filter(|data| !data.is_empty()))
            }
            Self::Chunked(decoder) => {
                let mut data = BytesMut::new();
                match decoder.decode(bytes, &mut data) {
                    Ok(Progress::More) => bytes.clear(),
                    Ok(Progress::End(length)) => drop(bytes.split_to(length)),
                    Err(violation) => {
                        *self = Self::Broken;
                        return Err(io::Error::new(io::ErrorKind::InvalidData, violation));
                    }
                }
                Ok(Some(data.freeze()).filter(|data| !data.is_empty()))
            }
            Self::Broken => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

impl Connection {
    /// The next piece of the request's body; `None` after the last.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            if self.incoming.is_over() {
                return Poll::Ready(Ok(None));
            }
            if self.ahead.is_empty() {
                ready!(self.poll_fill(cx))?;
            }
            let before = self.ahead.len();
            let data = self.incoming.take(&mut self.ahead)?;
            self.received += (before - self.ahead.len()) as u64;
            if self.ahead.is_empty() {
                self.ahead = BytesMut::new();
            }
            if data.is_some() {
                return Poll::Ready(Ok(data));
            }
        }
    }

    /// Reads more of the body, from a client that must keep it coming.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let size = match &self.incoming {
            // Not a byte of the next request is copied along with a body of known length.
            Incoming::Length(left) => {
                usize::try_from(*left).map_or(self.read_size, |left| left.min(self.read_size))
            }
            Incoming::Chunked(_) | Incoming::Broken => self.read_size,
        };
        let mut buffer = BytesMut::with_capacity(size);
        let polled = poll_read_buf(self.io.reader(), cx, &mut buffer);
        let Poll::Ready(length) = polled else {
            return self.poll_body_patience(cx);
        };
        if self.body.is_waiting() {
            self.body.stop(Instant::now(), self.received);
        }
        match length? {
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            length => {
                if length == size {
                    self.read_size = (self.read_size * 4).clamp(FIRST_READ, LARGEST_READ);
                }
                self.ahead = fitting(buffer);
                Poll::Ready(Ok(()))
            }
        }
    }

    fn poll_body_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let left = self.body.wait(Instant::now(), self.received);
            if left.is_zero() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            ready!(self.body_alarm.poll(cx, left));
        }
    }

    /// Ready when the client has gone. What it sends instead belongs to its next request.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_flush_behind(cx).is_err() {
            return Poll::Ready(());
        }
        // Until nothing more is there: only then is whoever waits woken when the client leaves.
        while self.ahead.len() < PEEK {
            let mut piece = [const { MaybeUninit::uninit() }; PEEK];
            let mut piece = ReadBuf::uninit(&mut piece);
            let read = ready!(self.io.reader().poll_read(cx, &mut piece));
            if read.is_err() || piece.filled().is_empty() {
                return Poll::Ready(());
            }
            self.ahead.extend_from_slice(piece.filled());
        }
        Poll::Pending
    }

    /// Begins to read the body of a request.
    pub(super) fn begin_body(&mut self, framing: Framing) {
        self.incoming = Incoming::new(framing);
        self.read_size = FIRST_READ;
    }

    /// Whoever waits for the client shows it first what was gathered for it.
    pub(super) fn poll_flush_behind(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.out.is_empty() && !self.is_unflushed {
            return Ok(());
        }
        match Pin::new(self).poll_flush(cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }
}
