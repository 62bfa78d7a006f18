//! Connections that may become tunnels.
//!
//! pingora 0.9.1 closes a tunnel at once when it reads the upstream's 101
//! before it has taken note that the request itself had no body
//! (`proxy_handle_upstream`: an upgraded request ends when either side is
//! done). Both wait in one `select!`, so a fast upstream wins that race half of
//! the time. On these connections each read gives way once before it reads,
//! and what waits beside it goes first.
//!
//! pingora also drops a `Content-Length` that stands beside chunks before anybody can refuse it
//! (RFC 9112, 6.3). So these connections look at the head of the answer first. With TLS they
//! cannot.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use pingora::connectors::L4Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::{Error, ErrorType, OrErr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::connection::is_whole;

/// Connects so that every read gives way first.
#[derive(Debug)]
pub(super) struct Unhurried {
    /// Whether HTTP is spoken without TLS.
    pub(super) is_plain: bool,
}

#[async_trait]
impl L4Connect for Unhurried {
    async fn connect(&self, address: &SocketAddr) -> pingora::Result<Stream> {
        let socket: Box<dyn VirtualSocket> = match address {
            SocketAddr::Inet(address) => {
                let stream = TcpStream::connect(address).await.or_err(
                    ErrorType::ConnectError,
                    "while connecting to a tunnel's upstream",
                )?;
                Box::new(GivesWay::new(stream, self.is_plain))
            }
            SocketAddr::Unix(address) => {
                let Some(path) = address.as_pathname() else {
                    return Error::e_explain(ErrorType::SocketError, "an unnamed unix socket");
                };
                let stream = UnixStream::connect(path).await.or_err(
                    ErrorType::ConnectError,
                    "while connecting to a tunnel's upstream",
                )?;
                Box::new(GivesWay::new(stream, self.is_plain))
            }
        };
        Ok(VirtualSocketStream::new(socket).into())
    }
}

/// A stream whose reads are pending once before they read.
#[derive(Debug)]
struct GivesWay<S> {
    stream: S,
    has_given_way: bool,
    /// The head of the answer so far, until it is whole.
    head: Option<Vec<u8>>,
}

impl<S> GivesWay<S> {
    fn new(stream: S, is_plain: bool) -> Self {
        Self {
            stream,
            has_given_way: false,
            head: is_plain.then(Vec::new),
        }
    }

    /// Looks at what was read; an error where it is no answer.
    fn look(&mut self, read: &[u8]) -> io::Result<()> {
        let Some(head) = &mut self.head else {
            return Ok(());
        };
        head.extend_from_slice(read);
        match is_whole(head) {
            Ok(is_whole) => {
                self.head.take_if(|_| is_whole);
                Ok(())
            }
            Err(broken) => Err(io::Error::new(io::ErrorKind::InvalidData, broken)),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for GivesWay<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.has_given_way {
            self.has_given_way = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.has_given_way = read.is_pending();
        ready!(read)?;
        let looked = self.look(buffer.filled().get(before..).unwrap_or_default());
        if looked.is_err() {
            buffer.set_filled(before);
        }
        Poll::Ready(looked)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for GivesWay<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl VirtualSocket for GivesWay<TcpStream> {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        if matches!(option, VirtualSockOpt::NoDelay) {
            self.stream.set_nodelay(true)?;
        }
        Ok(())
    }
}

impl VirtualSocket for GivesWay<UnixStream> {
    fn set_socket_option(&self, _: VirtualSockOpt) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn what_waits_beside_a_read_goes_first() {
        for _ in 0..100 {
            let mut stream = GivesWay::new(&b"101"[..], false);
            let mut buffer = [0; 3];
            let first = tokio::select! {
                _ = stream.read(&mut buffer) => "read",
                () = std::future::ready(()) => "other",
            };
            assert_eq!(first, "other");
            assert_eq!(stream.read(&mut buffer).await.unwrap(), 3);
        }
    }

    #[tokio::test]
    async fn an_answer_that_can_be_read_in_two_ways_is_none() {
        for (fields, is_answer) in [
            ("Upgrade: websocket", true),
            ("Content-Length: 3", true),
            ("Content-Length: 3\r\nTransfer-Encoding: chunked", false),
        ] {
            let answer = format!("HTTP/1.1 400 Bad Request\r\n{fields}\r\n\r\nabc");
            let mut stream = GivesWay::new(answer.as_bytes(), true);
            let mut read = Vec::new();
            assert_eq!(
                stream.read_to_end(&mut read).await.is_ok(),
                is_answer,
                "{fields}"
            );
        }
    }
}
