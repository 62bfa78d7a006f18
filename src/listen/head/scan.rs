//! Finds the end of a request head while its bytes come in.

use super::{Limits, Refusal, is_token, request_line};

/// A method, two spaces and the version are in the request line beside the target.
const LINE_BESIDE_TARGET: usize = 32;

/// Whether a byte ends a line, or stands in no head.
const fn is_special(byte: u8) -> bool {
    matches!(byte, 0..=0x08 | 0x0A..=0x1F | 0x7F)
}

/// Whether a head, or the one empty line that may stand before it, may begin with `byte`. Of the
/// special ones `take` has more to say.
fn may_begin(byte: u8) -> bool {
    is_special(byte) || is_token(byte)
}

/// Finds the end of a head as its bytes come in, and refuses at once what cannot become one.
#[derive(Debug, Default)]
pub struct Scan {
    start: usize,
    position: usize,
    line_start: usize,
    lines: usize,
    after_cr: bool,
}

impl Scan {
    /// Looks at the bytes that are new since the last call; `bytes` is everything so far.
    /// Gives where the head begins and ends once it is complete.
    pub fn advance(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<Option<(usize, usize)>, Refusal> {
        while let Some(byte) = bytes.get(self.position) {
            if self.lines == 0 && self.position == self.line_start && !may_begin(*byte) {
                return Err(Refusal::RequestLine);
            }
            let rest = bytes.get(self.position..).unwrap_or_default();
            let plain = rest.iter().position(|byte| is_special(*byte));
            self.position += match plain.unwrap_or(rest.len()) {
                0 => 1,
                _ if self.after_cr => return Err(Refusal::LineEnd),
                plain => plain,
            };
            let line = self.line_start..self.position - 1;
            let line = bytes.get(line).unwrap_or_default();
            if plain == Some(0) && self.take(*byte, line, limits)? {
                return Ok(Some((self.start, self.position)));
            }
            let longest = limits.target_size + LINE_BESIDE_TARGET;
            if self.lines == 0 && self.position - self.line_start > longest {
                return Err(Refusal::TargetTooLong);
            }
            if self.position > limits.head_size {
                return Err(Refusal::HeadTooLarge);
            }
        }
        Ok(None)
    }

    /// Takes a special byte; `line` is what stands before it in its line. True when the head ends
    /// with it.
    fn take(&mut self, byte: u8, line: &[u8], limits: &Limits) -> Result<bool, Refusal> {
        match byte {
            b'\n' if self.after_cr => {
                self.end_line(line.strip_suffix(b"\r").unwrap_or(line), limits)
            }
            b'\r' if !self.after_cr => {
                self.after_cr = true;
                Ok(false)
            }
            b'\r' | b'\n' => Err(Refusal::LineEnd),
            _ if self.after_cr => Err(Refusal::LineEnd),
            _ => Err(Refusal::Control),
        }
    }

    /// Takes a line without its end. True when it was the last.
    fn end_line(&mut self, line: &[u8], limits: &Limits) -> Result<bool, Refusal> {
        self.line_start = self.position;
        self.after_cr = false;
        if line.is_empty() && self.lines > 0 {
            return Ok(true);
        }
        if line.is_empty() && self.start == 0 {
            // RFC 9112, 2.2: one empty line before a request is to be ignored.
            self.start = self.position;
            return Ok(false);
        }
        if self.lines == 0 {
            // Checked at once: whoever speaks HTTP/0.9 or nonsense sends no more and waits.
            request_line(line, limits)?;
        } else if self.lines > limits.head_fields {
            return Err(Refusal::TooManyFields);
        }
        self.lines += 1;
        Ok(false)
    }
}
