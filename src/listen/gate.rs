//! The gate of HTTP/1: waits for the next request and reads its whole head under one deadline.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use pingora_timeout::timeout;
use tokio::io::ReadBuf;

use super::head::{self, Request, Scan};
use super::{Connection, Limits, Refusal, frames};

/// Bytes of one read ahead. On the stack: an idle connection owns no buffer.
const PIECE: usize = 4096;

/// What came of waiting for a request.
#[derive(Debug)]
pub(super) enum Gate {
    /// A request whose head is good. Its body comes next.
    Ready(Request),
    /// The client left, was idle for too long, or Vestibule is shutting down.
    Closed,
    /// A request that is not served.
    Refused(Refusal),
}

impl Connection {
    /// Waits for the next request of HTTP/1.
    pub(super) async fn gate(
        &mut self,
        limits: &Limits,
        stop: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Gate {
        self.rest();
        if self.ahead.is_empty() && !self.wait(limits, stop).await {
            return Gate::Closed;
        }
        match timeout(limits.head, self.read_head(limits)).await {
            Ok(Ok(Some((start, end)))) => self.admit(start, end, limits),
            Ok(Ok(None)) => Gate::Closed,
            Ok(Err(refusal)) => Gate::Refused(refusal),
            Err(_) => Gate::Refused(Refusal::Timeout),
        }
    }

    /// Waits for the first bytes of a plain connection. True when they are HTTP/2's preface
    /// (RFC 9113, 3.3).
    pub(super) async fn begins_http2(
        &mut self,
        limits: &Limits,
        stop: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Option<bool> {
        let preface = frames::preface();
        if !self.wait(limits, stop).await {
            return None;
        }
        match timeout(limits.head, self.look_for(preface)).await {
            Ok(Ok(())) => Some(self.ahead.starts_with(preface)),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// Reads until it is clear whether the connection begins with `opening`.
    async fn look_for(&mut self, opening: &[u8]) -> io::Result<()> {
        while self.ahead.len() < opening.len() && opening.starts_with(&self.ahead) {
            if self.look().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Idles until bytes come. False when none will, or when `stop` ends first.
    async fn wait(
        &mut self,
        limits: &Limits,
        mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> bool {
        let since = Some(Instant::now());
        poll_fn(|cx| {
            // A request that has already arrived is served.
            if let Poll::Ready(read) = self.poll_ahead(cx) {
                return Poll::Ready(matches!(read, Ok(1..)));
            }
            if stop.as_mut().poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            self.idle.poll(cx, since, limits.idle).map(|()| false)
        })
        .await
    }

    /// Reads once into `ahead`.
    async fn look(&mut self) -> io::Result<usize> {
        poll_fn(|cx| self.poll_ahead(cx)).await
    }

    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut piece = [const { MaybeUninit::uninit() }; PIECE];
        let mut piece = ReadBuf::uninit(&mut piece);
        ready!(self.poll_look(cx, &mut piece))?;
        self.ahead.extend_from_slice(piece.filled());
        Poll::Ready(Ok(piece.filled().len()))
    }

    /// Reads until the head is complete. `None` when the client left before.
    async fn read_head(&mut self, limits: &Limits) -> Result<Option<(usize, usize)>, Refusal> {
        let mut scan = Scan::default();
        loop {
            if let Some(range) = scan.advance(&self.ahead, limits)? {
                return Ok(Some(range));
            }
            if self.look().await.unwrap_or(0) == 0 {
                return Ok(None);
            }
        }
    }

    fn admit(&mut self, start: usize, end: usize, limits: &Limits) -> Gate {
        match head::read(self.ahead.get(start..end).unwrap_or_default(), limits) {
            Ok(request) => {
                self.ahead.advance(end.min(self.ahead.len()));
                if self.ahead.is_empty() {
                    self.ahead = BytesMut::new();
                }
                self.begin_body(request.framing);
                Gate::Ready(request)
            }
            Err(refusal) => Gate::Refused(refusal),
        }
    }
}
