//! What of a HTTP/1 connection belongs to the request that pingora reads now.

use std::io;

use super::chunked::{Progress, Scanner};
use super::head::{Framing, Head};

/// One request on its way through pingora.
#[derive(Debug)]
pub(super) struct Exchange {
    head_left: usize,
    body: Body,
    upgrade_asked: bool,
}

#[derive(Debug)]
enum Body {
    /// So many bytes are still to come.
    Length(u64),
    Chunked(Scanner),
    /// An upgrade was granted: everything belongs to it.
    Tunnel,
    /// The framing was broken: nothing more is read.
    Broken,
}

/// What pingora may read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// At most so many bytes of the head.
    Head(usize),
    /// At most so many bytes of the body.
    Body(u64),
    /// Whatever comes.
    Tunnel,
    /// Nothing: the request is complete.
    Nothing,
    /// Nothing: the request is broken.
    Broken,
}

impl Exchange {
    /// A request whose head, as pingora will read it, has `length` bytes.
    pub(super) fn new(length: usize, head: &Head) -> Self {
        Self {
            head_left: length,
            body: match head.framing {
                Framing::Length(length) => Body::Length(length),
                Framing::Chunked => Body::Chunked(Scanner::default()),
            },
            upgrade_asked: head.upgrade,
        }
    }

    pub(super) fn want(&self) -> Want {
        if self.head_left > 0 {
            return Want::Head(self.head_left);
        }
        match &self.body {
            Body::Length(0) => Want::Nothing,
            Body::Length(left) => Want::Body(*left),
            Body::Chunked(scanner) if scanner.is_ended() => Want::Nothing,
            Body::Chunked(_) => Want::Body(u64::MAX),
            Body::Tunnel => Want::Tunnel,
            Body::Broken => Want::Broken,
        }
    }

    /// Takes bytes, no more than are wanted. Gives how many of them belong to the request.
    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.head_left > 0 {
            let length = bytes.len().min(self.head_left);
            self.head_left -= length;
            return Ok(length);
        }
        match &mut self.body {
            Body::Length(left) => {
                *left = left.saturating_sub(bytes.len() as u64);
                Ok(bytes.len())
            }
            Body::Chunked(scanner) => match scanner.scan(bytes) {
                Ok(Progress::More) => Ok(bytes.len()),
                Ok(Progress::End(length)) => Ok(length),
                Err(violation) => {
                    self.body = Body::Broken;
                    Err(io::Error::new(io::ErrorKind::InvalidData, violation))
                }
            },
            Body::Tunnel => Ok(bytes.len()),
            Body::Broken => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Looks at what pingora writes. Where it begins a head with 101 to a request that asked for
    /// an upgrade, what the client sends from now on belongs to the new protocol.
    ///
    /// Pingora writes each head in one piece, and reads the tunnel only after it wrote the 101.
    pub(super) fn answered(&mut self, bytes: &[u8]) {
        if !self.upgrade_asked {
            return;
        }
        if bytes.starts_with(b"HTTP/1.1 101 ") {
            self.body = Body::Tunnel;
        }
        let is_interim = bytes.starts_with(b"HTTP/1.1 10");
        self.upgrade_asked = is_interim && !matches!(self.body, Body::Tunnel);
    }
}
