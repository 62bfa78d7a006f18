//! Whether a text is canonical JSON, while it comes.

use super::MOST_DIGITS;
use super::nesting::Nesting;
use super::utf8::Utf8;
use super::window::Window;

/// Checks that a text is an object in canonical JSON, piece by piece.
///
/// Whatever it accepts, Python reads and writes again as the very same bytes. It may refuse a text that is canonical
/// where that is deeper than [`MOST_DEPTH`](super::MOST_DEPTH) or has names of more than 16 KiB within each other,
/// which is as much as it keeps.
#[derive(Debug)]
pub struct CanonicalCheck {
    state: State,
    utf8: Utf8,
    nesting: Nesting,
    /// Of the number that is being read.
    digits: usize,
    /// What has not come of the literal that is being read.
    literal: &'static [u8],
    /// What the escape that is being read belongs to: a name, or a string.
    escaped: State,
    /// The first of the two digits by which escapes differ.
    high_digit: u8,
}

/// A piece that is being read.
struct Reading<'p> {
    piece: &'p [u8],
    window: Window<'p>,
}

/// What may come next. One byte, since it is read and written all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Value,
    FirstElement,
    FirstName,
    NextName,
    Name,
    Colon,
    String,
    /// A comma, or the end of an array or object.
    AfterValue,
    Literal,
    /// Digits, after a minus sign.
    Negative,
    /// Further digits.
    Digits,
    /// What follows a backslash.
    Escape,
    /// The digits of an escape: `00`, and two that differ.
    FirstZero,
    SecondZero,
    HighDigit,
    LowDigit,
    /// Nothing.
    End,
}

impl Default for CanonicalCheck {
    fn default() -> Self {
        Self {
            state: State::Start,
            utf8: Utf8::default(),
            nesting: Nesting::default(),
            digits: 0,
            literal: b"",
            escaped: State::String,
            high_digit: 0,
        }
    }
}

impl CanonicalCheck {
    /// Looks at the next piece. `false`: the text is not canonical JSON, whatever follows.
    #[must_use]
    pub fn accepts(&mut self, piece: &[u8]) -> bool {
        self.utf8.accepts(piece) && self.advance(piece).is_some()
    }

    /// Whether the text may end here.
    pub fn is_complete(&self) -> bool {
        self.state == State::End && self.utf8.is_complete()
    }

    fn advance(&mut self, piece: &[u8]) -> Option<()> {
        let (mut state, mut rest) = (self.state, piece);
        let mut reading = Reading {
            piece,
            window: Window::new(piece),
        };
        while let Some((&byte, after)) = rest.split_first() {
            (state, rest) = match state {
                State::Name => self.name(&mut reading, rest)?,
                State::String => self.string(&mut reading, rest)?,
                State::Digits => self.digits(rest)?,
                State::AfterValue => self.after_value(byte, after)?,
                State::Value => self.value(byte, after)?,
                State::FirstElement if byte != b']' => self.value(byte, after)?,
                State::FirstElement
                | State::Start
                | State::FirstName
                | State::NextName
                | State::Colon
                | State::Literal
                | State::Negative
                | State::Escape
                | State::FirstZero
                | State::SecondZero
                | State::HighDigit
                | State::LowDigit
                | State::End => (self.next(state, byte)?, after),
            };
        }
        self.state = state;
        self.nesting.copy_names(piece)
    }

    /// The state after a byte that stands alone.
    fn next(&mut self, state: State, byte: u8) -> Option<State> {
        match (state, byte) {
            (State::Start, b'{') => self.enter(true),
            (State::FirstElement, b']') | (State::FirstName, b'}') => self.leave(),
            (State::FirstName | State::NextName, b'"') => Some(State::Name),
            (State::Colon, b':') => Some(State::Value),
            (State::Literal, _) => {
                let (next, rest) = self.literal.split_first()?;
                self.literal = rest;
                let is_over = rest.is_empty();
                (*next == byte).then_some(if is_over { State::AfterValue } else { state })
            }
            (State::Negative, b'1'..=b'9') => {
                self.digits = 1;
                Some(State::Digits)
            }
            (State::Escape, _) => self.escape(byte),
            (State::FirstZero, b'0') => Some(State::SecondZero),
            (State::SecondZero, b'0') => Some(State::HighDigit),
            (State::HighDigit, b'0' | b'1') => {
                self.high_digit = byte - b'0';
                Some(State::LowDigit)
            }
            (State::LowDigit, _) => self.low_digit(byte),
            _ => None,
        }
    }

