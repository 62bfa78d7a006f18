//! HTTP/2 frame by frame, for what no engine would send.

use super::wire::{Io, Wire};
use super::within;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One connection.
pub(crate) struct Frames(pub(crate) Wire);

/// A received frame.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// How a stream came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// `END_STREAM`.
    Whole,
    /// `RST_STREAM` with this code.
    Reset(u32),
    /// `GOAWAY` with this code, which is not `NO_ERROR`.
    GoAway(u32),
    /// The connection was closed without a word.
    Closed,
}

/// An answer without its fields.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) status: Option<u16>,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
}

impl Frames {
    /// Sends the preface and an empty `SETTINGS`.
    pub(crate) async fn connect(stream: Box<dyn Io>) -> Self {
        let mut frames = Self(Wire::new(stream));
        frames
            .send([PREFACE, &frame(SETTINGS, 0, 0, b"")].concat())
            .await;
        frames
    }

    /// Sends bytes; false where the peer takes no more.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sent = within("the peer takes the bytes", self.0.write(bytes.as_ref())).await;
        sent.is_ok()
    }

    /// The next frame; none at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        within("a frame or the end", self.read()).await
    }

    /// The next frame of this kind; what comes before it is skipped.
    pub(crate) async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Reads until `stream` is over, one way or another.
    pub(crate) async fn outcome(&mut self, stream: u32) -> Outcome {
        let (mut status, mut body) = (None, Vec::new());
        let end = loop {
            let Some(frame) = self.next().await else {
                break End::Closed;
            };
            match frame.kind {
                HEADERS if frame.stream == stream => status = status.or(frame.status()),
                DATA if frame.stream == stream => body.extend(&frame.payload),
                RST_STREAM if frame.stream == stream => {
                    break End::Reset(number(&frame.payload, 0));
                }
                GOAWAY if number(&frame.payload, 4) != 0 => {
                    break End::GoAway(number(&frame.payload, 4));
                }
                _ => continue,
            }
            if frame.flags & END_STREAM != 0 {
                break End::Whole;
            }
        };
        Outcome { status, body, end }
    }

    /// Reads until the connection is closed; the code of its `GOAWAY`, if there was one.
    pub(crate) async fn closed(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next().await {
            if frame.kind == GOAWAY {
                code = Some(number(&frame.payload, 4));
            } else if frame.kind == PING && frame.flags & ACK == 0 {
                // Who says goodbye politely waits for this.
                self.send(pong(&frame.payload)).await;
            }
        }
        code
    }

    async fn read(&mut self) -> Option<Frame> {
        let head = self.0.exactly(9).await?;
        let length = number(&[0, head[0], head[1], head[2]], 0);
        let payload = self.0.exactly(length as usize).await?;
        let (kind, flags) = (head[3], head[4]);
        let stream = number(&head, 5);
        Some(Frame {
            kind,
            flags,
            stream,
            payload,
        })
    }
}

impl Frame {
    /// The status, where the block begins with one that no earlier answer of
    /// the connection put into the dynamic table.
    fn status(&self) -> Option<u16> {
        const STATIC: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
        let first = *self.payload.first()?;
        match first {
            0x88..=0x8e => Some(STATIC[usize::from(first - 0x88)]),
            // A literal with the name ":status": incremental, not, or never indexed.
            0x48 | 0x08 | 0x18 => digits(self.payload.get(1..)?),
            _ => None,
        }
    }
}

fn pong(payload: &[u8]) -> Vec<u8> {
    frame(PING, ACK, 0, payload)
}

/// A frame as it goes over the wire.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A field block: every field a literal, never indexed, not Huffman-coded.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0x10);
        for text in [name, value] {
            bytes.extend(length(text.len()));
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

/// A whole `GET` in one frame.
pub(crate) fn get(stream: u32, host: &str, target: &str) -> Vec<u8> {
    let fields = request("GET", host, target);
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&fields))
}

/// The pseudo-header fields of a request.
pub(crate) fn request<'a>(
    method: &'a str,
    host: &'a str,
    target: &'a str,
) -> [(&'a str, &'a str); 4] {
    [
        (":method", method),
        (":scheme", "https"),
        (":authority", host),
        (":path", target),
    ]
}

/// An integer with a prefix of seven bits (RFC 7541, 5.1).
fn length(mut value: usize) -> Vec<u8> {
    if value < 0x7f {
        return vec![u8::try_from(value).unwrap()];
    }
    let mut bytes = vec![0x7f];
    value -= 0x7f;
    while value >= 0x80 {
        bytes.push(0x80 | u8::try_from(value % 0x80).unwrap());
        value /= 0x80;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

/// Three digits, plain or Huffman-coded.
fn digits(text: &[u8]) -> Option<u16> {
    let (length, bytes) = text.split_first()?;
    if length & 0x80 == 0 {
        return std::str::from_utf8(bytes.get(..3)?).ok()?.parse().ok();
    }
    let bytes = bytes.get(..usize::from(length & 0x7f))?;
    let mut bits = bytes
        .iter()
        .fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
    bits <<= 32 - 8 * bytes.len();
    let mut value = 0;
    for _ in 0..3 {
        // 0, 1 and 2 have five bits, 3 to 9 have six.
        let (digit, width) = match bits >> 27 {
            short @ 0..=2 => (short, 5),
            _ => ((bits >> 26).checked_sub(0b01_1001)? + 3, 6),
        };
        value = value * 10 + u16::try_from(digit).ok()?;
        bits <<= width;
    }
    Some(value)
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_status_in_each_of_its_spellings() {
        // RFC 7541, C.6.1 and C.6.2, have "302" and "307" in Huffman code.
        for (payload, status) in [
            (&[0x88][..], 200),
            (&[0x8d], 404),
            (b"\x48\x03413", 413),
            (&[0x48, 0x82, 0x64, 0x02], 302),
            (&[0x48, 0x83, 0x64, 0x0e, 0xff], 307),
        ] {
            let (kind, flags, stream, payload) = (HEADERS, 0, 1, payload.to_vec());
            let frame = Frame {
                kind,
                flags,
                stream,
                payload,
            };
            assert_eq!(frame.status(), Some(status));
        }
    }

    #[test]
    fn writes_lengths_beyond_the_prefix() {
        assert_eq!(length(10), [10]);
        assert_eq!(length(0x7f), [0x7f, 0]);
        assert_eq!(length(1337), [0x7f, 0xba, 0x09]);
    }
}
