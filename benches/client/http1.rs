//! HTTP/1.1 on one connection, kept alive.

use std::io::{self, ErrorKind};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{HOST, Stream};

/// A connection.
pub(crate) struct Http1<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl<S: Stream> Http1<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: vec![0; 128 * 1024],
        }
    }

    /// Sends a request and reads the whole answer; its body's length.
    pub(crate) async fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> io::Result<usize> {
        let length = match body.len() {
            0 => String::new(),
            length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
        };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n{length}\r\n");
        self.stream
            .write_all(&[head.as_bytes(), body].concat())
            .await?;
        let mut filled = 0;
        loop {
            let space = self.buffer.get_mut(filled..).unwrap_or_default();
            match self.stream.read(space).await? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
            let answer = self.buffer.get(..filled).unwrap_or_default();
            if let Some((head, length)) = lengths(answer)?
                && filled >= head + length
            {
                return Ok(length);
            }
        }
    }
}

/// The lengths of an answer's head and body, once the head is whole and says 200.
fn lengths(answer: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(answer.get(..end).unwrap_or_default());
    let mut lines = head.split("\r\n");
    let is_right = lines.next().is_some_and(|line| line.contains(" 200 "));
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        value.trim().parse().ok().filter(|_| is_length)
    });
    match length {
        Some(length) if is_right => Ok(Some((end + 4, length))),
        _ => Err(io::Error::other(format!("an unexpected answer: {head}"))),
    }
}
