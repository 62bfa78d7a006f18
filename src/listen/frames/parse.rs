//! The state machine that finds frame headers in a stream of bytes.

/// RFC 9113, 3.4.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;

const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;

/// What a piece of the stream meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Nothing to note.
    Nothing,
    /// The stream does not begin as HTTP/2 does.
    NotHttp2,
    /// So many bytes of a request body.
    Data(u64),
    /// A frame that brings nothing: control frames, unknown frames and empty ones.
    Idle,
    /// A header block has begun.
    BlockOpened,
}

/// Reads frame headers, and skips what is in the frames.
#[derive(Debug, Default)]
pub struct Parser {
    greeting: Greeting,
    header: [u8; HEADER],
    filled: usize,
    /// Bytes of the frame's payload that are still to come.
    payload: u32,
    kind: u8,
    /// The next byte tells how much of a DATA frame is padding.
    pad_length_next: bool,
    /// Padding at the end of the payload.
    padding: u32,
    block: Block,
}

/// How far the client's connection preface came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greeting {
    /// So many bytes of [`PREFACE`] were read.
    Preface(usize),
    /// The first frame, SETTINGS, is due.
    Settings,
    /// The payload of the first SETTINGS is being read.
    SettingsPayload,
    Complete,
}

impl Default for Greeting {
    fn default() -> Self {
        Self::Preface(0)
    }
}

/// The header block that is being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Block {
    #[default]
    None,
    /// It goes on after this frame.
    Open,
    /// It ends with this frame.
    Last,
}

impl Parser {
    /// Whether preface and SETTINGS have been read whole.
    pub fn is_greeted(&self) -> bool {
        self.greeting == Greeting::Complete
    }

    /// Whether a header block has begun and not ended.
    pub fn is_block_open(&self) -> bool {
        self.block != Block::None
    }

    /// Takes bytes from the front of `bytes`, which are not empty. Gives the rest.
    pub(super) fn next<'a>(&mut self, bytes: &'a [u8]) -> (Event, &'a [u8]) {
        if let Greeting::Preface(read) = self.greeting {
            return self.take_preface(read, bytes);
        }
        if self.payload > 0 {
            return self.take_payload(bytes);
        }
        let length = (HEADER - self.filled).min(bytes.len());
        let (front, rest) = bytes.split_at(length);
        for (to, from) in self.header.iter_mut().skip(self.filled).zip(front) {
            *to = *from;
        }
        self.filled += length;
        if self.filled < HEADER {
            return (Event::Nothing, rest);
        }
        self.filled = 0;
        (self.begin_frame(), rest)
    }

    fn take_preface<'a>(&mut self, read: usize, bytes: &'a [u8]) -> (Event, &'a [u8]) {
        let expected = PREFACE.get(read..).unwrap_or_default();
        let (front, rest) = bytes.split_at(expected.len().min(bytes.len()));
        if !expected.starts_with(front) {
            return (Event::NotHttp2, rest);
        }
        self.greeting = if front.len() == expected.len() {
            Greeting::Settings
        } else {
            Greeting::Preface(read + front.len())
        };
        (Event::Nothing, rest)
    }

    fn begin_frame(&mut self) -> Event {
        let [a, b, c, kind, flags, ..] = self.header;
        self.payload = u32::from_be_bytes([0, a, b, c]);
        self.kind = kind;
        self.padding = 0;
        self.pad_length_next = kind == DATA && flags & PADDED != 0 && self.payload > 0;
        if self.greeting == Greeting::Settings {
            if kind != SETTINGS || flags & ACK != 0 {
                return Event::NotHttp2;
            }
            self.greeting = Greeting::SettingsPayload;
            self.end_payload();
            return Event::Nothing;
        }
        match kind {
            HEADERS | CONTINUATION => {
                let is_new = self.block == Block::None;
                self.block = if flags & END_HEADERS == 0 {
                    Block::Open
                } else {
                    Block::Last
                };
                self.end_payload();
                if self.payload == 0 {
                    Event::Idle
                } else if is_new {
                    Event::BlockOpened
                } else {
                    Event::Nothing
                }
            }
            DATA if self.payload > 0 => Event::Nothing,
            _ => Event::Idle,
        }
    }

    fn take_payload<'a>(&mut self, bytes: &'a [u8]) -> (Event, &'a [u8]) {
        if self.pad_length_next {
            self.pad_length_next = false;
            self.payload -= 1;
            let (front, rest) = bytes.split_at(1);
            self.padding = front.first().map_or(0, |b| u32::from(*b)).min(self.payload);
            // A frame of padding only brings nothing.
            let is_idle = self.padding == self.payload;
            return (if is_idle { Event::Idle } else { Event::Nothing }, rest);
        }
        let length = bytes.len().min(self.payload as usize);
        let (_, rest) = bytes.split_at(length);
        let before = self.payload.saturating_sub(self.padding);
        // `length` is at most `payload`.
        self.payload -= u32::try_from(length).unwrap_or(self.payload);
        let after = self.payload.saturating_sub(self.padding);
        self.end_payload();
        let event = if self.kind == DATA && before > after {
            Event::Data(u64::from(before - after))
        } else {
            Event::Nothing
        };
        (event, rest)
    }

    /// Notes what ends with the payload, where it has ended.
    fn end_payload(&mut self) {
        if self.payload > 0 {
            return;
        }
        if self.greeting == Greeting::SettingsPayload {
            self.greeting = Greeting::Complete;
        }
        if self.block == Block::Last {
            self.block = Block::None;
        }
    }
}
