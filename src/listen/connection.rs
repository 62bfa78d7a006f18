//! The connection that pingora reads and writes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::BytesMut;
use pingora::protocols::ALPN;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::alarm::Alarm;
use super::digests::Digests;
use super::exchange::Exchange;
use super::frames::Watch;
use super::part::Parting;
use super::patience::Patience;
use super::streams::OpenStreams;
use super::transport::Transport;
use super::{Bodies, ConnectionFacts, Limits};

/// Answers are gathered up to this size, so that a head and a small body leave in one piece.
const GATHER: usize = 4 * 1460;

/// A client's connection, plain or with TLS, over TCP or a Unix socket.
///
/// Towards pingora it is a stream that never holds a byte past the end of the current request.
/// Reading flushes first: pingora does not flush a body of known length before it is complete.
#[derive(Debug)]
pub struct Connection {
    pub(super) io: Transport,
    /// Decrypted bytes that were read before pingora asked for them.
    pub(super) ahead: BytesMut,
    /// Bytes of the answer that wait for more.
    pub(super) out: BytesMut,
    pub(super) exchange: Option<Exchange>,
    pub(super) watch: Option<Box<Watch>>,
    pub(super) received: u64,
    pub(super) body: Patience,
    pub(super) body_alarm: Alarm,
    pub(super) write: Patience,
    pub(super) write_alarm: Alarm,
    pub(super) parting: Parting,
    pub(super) bodies: Arc<Bodies>,
    pub(super) streams: Arc<OpenStreams>,
    pub(super) digests: Digests,
}

impl Connection {
    /// Wraps what was established. `is_http2` is what ALPN settled on.
    pub(super) fn new(
        io: Transport,
        facts: ConnectionFacts,
        limits: &Limits,
        is_http2: bool,
    ) -> io::Result<Self> {
        let bodies = Arc::clone(&facts.bodies);
        let digests = Digests::new(io.wire().descriptor(), facts)?;
        let mut connection = Self {
            io,
            ahead: BytesMut::new(),
            out: BytesMut::new(),
            exchange: None,
            watch: None,
            received: 0,
            body: Patience::new(limits.body_grace),
            body_alarm: Alarm::default(),
            write: Patience::new(limits.write),
            write_alarm: Alarm::default(),
            parting: Parting::default(),
            bodies,
            streams: Arc::default(),
            digests,
        };
        if is_http2 {
            connection.become_http2(limits);
        }
        Ok(connection)
    }

    /// From here on the bytes are frames.
    pub(super) fn become_http2(&mut self, limits: &Limits) {
        self.digests.alpn = Some(ALPN::H2);
        self.watch = Some(Box::new(Watch::new(limits, Instant::now())));
    }

    /// Whether it speaks HTTP/2.
    pub fn is_http2(&self) -> bool {
        self.watch.is_some()
    }

    /// Its facts.
    pub fn facts(&self) -> Option<&ConnectionFacts> {
        self.digests.proxy.user_data.as_ref()?.downcast_ref()
    }

    pub(super) fn streams(&self) -> Arc<OpenStreams> {
        Arc::clone(&self.streams)
    }

    /// Forgets the request that is over: full credit for the next, and no timer while idle.
    pub(super) fn rest(&mut self) {
        self.exchange = None;
        self.body.reset(self.received);
        self.body_alarm.disarm();
        self.write.reset(self.io.wire().written());
        self.write_alarm.disarm();
    }

    /// Reads once into `piece`, under no deadline of its own.
    pub(super) fn poll_look(
        &mut self,
        cx: &mut Context<'_>,
        piece: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.io.reader().poll_read(cx, piece)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = &mut *self;
        if me.is_http2() {
            return me.poll_http2(cx, buffer);
        }
        if !me.out.is_empty()
            && let Poll::Ready(flushed) = me.poll_gathered(cx, &[])
        {
            flushed?;
        }
        me.poll_http1(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let me = &mut *self;
        if let Some(exchange) = &mut me.exchange {
            exchange.answered(bytes);
        }
        if !me.is_http2() && me.out.len() + bytes.len() <= GATHER {
            me.out.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        if !me.out.is_empty() {
            let along = ready!(me.poll_gathered(cx, bytes))?;
            if along > 0 {
                return Poll::Ready(Ok(along));
            }
        }
        me.poll_direct(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_http2() {
            let polled = self.io.writer().poll_write_vectored(cx, pieces);
            return self.poll_patience(cx, polled);
        }
        let first = pieces.iter().find(|piece| !piece.is_empty());
        self.poll_write(cx, first.map_or(&[], |piece| piece))
    }

    fn is_write_vectored(&self) -> bool {
        self.is_http2()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_gathered(cx, &[]))?;
        let polled = self.io.writer().poll_flush(cx);
        self.poll_patience(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_gathered(cx, &[]))?;
        self.poll_part(cx)
    }
}
