//! A byte stream with what was read too early kept for the next reader.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Anything that bytes go through: TCP, TLS, a unix socket.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A boxed stream and its unread bytes.
pub(crate) struct Wire {
    stream: Box<dyn Io>,
    unread: Vec<u8>,
}

/// How a chunked body came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The stream ended inside.
    Ended,
    /// A byte was not what RFC 9112 section 7.1 asks for.
    Malformed(&'static str),
}

impl Wire {
    pub(crate) fn new(stream: impl Io + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            unread: Vec::new(),
        }
    }

    /// The stream itself, for an HTTP/2 engine; nothing may be unread.
    pub(crate) fn into_stream(self) -> Box<dyn Io> {
        assert!(self.unread.is_empty(), "bytes were read before");
        self.stream
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Ends the sending half.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// What was read already and nobody took.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.unread
    }

    /// Reads once; the number of new bytes, none where the peer is gone.
    pub(crate) async fn more(&mut self) -> usize {
        let before = self.unread.len();
        self.unread.reserve(16 * 1024);
        // A reset, and a TLS stream cut without its closing alert, are an end too.
        let count = self.stream.read_buf(&mut self.unread).await.unwrap_or(0);
        debug_assert_eq!(before + count, self.unread.len());
        count
    }

    /// Everything up to and with `end`; none where the stream ends before.
    pub(crate) async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        let mut searched = 0;
        loop {
            if let Some(at) = find(&self.unread[searched..], end) {
                return Some(self.unread.drain(..searched + at + end.len()).collect());
            }
            searched = self.unread.len().saturating_sub(end.len() - 1);
            if self.more().await == 0 {
                return None;
            }
        }
    }

    /// At most `limit` bytes, as they come; empty at the end of the stream.
    pub(crate) async fn some(&mut self, limit: usize) -> Vec<u8> {
        if self.unread.is_empty() {
            self.more().await;
        }
        let count = self.unread.len().min(limit);
        self.unread.drain(..count).collect()
    }

    /// Exactly `count` bytes; none where the stream ends before.
    pub(crate) async fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.unread.len() < count {
            if self.more().await == 0 {
                return None;
            }
        }
        Some(self.unread.drain(..count).collect())
    }

    /// One strict chunk: its data, empty for the last one. Extensions and
    /// trailers are malformed: nobody in these tests may send any.
    pub(crate) async fn chunk(&mut self) -> Result<Vec<u8>, Cut> {
        let line = self.until(b"\n").await.ok_or(Cut::Ended)?;
        let size = chunk_size(&line).ok_or(Cut::Malformed("chunk size line"))?;
        let mut data = self.exactly(size + 2).await.ok_or(Cut::Ended)?;
        if data.split_off(size) != b"\r\n" {
            return Err(Cut::Malformed("no CRLF after a chunk"));
        }
        Ok(data)
    }

    /// Reads until the peer closes; what came before that.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.more().await > 0 {}
        std::mem::take(&mut self.unread)
    }
}

fn chunk_size(line: &[u8]) -> Option<usize> {
    let digits = line.strip_suffix(b"\r\n")?;
    if digits.is_empty() || digits.len() > 16 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}
