//! What goes to a client: gathered into few pieces, and it must take them.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, BytesMut};

use super::Connection;

impl Connection {
    /// Passes on what a write said; ends a client that takes nothing.
    pub(super) fn poll_patience<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let written = self.io.wire().written();
        if polled.is_ready() {
            if self.write.is_waiting() {
                self.write.stop(Instant::now(), written);
            }
            return polled;
        }
        loop {
            let left = self.write.wait(Instant::now(), written);
            if left.is_zero() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            ready!(self.write_alarm.poll(cx, left));
        }
    }

    pub(super) fn poll_direct(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.is_unflushed = true;
        let polled = self.io.writer().poll_write(cx, bytes);
        self.poll_patience(cx, polled)
    }

    /// Writes what was gathered, with `more` behind it. Gives how much of `more` went along.
    pub(super) fn poll_gathered(
        &mut self,
        cx: &mut Context<'_>,
        more: &[u8],
    ) -> Poll<io::Result<usize>> {
        while !self.out.is_empty() {
            self.is_unflushed = true;
            let pieces = [IoSlice::new(&self.out), IoSlice::new(more)];
            let polled = self.io.writer().poll_write_vectored(cx, &pieces);
            let length = ready!(self.poll_patience(cx, polled))?;
            if length == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let along = length.saturating_sub(self.out.len());
            self.out.advance(length - along);
            if along > 0 {
                self.out = BytesMut::new();
                return Poll::Ready(Ok(along));
            }
        }
        // An idle connection holds no buffer.
        if self.out.capacity() > 0 {
            self.out = BytesMut::new();
        }
        Poll::Ready(Ok(0))
    }
}
