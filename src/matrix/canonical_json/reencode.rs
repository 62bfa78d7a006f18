//! A JSON text, in canonical JSON as Python makes it.

use std::borrow::Cow;
use std::ops::Range;

use super::MOST_DEPTH;
use super::number::{Number, number};
use super::string::{plain_run, write_string};

/// Why a text has no canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonicalisable {
    /// Python reads no JSON in it.
    #[error("it is not JSON")]
    NotJson,
    /// More arrays and objects are within each other than [`super::MOST_DEPTH`].
    #[error("its arrays and objects are too deep")]
    TooDeep,
    /// It holds half of a pair of surrogates, or a number beyond the largest float: Python reads them, and cannot write
    /// them.
    #[error("it holds what cannot be written")]
    Unwritable,
}

/// What Python's `encode_canonical_json(json_decoder.decode(text.decode("utf-8")))` is.
///
/// It takes as much memory as the text has bytes, and about 50 bytes for each name in it.
pub fn canonicalised(text: &[u8]) -> Result<String, NotCanonicalisable> {
    let text = str::from_utf8(text).map_err(|_| NotCanonicalisable::NotJson)?;
    let mut encoder = Encoder {
        rest: text,
        written: String::with_capacity(text.len()),
        depth: 0,
    };
    encoder.skip_space();
    let is_writable = encoder.value()?;
    encoder.skip_space();
    if !encoder.rest.is_empty() {
        return Err(NotCanonicalisable::NotJson);
    }
    is_writable
        .then_some(encoder.written)
        .ok_or(NotCanonicalisable::Unwritable)
}

/// Reads a text and writes it anew. What Python cannot write does not matter where another value of the same name takes
/// its place, so whoever reads a value says whether it can be written.
struct Encoder<'t> {
    rest: &'t str,
    written: String,
    depth: usize,
}

/// A member of an object.
struct Member<'t> {
    name: Cow<'t, str>,
    /// Where it is written, with its name.
    at: Range<usize>,
    is_writable: bool,
}

impl<'t> Encoder<'t> {
    fn value(&mut self) -> Result<bool, NotCanonicalisable> {
        if self.eats('"') {
            let string = self.string()?;
            write_string(string.as_deref().unwrap_or_default(), &mut self.written);
            return Ok(string.is_some());
        }
        if self.eats('{') {
            return self.deeper(Self::object);
        }
        if self.eats('[') {
            return self.deeper(Self::array);
        }
        for literal in ["true", "false", "null"] {
            if let Some(rest) = self.rest.strip_prefix(literal) {
                self.rest = rest;
                self.written.push_str(literal);
                return Ok(true);
            }
        }
        let (number, rest) = number(self.rest).ok_or(NotCanonicalisable::NotJson)?;
        self.rest = rest;
        match number {
            Number::Integer(integer) => self.written.push_str(integer),
            Number::Float(Some(float)) => self.written.push_str(&float),
            Number::Float(None) => return Ok(false),
        }
        Ok(true)
    }

    fn deeper(
        &mut self,
        inner: fn(&mut Self) -> Result<bool, NotCanonicalisable>,
    ) -> Result<bool, NotCanonicalisable> {
        if self.depth == MOST_DEPTH {
            return Err(NotCanonicalisable::TooDeep);
        }
        self.depth += 1;
        let is_writable = inner(self)?;
        self.depth -= 1;
        Ok(is_writable)
    }

    fn array(&mut self) -> Result<bool, NotCanonicalisable> {
        let mut is_writable = true;
        self.written.push('[');
        self.each(']', |encoder| {
            is_writable &= encoder.value()?;
            Ok(())
        })?;
        self.written.push(']');
        Ok(is_writable)
    }

    fn object(&mut self) -> Result<bool, NotCanonicalisable> {
        let mut has_names = true;
        let mut members = Vec::new();
        self.written.push('{');
        let start = self.written.len();
        self.each('}', |encoder| {
            match encoder.member()? {
                Some(member) => members.push(member),
                None => has_names = false,
            }
            Ok(())
        })?;
        if !members.is_sorted_by(|one, next| one.name < next.name) {
            self.sort(start, &mut members);
        }
        self.written.push('}');
        Ok(has_names && members.iter().all(|member| member.is_writable))
    }