    #[inline]
    fn value<'p>(&mut self, byte: u8, after: &'p [u8]) -> Option<(State, &'p [u8])> {
        let state = match byte {
            b'"' => State::String,
            b'{' => {
                let state = self.enter(true)?;
                if let [b'"', after @ ..] = after {
                    return Some((State::Name, after));
                }
                state
            }
            b'[' => self.enter(false)?,
            // What follows it is looked at as what follows a value.
            b'0' => State::AfterValue,
            b'1'..=b'9' => {
                self.digits = 1;
                State::Digits
            }
            b'-' => State::Negative,
            b't' | b'f' | b'n' => {
                self.literal = match byte {
                    b't' => b"rue",
                    b'f' => b"alse",
                    _ => b"ull",
                };
                State::Literal
            }
            _ => return None,
        };
        Some((state, after))
    }

    fn enter(&mut self, is_object: bool) -> Option<State> {
        self.nesting.enter(is_object)?;
        Some(if is_object {
            State::FirstName
        } else {
            State::FirstElement
        })
    }

    fn leave(&mut self) -> Option<State> {
        let is_end = self.nesting.leave()?;
        Some(if is_end {
            State::End
        } else {
            State::AfterValue
        })
    }

    #[inline]
    fn after_value<'p>(&mut self, byte: u8, after: &'p [u8]) -> Option<(State, &'p [u8])> {
        let is_object = self.nesting.is_object()?;
        match (byte, is_object, after) {
            (b',', true, [b'"', after @ ..]) => Some((State::Name, after)),
            (b',', true, _) => Some((State::NextName, after)),
            (b',', false, [value, after @ ..]) => self.value(*value, after),
            (b',', false, []) => Some((State::Value, after)),
            (b'}', true, _) | (b']', false, _) => Some((self.leave()?, after)),
            _ => None,
        }
    }

    #[inline]
    fn digits<'p>(&mut self, piece: &'p [u8]) -> Option<(State, &'p [u8])> {
        let more = piece
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let rest = piece.get(more..)?;
        self.digits += more;
        if self.digits > MOST_DIGITS {
            return None;
        }
        match rest {
            [byte, after @ ..] => self.after_value(*byte, after),
            [] => Some((State::Digits, rest)),
        }
    }

    #[inline]
    fn string<'p>(
        &mut self,
        reading: &mut Reading<'p>,
        rest: &'p [u8],
    ) -> Option<(State, &'p [u8])> {
        let mut rest = rest;
        loop {
            let end = reading.window.special(reading.piece.len() - rest.len());
            match reading.piece.get(end..)? {
                [b'"', byte, after @ ..] => return self.after_value(*byte, after),
                [b'"'] => return Some((State::AfterValue, &[])),
                [
                    b'\\',
                    b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't',
                    after @ ..,
                ] => rest = after,
                [b'\\', after @ ..] => {
                    self.escaped = State::String;
                    return Some((State::Escape, after));
                }
                [] => return Some((State::String, &[])),
                _ => return None,
            }
        }
    }

    #[inline]
    fn name<'p>(&mut self, reading: &mut Reading<'p>, rest: &'p [u8]) -> Option<(State, &'p [u8])> {
        let piece = reading.piece;
        let start = piece.len() - rest.len();
        let end = reading.window.special(start);
        let (part, after) = rest.split_at_checked(end - start)?;
        match after {
            [b'"', after @ ..] => {
                self.nesting.end_name(piece, start, end)?;
                match after {
                    [b':', value, after @ ..] => self.value(*value, after),
                    _ => Some((State::Colon, after)),
                }
            }
            [b'\\', after @ ..] => {
                self.nesting.add_to_name(part)?;
                self.escaped = State::Name;
                Some((State::Escape, after))
            }
            [] => {
                self.nesting.add_to_name(part)?;
                Some((State::Name, after))
            }
            _ => None,
        }
    }

    fn escape(&mut self, byte: u8) -> Option<State> {
        let character = match byte {
            b'"' | b'\\' => byte,
            b'b' => 0x8,
            b'f' => 0xc,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return Some(State::FirstZero),
            _ => return None,
        };
        self.end_escape(character)
    }

    /// The end of an escape with digits: of a control character that has no shorter one.
    fn low_digit(&mut self, byte: u8) -> Option<State> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        let character = self.high_digit << 4 | digit;
        let has_shorter = matches!(character, 0x8 | 0x9 | 0xa | 0xc | 0xd);
        if has_shorter {
            return None;
        }
        self.end_escape(character)
    }

    fn end_escape(&mut self, character: u8) -> Option<State> {
        if self.escaped == State::Name {
            self.nesting.add_to_name(&[character])?;
        }
        Some(self.escaped)
    }
}
