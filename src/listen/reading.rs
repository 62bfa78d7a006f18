//! What HTTP/2 reads: frames that are watched.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::ReadBuf;

use super::wire::hand_over;
use super::{Connection, frames};

impl Connection {
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
                pending: self.facts.bodies.any(),
                taken: self.facts.bodies.taken(),
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
