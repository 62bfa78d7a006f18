//! Whether a text is canonical JSON, while it comes.

use super::string::plain_run;
use super::utf8::Utf8;
use super::{MOST_DEPTH, MOST_DIGITS};

/// Bytes of names that are kept, of the last one of each object that has not ended.
const MOST_NAMES: usize = 16 * 1024;

/// Checks that a text is an object in canonical JSON, piece by piece.
///
/// Whatever it accepts, Python reads and writes again as the very same bytes. It may refuse a text that is canonical
/// where that is deeper than [`MOST_DEPTH`] or has names of more than 16 KiB within each other, which is as much as it
/// keeps.
#[derive(Debug)]
pub struct CanonicalCheck {
    state: State,
    utf8: Utf8,
    open: Vec<Open>,
    /// The last names of the objects that are open, one after the other.
    names: Vec<u8>,
    /// What has come of the name that is being read.
    name: Vec<u8>,
    is_first_name: bool,
}

/// An array or an object that has not ended.
#[derive(Clone, Copy, Debug)]
struct Open {
    is_object: bool,
    /// Where its last name begins among all.
    names: usize,
}

/// What may come next.
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
    /// What remains of a literal.
    Literal(&'static [u8]),
    /// Digits, after a minus sign.
    Negative,
    /// Further digits; so many have come.
    Digits(usize),
    Escape(Within),
    /// The digits of an escape, of which some have come.
    Unicode(Within, UnicodeEscape),
    /// Nothing.
    End,
}

/// What an escape belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Name,
    String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UnicodeEscape {
    FirstZero,
    SecondZero,
    High,
    Low(u8),
}

