//! What is on its way to an upstream.

use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::AsyncWrite;

use super::Stream;
use crate::message::RequestHead;

/// A piece of a body up to this size is copied behind the head, so that both leave at once.
const WORTH_COPYING: usize = 4 << 10;
/// Bytes that may wait before no more is taken of the client.
const ENOUGH: usize = 64 << 10;

/// What is on its way to an upstream: small pieces gathered, a large one as it is.
#[derive(Debug, Default)]
pub(super) struct Output {
    gathered: BytesMut,
    large: Bytes,
    /// What ends the chunk that `large` is.
    tail: &'static [u8],
    is_chunked: bool,
    is_ended: bool,
    /// Whether the stream may hold bytes back that were written to it: TLS does.
    is_unflushed: bool,
}

impl Output {
    pub(super) fn begin(&mut self, head: &RequestHead, is_chunked: bool) {
        *self = Self {
            is_chunked,
            ..Self::default()
        };
        let out = &mut self.gathered;
        out.reserve(head.target.len() + head.fields.wire().len() + 64);
        out.extend_from_slice(head.method.as_str().as_bytes());
        out.extend_from_slice(b" ");
        out.extend_from_slice(&head.target);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        out.extend_from_slice(head.fields.wire());
        if is_chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }

    pub(super) fn queue(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        if self.is_chunked {
            // Writing into memory cannot fail.
            drop(write!(
                (&mut self.gathered).writer(),
                "{:x}\r\n",
                data.len()
            ));
        }
        if data.len() <= WORTH_COPYING || !self.large.is_empty() {
            self.gathered.extend_from_slice(&data);
            self.gathered.extend_from_slice(self.chunk_end());
        } else {
            self.large = data;
            self.tail = self.chunk_end();
        }
    }

    fn chunk_end(&self) -> &'static [u8] {
        if self.is_chunked { b"\r\n" } else { b"" }
    }

    /// To be called once the last piece has been queued.
    pub(super) fn end(&mut self) {
        self.is_ended = true;
        if !self.is_chunked {
            return;
        }
        if self.large.is_empty() {
            self.gathered.extend_from_slice(b"0\r\n\r\n");
        } else {
            self.tail = b"\r\n0\r\n\r\n";
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.is_written() && !self.is_unflushed
    }

    fn is_written(&self) -> bool {
        self.gathered.is_empty() && self.large.is_empty() && self.tail.is_empty()
    }

    /// Whether the request has been sent whole.
    pub(super) fn is_complete(&self) -> bool {
        self.is_ended && self.is_empty()
    }

    /// A large piece waits alone: what follows it would have to stand behind it.
    pub(super) fn has_room(&self) -> bool {
        self.large.is_empty() && self.tail.is_empty() && self.gathered.len() < ENOUGH
    }

    /// Forgets what cannot be sent any more.
    pub(super) fn discard(&mut self) {
        self.gathered = BytesMut::new();
        self.large = Bytes::new();
        self.tail = b"";
        self.is_ended = false;
        self.is_unflushed = false;
    }

    pub(super) fn poll_send(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_written() {
            self.is_unflushed = true;
            let pieces = [
                IoSlice::new(&self.gathered),
                IoSlice::new(&self.large),
                IoSlice::new(self.tail),
            ];
            let sent = ready!(Pin::new(&mut *stream).poll_write_vectored(cx, &pieces))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(sent);
        }
        // Nothing is held while the answer is awaited.
        self.gathered = BytesMut::new();
        let flushed = Pin::new(stream).poll_flush(cx);
        self.is_unflushed = flushed.is_pending();
        flushed
    }

    fn advance(&mut self, sent: usize) {
        let gathered = sent.min(self.gathered.len());
        self.gathered.advance(gathered);
        let large = (sent - gathered).min(self.large.len());
        self.large.advance(large);
        let tail = (sent - gathered - large).min(self.tail.len());
        self.tail = self.tail.get(tail..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::UnixStream;

    use super::*;
    use crate::message::{Fields, Protocol};

    /// What arrives of a request whose body comes in `pieces`.
    async fn arrives(pieces: &[usize], is_chunked: bool) -> String {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut stream = Stream::Unix(ours);
        let head = RequestHead {
            method: http::Method::PUT,
            target: "/a%2Fb?c".into(),
            protocol: Protocol::Http2,
            fields: [("Host", "a")].into_iter().collect::<Fields>(),
        };
        let mut output = Output::default();
        output.begin(&head, is_chunked);
        let sending = async {
            let (last, others) = pieces.split_last().unwrap();
            for piece in others {
                output.queue("x".repeat(*piece).into());
                let sent = std::future::poll_fn(|cx| output.poll_send(&mut stream, cx));
                sent.await.unwrap();
            }
            output.queue("x".repeat(*last).into());
            output.end();
            let sent = std::future::poll_fn(|cx| output.poll_send(&mut stream, cx));
            sent.await.unwrap();
            assert!(output.is_complete());
            drop(stream);
        };
        let mut arrived = String::new();
        let ((), read) = tokio::join!(sending, theirs.read_to_string(&mut arrived));
        read.unwrap();
        arrived
    }

    #[tokio::test]
    async fn large_and_small_pieces_leave_in_order() {
        let head = "PUT /a%2Fb?c HTTP/1.1\r\nHost: a\r\n";
        let (small, large) = (3, 300_000);
        let body = |lengths: &[usize]| "x".repeat(lengths.iter().sum());
        let plain = arrives(&[small, large, small], false).await;
        assert_eq!(plain, format!("{head}\r\n{}", body(&[small, large, small])));
        for pieces in [&[small][..], &[large], &[small, large], &[large, small]] {
            let chunk = |length| format!("{length:x}\r\n{}\r\n", body(&[length]));
            let chunks = pieces
                .iter()
                .copied()
                .map(chunk)
                .collect::<Vec<_>>()
                .concat();
            let expected = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
            assert_eq!(arrives(pieces, true).await, expected, "{pieces:?}");
        }
    }
}
