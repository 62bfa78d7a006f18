//! A connection as pingora reads it: the head of one request, and once the upstream has granted
//! its upgrade, whatever comes.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::ReadBuf;

use super::Connection;
use super::digests::Digests;
use super::wire::hand_over;
use crate::message::RequestHead;

/// What pingora is shown of a connection.
#[derive(Debug)]
pub(super) struct Tunnel {
    /// What is left to read of the request's head.
    head: BytesMut,
    /// Whether the upgrade was granted: everything belongs to the new protocol.
    is_open: bool,
    pub(super) digests: Digests,
}

impl Tunnel {
    /// Looks at what pingora writes. Where it begins a head with 101, what the client sends from
    /// now on belongs to the new protocol.
    ///
    /// Pingora writes each head in one piece, and reads the tunnel only after it wrote the 101.
    pub(super) fn answered(&mut self, bytes: &[u8]) {
        self.is_open |= bytes.starts_with(b"HTTP/1.1 101 ");
    }
}

impl Connection {
    /// Makes this a stream of pingora's that begins with `head`, the request without body that
    /// was read last.
    pub(super) fn begin_tunnel(&mut self, head: &RequestHead) -> io::Result<()> {
        let mut text = BytesMut::with_capacity(head.target.len() + head.fields.wire().len() + 32);
        let method = head.method.as_str().as_bytes();
        for part in [
            method,
            b" ",
            &head.target,
            b" HTTP/1.1\r\n",
            head.fields.wire(),
            b"\r\n",
        ] {
            text.extend_from_slice(part);
        }
        self.tunnel = Some(Box::new(Tunnel {
            head: text,
            is_open: false,
            digests: Digests::new(self.io.wire().descriptor(), self.facts.clone())?,
        }));
        Ok(())
    }

    pub(super) fn poll_tunnel(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(tunnel) = &mut self.tunnel else {
            return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
        };
        if !tunnel.head.is_empty() {
            hand_over(&mut tunnel.head, buffer, usize::MAX);
            return Poll::Ready(Ok(()));
        }
        if !tunnel.is_open {
            ready!(self.poll_gone(cx));
            return Poll::Ready(Ok(()));
        }
        self.poll_flush_behind(cx)?;
        if self.ahead.is_empty() {
            return self.io.reader().poll_read(cx, buffer);
        }
        hand_over(&mut self.ahead, buffer, usize::MAX);
        Poll::Ready(Ok(()))
    }
}
