//! A client's connection: what waits to be read, what waits to be written, and for how long.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::alarm::Alarm;
use super::frames::Watch;
use super::head::Framing;
use super::idle::Idle;
use super::incoming::Incoming;
use super::part::Parting;
use super::patience::Patience;
use super::streams::OpenStreams;
use super::transport::Transport;
use super::tunnel::Tunnel;
use super::{ConnectionFacts, Limits};

/// Answers are gathered up to this size, so that a head and a small body leave in one piece.
const GATHER: usize = 4 * 1460;

/// A client's connection, plain or with TLS, over TCP or a Unix socket.
///
/// HTTP/1 is read from it request by request, HTTP/2 as a stream of watched frames, and pingora
/// reads it as a stream that holds one request and then a tunnel.
#[derive(Debug)]
pub struct Connection {
    pub(super) io: Transport,
    /// Decrypted bytes that were read before anybody asked for them.
    pub(super) ahead: BytesMut,
    /// Bytes of the answer that wait for more.
    pub(super) out: BytesMut,
    /// Whether the transport may hold bytes back that were written to it.
    pub(super) is_unflushed: bool,
    pub(super) incoming: Incoming,
    pub(super) read_size: usize,
    pub(super) tunnel: Option<Box<Tunnel>>,
    pub(super) watch: Option<Box<Watch>>,
    pub(super) received: u64,
    pub(super) body: Patience,
    pub(super) body_alarm: Alarm,
    pub(super) write: Patience,
    pub(super) write_alarm: Alarm,
    pub(super) idle: Idle,
    pub(super) parting: Parting,
    pub(super) streams: Arc<OpenStreams>,
    pub(super) facts: Arc<ConnectionFacts>,
}

impl Connection {
    /// Wraps what was established. `is_http2` is what ALPN settled on.
    pub(super) fn new(
        io: Transport,
        facts: ConnectionFacts,
        limits: &Limits,
        is_http2: bool,
    ) -> Self {
        let mut connection = Self {
            io,
            ahead: BytesMut::new(),
            out: BytesMut::new(),
            is_unflushed: false,
            incoming: Incoming::new(Framing::Length(0)),
            read_size: 0,
            tunnel: None,
            watch: None,
            received: 0,
            body: Patience::new(limits.body_grace),
            body_alarm: Alarm::default(),
            write: Patience::new(limits.write),
            write_alarm: Alarm::default(),
            idle: Idle::default(),
            parting: Parting::default(),
            streams: Arc::new(OpenStreams::new()),
            facts: Arc::new(facts),
        };
        if is_http2 {
            connection.become_http2(limits);
        }
        connection
    }

    /// From here on the bytes are frames.
    pub(super) fn become_http2(&mut self, limits: &Limits) {
        self.watch = Some(Box::new(Watch::new(limits, Instant::now())));
    }

    /// Whether it speaks HTTP/2.
    pub fn is_http2(&self) -> bool {
        self.watch.is_some()
    }

    /// Its facts.
    pub fn facts(&self) -> &Arc<ConnectionFacts> {
        &self.facts
    }

    pub(super) fn streams(&self) -> Arc<OpenStreams> {
        Arc::clone(&self.streams)
    }

    /// Forgets the request that is over: full credit for the next, and no timer while idle.
    pub(super) fn rest(&mut self) {
        self.begin_body(Framing::Length(0));
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
        if self.is_http2() {
            return self.poll_http2(cx, buffer);
        }
        self.poll_tunnel(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let me = &mut *self;
        if let Some(tunnel) = &mut me.tunnel {
            tunnel.answered(bytes);
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
            self.is_unflushed = true;
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
        if !self.is_unflushed {
            return Poll::Ready(Ok(()));
        }
        let polled = self.io.writer().poll_flush(cx);
        self.is_unflushed = !polled.is_ready();
        self.poll_patience(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_gathered(cx, &[]))?;
        self.poll_part(cx)
    }
}