impl Default for CanonicalCheck {
    fn default() -> Self {
        Self {
            state: State::Start,
            utf8: Utf8::default(),
            open: Vec::new(),
            names: Vec::new(),
            name: Vec::new(),
            is_first_name: true,
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
        let mut rest = piece;
        while let Some((&byte, after)) = rest.split_first() {
            rest = match self.state {
                State::Name => self.name(rest)?,
                State::String => self.string(rest)?,
                State::Digits(count) => self.digits(rest, count)?,
                State::AfterValue => self.after_value(byte, after)?,
                state @ (State::Start
                | State::Value
                | State::FirstElement
                | State::FirstName
                | State::NextName
                | State::Colon
                | State::Literal(_)
                | State::Negative
                | State::Escape(_)
                | State::Unicode(..)
                | State::End) => {
                    self.state = self.next(state, byte)?;
                    after
                }
            };
        }
        Some(())
    }

    /// The state after a byte that stands alone.
    fn next(&mut self, state: State, byte: u8) -> Option<State> {
        match (state, byte) {
            (State::Start, b'{') => self.enter(true),
            (State::FirstElement, b']') | (State::FirstName, b'}') => self.leave(),
            (State::Value | State::FirstElement, _) => self.value(byte),
            (State::FirstName | State::NextName, b'"') => {
                self.is_first_name = state == State::FirstName;
                Some(State::Name)
            }
            (State::Colon, b':') => Some(State::Value),
            (State::Literal(expected), _) => match expected.split_first()? {
                (&next, []) if next == byte => Some(State::AfterValue),
                (&next, rest) if next == byte => Some(State::Literal(rest)),
                _ => None,
            },
            (State::Negative, b'1'..=b'9') => Some(State::Digits(1)),
            (State::Escape(within), _) => self.escape(within, byte),
            (State::Unicode(within, escape), _) => self.unicode(within, escape, byte),
            _ => None,
        }
    }

    fn value(&mut self, byte: u8) -> Option<State> {
        match byte {
            b'"' => Some(State::String),
            b'{' => self.enter(true),
            b'[' => self.enter(false),
            // What follows it is looked at as what follows a value.
            b'0' => Some(State::AfterValue),
            b'1'..=b'9' => Some(State::Digits(1)),
            b'-' => Some(State::Negative),
            b't' => Some(State::Literal(b"rue")),
            b'f' => Some(State::Literal(b"alse")),
            b'n' => Some(State::Literal(b"ull")),
            _ => None,
        }
    }

    fn enter(&mut self, is_object: bool) -> Option<State> {
        if self.open.len() == MOST_DEPTH {
            return None;
        }
        let names = self.names.len();
        self.open.push(Open { is_object, names });
        Some(if is_object {
            State::FirstName
        } else {
            State::FirstElement
        })
    }

    fn leave(&mut self) -> Option<State> {
        let open = self.open.pop()?;
        self.names.truncate(open.names);
        let is_end = self.open.is_empty();
        Some(if is_end {
            State::End
        } else {
            State::AfterValue
        })
    }

    fn after_value<'p>(&mut self, byte: u8, after: &'p [u8]) -> Option<&'p [u8]> {
        let is_object = self.open.last()?.is_object;
        self.state = match (byte, is_object) {
            (b',', true) => {
                // The usual way on, without a detour.
                if let Some((b'"', after)) = after.split_first() {
                    self.is_first_name = false;
                    self.state = State::Name;
                    return Some(after);
                }
                State::NextName
            }
            (b',', false) => State::Value,
            (b'}', true) | (b']', false) => self.leave()?,
            _ => return None,
        };
        Some(after)
    }

    fn digits<'p>(&mut self, piece: &'p [u8], count: usize) -> Option<&'p [u8]> {
        let more = piece
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let count = count + more;
        let rest = piece.get(more..)?;
        self.state = if rest.is_empty() {
            State::Digits(count)
        } else {
            State::AfterValue
        };
        (count <= MOST_DIGITS).then_some(rest)
    }

    fn string<'p>(&mut self, piece: &'p [u8]) -> Option<&'p [u8]> {
        let (_, rest) = piece.split_at_checked(plain_run(piece))?;
        let Some((special, after)) = rest.split_first() else {
            return Some(rest);
        };
        self.state = match special {
            b'"' => State::AfterValue,
            b'\\' => State::Escape(Within::String),
            _ => return None,
        };
        Some(after)
    }

    fn name<'p>(&mut self, piece: &'p [u8]) -> Option<&'p [u8]> {
        let (plain, rest) = piece.split_at_checked(plain_run(piece))?;
        if self.names.len() + self.name.len() + plain.len() > MOST_NAMES {
            return None;
        }
        match rest.split_first() {
            Some((b'"', after)) => {
                self.end_name(plain)?;
                if let [b':', b'"', after @ ..] = after {
                    self.state = State::String;
                    return Some(after);
                }
                self.state = State::Colon;
                Some(after)
            }
            Some((b'\\', after)) => {
                self.name.extend_from_slice(plain);
                self.state = State::Escape(Within::Name);
                Some(after)
            }
            Some(_) => None,
            None => {
                self.name.extend_from_slice(plain);
                Some(rest)
            }
        }
    }

    /// Compares a name, whose last part is given, with the one before it, and takes its place.
    fn end_name(&mut self, part: &[u8]) -> Option<()> {
        let start = self.open.last()?.names;
        let last = self.names.get(start..)?;
        // Bytes of UTF-8 have the order of the characters, which is Python's.
        let is_next = if self.name.is_empty() {
            part > last
        } else {
            self.name.extend_from_slice(part);
            &*self.name > last
        };
        if !is_next && !self.is_first_name {
            return None;
        }
        self.names.truncate(start);
        if self.name.is_empty() {
            self.names.extend_from_slice(part);
        } else {
            self.names.append(&mut self.name);
        }
        Some(())
    }

    fn escape(&mut self, within: Within, byte: u8) -> Option<State> {
        let character = match byte {
            b'"' | b'\\' => byte,
            b'b' => 0x8,
            b'f' => 0xc,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return Some(State::Unicode(within, UnicodeEscape::FirstZero)),
            _ => return None,
        };
        Some(self.escaped(within, character))
    }

    /// An escape with digits: of a control character that has no shorter one.
    fn unicode(&mut self, within: Within, escape: UnicodeEscape, byte: u8) -> Option<State> {
        let next = match (escape, byte) {
            (UnicodeEscape::FirstZero, b'0') => UnicodeEscape::SecondZero,
            (UnicodeEscape::SecondZero, b'0') => UnicodeEscape::High,
            (UnicodeEscape::High, b'0' | b'1') => UnicodeEscape::Low((byte - b'0') << 4),
            (UnicodeEscape::Low(high), b'0'..=b'9' | b'a'..=b'f') => {
                let low = if byte < b'a' {
                    byte - b'0'
                } else {
                    byte - b'a' + 10
                };
                let character = high | low;
                let has_shorter = matches!(character, 0x8 | 0x9 | 0xa | 0xc | 0xd);
                return (!has_shorter).then(|| self.escaped(within, character));
            }
            _ => return None,
        };
        Some(State::Unicode(within, next))
    }

    fn escaped(&mut self, within: Within, character: u8) -> State {
        match within {
            Within::Name => {
                self.name.push(character);
                State::Name
            }
            Within::String => State::String,
        }
    }
}
