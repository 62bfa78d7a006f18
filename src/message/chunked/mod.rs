//! A strict decoder of the chunked transfer coding (RFC 9112, 7.1).
//!
//! It takes one reading only, and it knows the exact end, so that not a byte of the next message
//! is taken for a part of this one. Extensions and trailers are checked and dropped.

use bytes::BytesMut;

/// Most hexadecimal digits of a chunk size.
const SIZE_DIGITS: u8 = 16;
/// Longest line of a chunk size with its extensions.
const SIZE_LINE: usize = 1 << 10;
/// Most bytes of extensions in one body.
const EXTENSIONS: usize = 16 << 10;
/// Most bytes of trailer fields in one body.
const TRAILERS: usize = 8 << 10;

/// Why a chunked body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The size is missing, has a foreign character or more than 16 digits, or is beyond 63 bits.
    #[error("malformed chunk size")]
    Size,
    /// The line of the size is longer than 1 KiB.
    #[error("chunk size line too long")]
    SizeLine,
    /// A control character in an extension.
    #[error("control character in a chunk extension")]
    Extension,
    /// More than 16 KiB of extensions.
    #[error("too many chunk extensions")]
    Extensions,
    /// A line, or the data of a chunk, that does not end in CR LF.
    #[error("chunk without CR LF at its end")]
    LineEnd,
    /// A trailer that is not `name: value`.
    #[error("malformed trailer")]
    Trailer,
    /// More than 8 KiB of trailers.
    #[error("trailers too long")]
    Trailers,
}

/// How far the body came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All bytes belong to the body, and it goes on.
    More,
    /// The body ends after so many of the bytes; the rest belongs to the next message.
    End(usize),
}

/// Where in the grammar the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the digits of a size; so many were read.
    Size(u8),
    /// White space after the size, which only an extension may follow.
    SizeSpace,
    /// In an extension.
    Extension,
    /// The LF of a size line.
    SizeLineFeed,
    /// In the data of a chunk.
    Data,
    /// The CR after the data.
    DataReturn,
    /// The LF after the data.
    DataLineFeed,
    /// At the first byte of a trailer or of the last line.
    TrailerStart,
    /// In the name of a trailer.
    TrailerName,
    /// In the value of a trailer.
    TrailerValue,
    /// The LF of a trailer.
    TrailerLineFeed,
    /// The LF of the last line.
    LastLineFeed,
    /// Nothing more belongs to the body.
    Ended,
}

/// Decodes one chunked body, in whatever pieces it arrives.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// The size being read, then what is left of the chunk's data.
    left: u64,
    line: usize,
    extensions: usize,
    trailers: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            state: State::Size(0),
            left: 0,
            line: 0,
            extensions: 0,
            trailers: 0,
        }
    }
}

impl Decoder {
    /// Takes the next bytes of the body, and adds what of them is data to `data`.
    pub fn decode(&mut self, bytes: &[u8], data: &mut BytesMut) -> Result<Progress, Violation> {
        let mut position = 0;
        while let Some(byte) = bytes.get(position) {
            if self.state == State::Data {
                let length = self.skip_data(bytes.len() - position);
                let chunk = bytes.get(position..position + length);
                data.extend_from_slice(chunk.unwrap_or_default());
                position += length;
                continue;
            }
            if self.state == State::Ended {
                return Ok(Progress::End(position));
            }
            self.state = self.step(*byte)?;
            position += 1;
        }
        Ok(if self.state == State::Ended {
            Progress::End(position)
        } else {
            Progress::More
        })
    }

    /// Skips data, of which `here` bytes have arrived at most. Gives how many it were.
    fn skip_data(&mut self, here: usize) -> usize {
        let step = usize::try_from(self.left).map_or(here, |left| left.min(here));
        self.left -= step as u64;
        if self.left == 0 {
            self.state = State::DataReturn;
        }
        step
    }

    /// Whether the end of the body has been seen.
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    fn step(&mut self, byte: u8) -> Result<State, Violation> {
        match self.state {
            State::Size(digits) => self.size(digits, byte),
            State::SizeSpace => {
                self.lengthen_line()?;
                match byte {
                    b' ' | b'\t' => Ok(State::SizeSpace),
                    b';' => Ok(State::Extension),
                    _ => Err(Violation::Size),
                }
            }
            State::Extension => self.extension(byte),
            State::SizeLineFeed => self.end_size_line(byte),
            State::DataReturn => expect(byte, b'\r', State::DataLineFeed),
            State::DataLineFeed => {
                self.line = 0;
                expect(byte, b'\n', State::Size(0))
            }
            State::TrailerStart | State::TrailerName | State::TrailerValue => self.trailer(byte),
            State::TrailerLineFeed => expect(byte, b'\n', State::TrailerStart),
            State::LastLineFeed => expect(byte, b'\n', State::Ended),
            // Both are taken by `decode`.
            State::Data | State::Ended => Ok(self.state),
        }
    }

    fn size(&mut self, digits: u8, byte: u8) -> Result<State, Violation> {
        self.lengthen_line()?;
        if let Some(digit) = char::from(byte).to_digit(16) {
            if digits == SIZE_DIGITS {
                return Err(Violation::Size);
            }
            self.left = (self.left << 4) | u64::from(digit);
            return Ok(State::Size(digits + 1));
        }
        if digits == 0 || self.left > u64::MAX >> 1 {
            return Err(Violation::Size);
        }
        match byte {
            b'\r' => Ok(State::SizeLineFeed),
            b';' => Ok(State::Extension),
            b' ' | b'\t' => Ok(State::SizeSpace),
            _ => Err(Violation::Size),
        }
    }

    fn extension(&mut self, byte: u8) -> Result<State, Violation> {
        self.lengthen_line()?;
        self.extensions += 1;
        if self.extensions > EXTENSIONS {
            return Err(Violation::Extensions);
        }
        match byte {
            b'\r' => Ok(State::SizeLineFeed),
            b'\t' | 0x20..=0x7E | 0x80.. => Ok(State::Extension),
            _ => Err(Violation::Extension),
        }
    }

    fn end_size_line(&mut self, byte: u8) -> Result<State, Violation> {
        let next = if self.left == 0 {
            State::TrailerStart
        } else {
            State::Data
        };
        expect(byte, b'\n', next)
    }

    fn trailer(&mut self, byte: u8) -> Result<State, Violation> {
        let is_start = self.state == State::TrailerStart;
        if is_start && byte == b'\r' {
            return Ok(State::LastLineFeed);
        }
        self.trailers += 1;
        if self.trailers > TRAILERS {
            return Err(Violation::Trailers);
        }
        if self.state == State::TrailerValue {
            return match byte {
                b'\r' => Ok(State::TrailerLineFeed),
                b'\t' | 0x20..=0x7E | 0x80.. => Ok(State::TrailerValue),
                _ => Err(Violation::Trailer),
            };
        }
        match byte {
            b':' if !is_start => Ok(State::TrailerValue),
            byte if super::syntax::is_token(byte) => Ok(State::TrailerName),
            _ => Err(Violation::Trailer),
        }
    }

    fn lengthen_line(&mut self) -> Result<(), Violation> {
        self.line += 1;
        if self.line > SIZE_LINE {
            Err(Violation::SizeLine)
        } else {
            Ok(())
        }
    }
}

fn expect(byte: u8, wanted: u8, next: State) -> Result<State, Violation> {
    if byte == wanted {
        Ok(next)
    } else {
        Err(Violation::LineEnd)
    }
}

#[cfg(test)]
mod tests;