    /// Reads a member; `None` where its name cannot be written.
    fn member(&mut self) -> Result<Option<Member<'t>>, NotCanonicalisable> {
        self.expect('"')?;
        let name = self.string()?;
        self.skip_space();
        self.expect(':')?;
        self.skip_space();
        let start = self.written.len();
        write_string(name.as_deref().unwrap_or_default(), &mut self.written);
        self.written.push(':');
        let is_writable = self.value()?;
        let at = start..self.written.len();
        Ok(name.map(|name| Member {
            name,
            at,
            is_writable,
        }))
    }

    /// Writes the members of an object, which are written from `start` on, in the order of their names; of those with
    /// one name the last.
    fn sort(&mut self, start: usize, members: &mut Vec<Member<'t>>) {
        members.reverse();
        members.sort_by(|one, other| one.name.cmp(&other.name));
        members.dedup_by(|later, kept| later.name == kept.name);
        let mut sorted = String::with_capacity(self.written.len() - start);
        for member in &*members {
            if !sorted.is_empty() {
                sorted.push(',');
            }
            sorted.push_str(self.written.get(member.at.clone()).unwrap_or_default());
        }
        self.written.truncate(start);
        self.written.push_str(&sorted);
    }

    /// Reads a string after its first quote; `None` where it holds half of a pair of surrogates.
    fn string(&mut self) -> Result<Option<Cow<'t, str>>, NotCanonicalisable> {
        let (plain, rest) = self.rest.split_at(plain_run(self.rest.as_bytes()));
        if let Some(rest) = rest.strip_prefix('"') {
            self.rest = rest;
            return Ok(Some(Cow::Borrowed(plain)));
        }
        let mut string = String::new();
        let mut is_whole = true;
        loop {
            let (plain, rest) = self.rest.split_at(plain_run(self.rest.as_bytes()));
            string.push_str(plain);
            self.rest = rest;
            if self.eats('"') {
                return Ok(is_whole.then_some(Cow::Owned(string)));
            }
            self.expect('\\')?;
            match self.escaped()? {
                Some(character) => string.push(character),
                None => is_whole = false,
            }
        }
    }

    /// Reads what follows a backslash; `None` is half of a pair of surrogates.
    fn escaped(&mut self) -> Result<Option<char>, NotCanonicalisable> {
        let mut characters = self.rest.chars();
        let kind = characters.next().ok_or(NotCanonicalisable::NotJson)?;
        self.rest = characters.as_str();
        Ok(Some(match kind {
            '"' | '\\' | '/' => kind,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (unit, rest) = unit(self.rest).ok_or(NotCanonicalisable::NotJson)?;
                self.rest = rest;
                return Ok(self.character(unit));
            }
            _ => return Err(NotCanonicalisable::NotJson),
        }))
    }

    /// The character of a UTF-16 unit that was read, and of the next one where two make one character.
    fn character(&mut self, unit: u16) -> Option<char> {
        let single = char::from_u32(u32::from(unit));
        if single.is_some() {
            return single;
        }
        let (low, rest) = self.rest.strip_prefix("\\u").and_then(self::unit)?;
        let pair = char::decode_utf16([unit, low]).next()?.ok()?;
        self.rest = rest;
        Some(pair)
    }

    /// Reads what an array or an object consists of, and its end.
    fn each(
        &mut self,
        end: char,
        mut element: impl FnMut(&mut Self) -> Result<(), NotCanonicalisable>,
    ) -> Result<(), NotCanonicalisable> {
        self.skip_space();
        let mut is_over = self.eats(end);
        while !is_over {
            element(self)?;
            self.skip_space();
            is_over = self.eats(end);
            if !is_over {
                self.expect(',')?;
                self.skip_space();
                self.written.push(',');
            }
        }
        Ok(())
    }

    fn expect(&mut self, character: char) -> Result<(), NotCanonicalisable> {
        let is_next = self.eats(character);
        is_next.then_some(()).ok_or(NotCanonicalisable::NotJson)
    }

    fn eats(&mut self, character: char) -> bool {
        match self.rest.strip_prefix(character) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }
}

/// Reads four hexadecimal digits.
fn unit(text: &str) -> Option<(u16, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let is_hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let unit = u16::from_str_radix(digits, 16).ok()?;
    is_hexadecimal.then_some((unit, rest))
}
