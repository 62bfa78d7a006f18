//! The socket of a connection, with bytes put back that were read to look at them.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::io::poll_read_buf;

use crate::message::fitting;

/// Bytes of one read that looks ahead.
const LOOK_AHEAD: usize = 4096;

/// Bytes of one read from a peer that sends a lot. TLS asks for 4 KiB at a time.
const BULK: usize = 64 << 10;

/// A socket of either kind.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    fn read(&mut self) -> Pin<&mut (dyn AsyncRead + Send + Unpin)> {
        match self {
            Self::Tcp(socket) => Pin::new(socket),
            Self::Unix(socket) => Pin::new(socket),
        }
    }

    fn write(&mut self) -> Pin<&mut (dyn AsyncWrite + Send + Unpin)> {
        match self {
            Self::Tcp(socket) => Pin::new(socket),
            Self::Unix(socket) => Pin::new(socket),
        }
    }

    /// Makes the close of the socket a reset.
    fn reset(&self) {
        if let Self::Tcp(socket) = self {
            // A socket that cannot be told closes as usual.
            drop(socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO)));
        }
    }

    pub(super) fn descriptor(&self) -> RawFd {
        match self {
            Self::Tcp(socket) => socket.as_raw_fd(),
            Self::Unix(socket) => socket.as_raw_fd(),
        }
    }
}

/// A socket, what was read ahead of it, and how much went through it.
#[derive(Debug)]
pub(super) struct Wire {
    socket: Socket,
    ahead: BytesMut,
    /// Whether the peer sends more than is asked for at a time.
    is_busy: bool,
    /// Bytes that may still be read; `None` for any number.
    allowance: Option<usize>,
    written: u64,
}

/// More came than is read before a handshake is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the handshake is too long")]
pub(super) struct TooLong;

impl Wire {
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            socket,
            ahead: BytesMut::new(),
            is_busy: false,
            allowance: None,
            written: 0,
        }
    }

    /// Lets `allowance` more bytes be read, in small pieces; `None` for no bound.
    pub(super) fn allow(&mut self, allowance: Option<usize>) {
        self.allowance = allowance;
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.socket.descriptor()
    }

    /// Makes the close of the socket a reset.
    pub(super) fn reset(&self) {
        self.socket.reset();
    }

    /// Bytes that the kernel has taken so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// What was read ahead and is still to be read.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Drops `length` bytes of what was read ahead.
    pub(super) fn skip(&mut self, length: usize) {
        self.ahead.advance(length.min(self.ahead.len()));
    }

    /// Reads what fits, or more where that is cheaper than to be asked again.
    fn poll_some(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let is_bulk = self.is_busy && self.allowance.is_none() && buffer.remaining() < BULK;
        if self.ahead.is_empty() && !is_bulk {
            let before = buffer.remaining();
            let polled = self.socket.read().poll_read(cx, buffer);
            self.is_busy = buffer.remaining() == 0 && before > 0;
            return polled;
        }
        if self.ahead.is_empty() {
            // Kept only once something came: a peer that pauses costs no buffer.
            let mut bulk = BytesMut::with_capacity(BULK);
            let length = ready!(poll_read_buf(self.socket.read(), cx, &mut bulk))?;
            self.is_busy = length > buffer.remaining();
            self.ahead = fitting(bulk);
        }
        hand_over(&mut self.ahead, buffer, usize::MAX);
        Poll::Ready(Ok(()))
    }

    /// Reads more ahead. Gives how many bytes came; 0 is the end.
    pub(super) async fn look(&mut self) -> io::Result<usize> {
        std::future::poll_fn(|cx| {
            let mut piece = [const { MaybeUninit::uninit() }; LOOK_AHEAD];
            let mut piece = ReadBuf::uninit(&mut piece);
            ready!(self.socket.read().poll_read(cx, &mut piece))?;
            self.ahead.extend_from_slice(piece.filled());
            Poll::Ready(Ok(piece.filled().len()))
        })
        .await
    }
}

/// Moves what fits from `ahead` into `buffer`, and gives the memory back with the last byte.
pub(super) fn hand_over(ahead: &mut BytesMut, buffer: &mut ReadBuf<'_>, most: usize) -> usize {
    let length = ahead.len().min(buffer.remaining()).min(most);
    if let Some(front) = ahead.get(..length) {
        buffer.put_slice(front);
    }
    ahead.advance(length);
    if ahead.is_empty() {
        *ahead = BytesMut::new();
    }
    length
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(allowance) = self.allowance else {
            return self.poll_some(cx, buffer);
        };
        let before = buffer.filled().len();
        ready!(self.poll_some(cx, buffer))?;
        let left = allowance.checked_sub(buffer.filled().len() - before);
        self.allowance = Some(left.ok_or_else(|| io::Error::other(TooLong))?);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let length = ready!(self.socket.write().poll_write(cx, bytes))?;
        self.written += length as u64;
        Poll::Ready(Ok(length))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = ready!(self.socket.write().poll_write_vectored(cx, pieces))?;
        self.written += length as u64;
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.write().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.write().poll_shutdown(cx)
    }
}
