//! Finds the end of a request head while its bytes come in.

use super::{Limits, Refusal, is_token, request_line};

/// A method, two spaces and the version are in the request line beside the target.
const LINE_BESIDE_TARGET: usize = 32;

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
            let line = bytes
                .get(self.line_start..self.position)
                .unwrap_or_default();
            self.position += 1;
            if self.take(*byte, line, limits)? {
                return Ok(Some((self.start, self.position)));
            }
            if self.lines == 0 && line.len() > limits.target_size + LINE_BESIDE_TARGET {
                return Err(Refusal::TargetTooLong);
            }
            if self.position > limits.head_size {
                return Err(Refusal::HeadTooLarge);
            }
        }
        Ok(None)
    }

    /// Takes a byte; `line` is what stands before it in its line. True when the head ends with it.
    fn take(&mut self, byte: u8, line: &[u8], limits: &Limits) -> Result<bool, Refusal> {
        match byte {
            b'\n' if self.after_cr => {
                return self.end_line(line.strip_suffix(b"\r").unwrap_or(line), limits);
            }
            _ if self.after_cr => return Err(Refusal::LineEnd),
            b'\r' => self.after_cr = true,
            b'\n' => return Err(Refusal::LineEnd),
            b'\t' => {}
            0..=0x1F | 0x7F => return Err(Refusal::Control),
            byte if self.lines == 0 && line.is_empty() && !is_token(byte) => {
                return Err(Refusal::RequestLine);
            }
            _ => {}
        }
        Ok(false)
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
