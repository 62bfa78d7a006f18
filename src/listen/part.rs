//! How a connection ends: the client can read the last answer, and little more is read of it.

use std::io;
use std::mem::MaybeUninit;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pingora_timeout::timeout;
use tokio::io::{AsyncWriteExt, ReadBuf};

use super::alarm::Alarm;
use super::{Connection, Refusal};

/// Bytes that are read and thrown away of a client that is still sending. It is what can be on
/// the way when the answer reaches it: a socket closed with bytes unread resets the connection,
/// and the reset takes the answer with it. With 64 KiB curl lost 1 answer in 20 on loopback.
const DRAIN: usize = 16 << 20;
/// How long a client may take to read its last answer.
pub(in crate::listen) const LINGER: Duration = Duration::from_secs(1);
/// One read.
const PIECE: usize = 4096;

/// What is left to be done once the last byte is written.
#[derive(Debug, Default)]
pub(super) struct Parting {
    has_said_goodbye: bool,
    drain: usize,
    alarm: Alarm,
}

impl Connection {
    /// Answers a refused request and closes.
    pub(super) async fn refuse(&mut self, refusal: Refusal) {
        let answer = refusal.answer(self.ahead.starts_with(b"HEAD "));
        // The client may be gone: there is nobody left to tell.
        drop(timeout(LINGER, self.write_all(&answer)).await);
        self.parting.drain = DRAIN;
        self.part().await;
    }

    /// Makes the close a reset, which nobody takes for the end of an answer.
    pub(in crate::listen) fn reset(&self) {
        self.io.wire().reset();
    }

    /// Closes after an answer.
    pub(super) async fn part(&mut self) {
        drop(timeout(2 * LINGER, AsyncWriteExt::shutdown(self)).await);
    }

    /// Says that no more comes, then waits for the client to close where it is still sending.
    pub(super) fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.parting.has_said_goodbye {
            let polled = self.io.writer().poll_shutdown(cx);
            ready!(self.poll_patience(cx, polled))?;
            self.parting.has_said_goodbye = true;
            if self.is_sent_to() {
                self.parting.drain = DRAIN;
            }
        }
        while self.parting.drain > 0 {
            let mut piece = [const { MaybeUninit::uninit() }; PIECE];
            let mut piece = ReadBuf::uninit(&mut piece);
            let is_over = match self.poll_look(cx, &mut piece) {
                Poll::Ready(read) => read.is_err() || piece.filled().is_empty(),
                Poll::Pending => {
                    ready!(self.parting.alarm.poll(cx, LINGER));
                    true
                }
            };
            let read = if is_over {
                usize::MAX
            } else {
                piece.filled().len()
            };
            self.parting.drain = self.parting.drain.saturating_sub(read);
        }
        self.parting.alarm.disarm();
        Poll::Ready(Ok(()))
    }

    /// Whether bytes of the client are unread, or are still to come.
    fn is_sent_to(&self) -> bool {
        !self.incoming.is_over() || !self.ahead.is_empty()
    }
}
