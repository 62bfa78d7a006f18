//! The gate before pingora's HTTP/1 parser: waits for the next request, reads its whole head under
//! one deadline, and checks it.

use std::io;
use std::task::{Poll, ready};

use bytes::{Buf, BytesMut};
use pingora_timeout::timeout;
use tokio::io::{AsyncWriteExt, ReadBuf};
use tokio::sync::watch;

use super::connections::stopped;
use super::exchange::{Exchange, Want};
use super::head::{self, Scan};
use super::{Connection, Limits, Refusal, frames};

/// Bytes of one read ahead of pingora. On the stack: an idle connection owns no buffer.
const PIECE: usize = 4096;

/// What came of waiting for a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// A request whose head is good, and ready to be read by pingora.
    Ready,
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
        shutdown: &mut watch::Receiver<bool>,
    ) -> Gate {
        // What is left of a request is never read as the next one.
        if self
            .exchange
            .as_ref()
            .is_some_and(|e| e.want() != Want::Nothing)
        {
            return Gate::Closed;
        }
        if !self.out.is_empty() && !matches!(timeout(limits.write, self.flush()).await, Ok(Ok(())))
        {
            return Gate::Closed;
        }
        self.rest();
        if self.ahead.is_empty() && !self.wait(limits, shutdown).await {
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
    /// (RFC 9113, 3.3), which pingora would otherwise take for a request.
    pub(super) async fn begins_http2(
        &mut self,
        limits: &Limits,
        shutdown: &mut watch::Receiver<bool>,
    ) -> Option<bool> {
        let preface = frames::preface();
        if !self.wait(limits, shutdown).await {
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

    /// Idles until bytes come. False when none will.
    async fn wait(&mut self, limits: &Limits, shutdown: &mut watch::Receiver<bool>) -> bool {
        tokio::select! {
            // A request that has already arrived is served.
            biased;
            read = timeout(limits.idle, self.look()) => matches!(read, Ok(Ok(1..))),
            () = stopped(shutdown) => false,
        }
    }

    /// Reads once into `ahead`.
    async fn look(&mut self) -> io::Result<usize> {
        std::future::poll_fn(|cx| {
            let mut piece = [0; PIECE];
            let mut piece = ReadBuf::new(&mut piece);
            ready!(self.poll_look(cx, &mut piece))?;
            self.ahead.extend_from_slice(piece.filled());
            Poll::Ready(Ok(piece.filled().len()))
        })
        .await
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
        self.ahead.advance(start.min(self.ahead.len()));
        let mut length = end - start;
        let head = match head::check(self.ahead.get(..length).unwrap_or_default(), limits) {
            Ok(head) => head,
            Err(refusal) => return Gate::Refused(refusal),
        };
        if let Some(rewritten) = &head.rewritten {
            let rest = self.ahead.get(length..).unwrap_or_default();
            let mut ahead = BytesMut::with_capacity(rewritten.len() + rest.len());
            ahead.extend_from_slice(rewritten);
            ahead.extend_from_slice(rest);
            self.ahead = ahead;
            length = rewritten.len();
        }
        self.exchange = Some(Exchange::new(length, &head));
        Gate::Ready
    }
}
