//! A watch on the frames that an HTTP/2 client sends (RFC 9113, 4.1).
//!
//! The h2 crate has no deadline for a preface, a header block or a request body, and tolerates
//! endless control frames. This watch reads the nine bytes of each frame header as they pass,
//! allocates nothing, and says when a client has had its time.

use std::time::{Duration, Instant};

use super::Limits;
use super::patience::Patience;

mod parse;

pub use parse::Parser;
use parse::{Event, PREFACE};

/// Frames without progress that a client may send in [`FLOOD_WINDOW`].
const FLOOD: u64 = 10_000;
/// See [`FLOOD`].
const FLOOD_WINDOW: Duration = Duration::from_secs(10);
/// Bytes of bodies, either way, that pay for one frame without progress.
const BYTES_PER_FRAME: u64 = 512;
/// What has arrived of request bodies and waits for the upstream, from which on the client may be
/// out of window and is not to blame for its silence.
const BACKLOG: u64 = 16 << 10;
/// How often a connection with open streams is looked at.
const TICK: Duration = Duration::from_secs(5);

/// What a client did that ends its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Preface and SETTINGS did not arrive in time.
    #[error("no HTTP/2 preface in time")]
    Preface,
    /// It does not begin with the preface and SETTINGS.
    #[error("not HTTP/2")]
    NotHttp2,
    /// A header block was left open.
    #[error("header block left open")]
    HeaderBlock,
    /// Request bodies came slower than 1 KiB/s.
    #[error("request body too slow")]
    Body,
    /// More than 10,000 frames within 10 s that brought nothing.
    #[error("too many frames without progress")]
    Flood,
}

impl Violation {
    /// Whether time ran out, as opposed to a breach of the protocol.
    pub fn is_timeout(self) -> bool {
        matches!(self, Self::Preface | Self::HeaderBlock | Self::Body)
    }
}

/// What the rest of the program knows of the streams of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Streams {
    /// Whether any stream is open.
    pub open: bool,
    /// Whether the proxy waits for a request body.
    pub pending: bool,
    /// Bytes of request bodies that the proxy has taken so far.
    pub taken: u64,
}

/// Watches one connection.
#[derive(Debug)]
pub struct Watch {
    parser: Parser,
    started: Instant,
    handshake: Duration,
    head: Duration,
    block_since: Option<Instant>,
    body: Patience,
    /// Bytes of DATA without padding.
    data: u64,
    /// What was neither pending nor taken when no body was pending: bodies that nobody reads.
    unclaimed: u64,
    control: u64,
    window: Instant,
    window_bytes: u64,
}

impl Watch {
    /// A watch on a connection that began at `now`.
    pub fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            parser: Parser::default(),
            started: now,
            handshake: limits.handshake,
            head: limits.head,
            block_since: None,
            body: Patience::new(limits.body_grace),
            data: 0,
            unclaimed: 0,
            control: 0,
            window: now,
            window_bytes: 0,
        }
    }

    /// Takes bytes from the client. `written` are all bytes written to it so far.
    pub fn observe(&mut self, bytes: &[u8], written: u64) -> Result<(), Violation> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (event, left) = self.parser.next(rest);
            rest = left;
            match event {
                Event::Nothing => {}
                Event::NotHttp2 => return Err(Violation::NotHttp2),
                Event::Data(bytes) => self.data += bytes,
                Event::Idle => self.control += 1,
                Event::BlockOpened => self.block_since = None,
            }
        }
        if self.control > FLOOD {
            self.judge_flood(Instant::now(), written)?;
        }
        Ok(())
    }

    fn judge_flood(&mut self, now: Instant, written: u64) -> Result<(), Violation> {
        let moved = self.data + written;
        if now.saturating_duration_since(self.window) < FLOOD_WINDOW {
            let paid = moved.saturating_sub(self.window_bytes) / BYTES_PER_FRAME;
            if self.control > FLOOD + paid {
                return Err(Violation::Flood);
            }
            return Ok(());
        }
        self.window = now;
        self.window_bytes = moved;
        self.control = 0;
        Ok(())
    }

    /// Looks at the clock when no more bytes are there. Gives when to look again, if at all.
    pub fn check(&mut self, now: Instant, streams: Streams) -> Result<Option<Duration>, Violation> {
        if !self.parser.is_greeted() {
            let left = left(self.started, self.handshake, now);
            return left.map(Some).ok_or(Violation::Preface);
        }
        let mut next = streams.open.then_some(TICK);
        if self.parser.is_block_open() {
            let since = *self.block_since.get_or_insert(now);
            let left = left(since, self.head, now).ok_or(Violation::HeaderBlock)?;
            next = Some(next.map_or(left, |n| n.min(left)));
        } else {
            self.block_since = None;
        }
        if let Some(left) = self.check_bodies(now, streams)? {
            next = Some(next.map_or(left, |n| n.min(left)));
        }
        Ok(next)
    }

    fn check_bodies(
        &mut self,
        now: Instant,
        streams: Streams,
    ) -> Result<Option<Duration>, Violation> {
        if !streams.pending {
            self.unclaimed = self.data.saturating_sub(streams.taken);
            self.body.reset(self.data);
            return Ok(None);
        }
        let backlog = self
            .data
            .saturating_sub(streams.taken)
            .saturating_sub(self.unclaimed);
        if backlog >= BACKLOG {
            self.body.reset(self.data);
            return Ok(None);
        }
        let left = self.body.wait(now, self.data);
        if left.is_zero() {
            return Err(Violation::Body);
        }
        Ok(Some(left))
    }
}

/// What is left at `now` of a `limit` that runs since `since`.
fn left(since: Instant, limit: Duration, now: Instant) -> Option<Duration> {
    let left = limit.checked_sub(now.saturating_duration_since(since))?;
    (!left.is_zero()).then_some(left)
}

/// The client connection preface, for the sniff on plain listeners.
pub(super) const fn preface() -> &'static [u8] {
    PREFACE
}

#[cfg(test)]
mod tests;
