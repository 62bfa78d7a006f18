//! What pingora reads: requests that end where they end, and frames that are watched.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::ReadBuf;

use super::exchange::{Exchange, Want};
use super::wire::hand_over;
use super::{Connection, frames};

/// Bytes of the next request that are read while pingora waits for the client to go away.
const PEEK: usize = 512;

impl Connection {
    pub(super) fn poll_http1(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(exchange) = &mut self.exchange else {
            return self.io.reader().poll_read(cx, buffer);
        };
        let most = match exchange.want() {
            Want::Nothing => return self.poll_gone(cx),
            Want::Broken => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            Want::Head(most) => most,
            Want::Body(most) => usize::try_from(most).unwrap_or(usize::MAX),
            Want::Tunnel => usize::MAX,
        };
        if self.ahead.is_empty() {
            return self.poll_body(cx, buffer, most);
        }
        let length = self.ahead.len().min(buffer.remaining()).min(most);
        let length = exchange.take(self.ahead.get(..length).unwrap_or_default())?;
        self.received += length as u64;
        hand_over(&mut self.ahead, buffer, length);
        Poll::Ready(Ok(()))
    }

    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        most: usize,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = if most >= buffer.remaining() {
            self.io.reader().poll_read(cx, buffer)
        } else {
            let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
            let polled = self.io.reader().poll_read(cx, &mut part);
            let length = part.filled().len();
            buffer.advance(length);
            polled
        };
        if polled.is_pending() {
            return self.poll_body_patience(cx);
        }
        if self.body.is_waiting() {
            self.body.stop(Instant::now(), self.received);
        }
        ready!(polled)?;
        let Some(exchange) = &mut self.exchange else {
            return Poll::Ready(Ok(()));
        };
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        let taken = exchange.take(fresh);
        let length = *taken.as_ref().unwrap_or(&0);
        self.received += length as u64;
        if taken.is_ok() {
            self.ahead
                .extend_from_slice(fresh.get(length..).unwrap_or_default());
        }
        buffer.set_filled(before + length);
        Poll::Ready(taken.map(|_| ()))
    }

    fn poll_body_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_tunnel = matches!(
            self.exchange.as_ref().map(Exchange::want),
            Some(Want::Tunnel)
        );
        if is_tunnel {
            return Poll::Pending;
        }
        loop {
            let left = self.body.wait(Instant::now(), self.received);
            if left.is_zero() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            ready!(self.body_alarm.poll(cx, left));
        }
    }

    /// Waits for the client to close. What it sends instead belongs to its next request.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            return Poll::Pending;
        }
        let mut piece = [0; PEEK];
        let mut piece = ReadBuf::new(&mut piece);
        ready!(self.io.reader().poll_read(cx, &mut piece))?;
        if piece.filled().is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.ahead.extend_from_slice(piece.filled());
        Poll::Pending
    }

    pub(super) fn poll_http2(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.ahead.is_empty() {
            if self.io.reader().poll_read(cx, buffer)?.is_pending() {
                return self.poll_watch(cx);
            }
        } else {
            hand_over(&mut self.ahead, buffer, usize::MAX);
        }
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        let written = self.io.wire().written();
        let observed = self.watch.as_mut().map(|w| w.observe(fresh, written));
        Poll::Ready(observed.unwrap_or(Ok(())).map_err(into_io))
    }

    fn poll_watch(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(watch) = &mut self.watch else {
            return Poll::Pending;
        };
        loop {
            let streams = frames::Streams {
                open: self.streams.any(),
                pending: self.bodies.any(),
                taken: self.bodies.taken(),
            };
            let next = watch.check(Instant::now(), streams).map_err(into_io)?;
            let Some(next) = next else {
                self.body_alarm.disarm();
                return Poll::Pending;
            };
            ready!(self.body_alarm.poll(cx, next));
        }
    }
}

fn into_io(violation: frames::Violation) -> io::Error {
    let kind = if violation.is_timeout() {
        io::ErrorKind::TimedOut
    } else {
        io::ErrorKind::InvalidData
    };
    io::Error::new(kind, violation)
}
