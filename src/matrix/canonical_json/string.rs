//! Strings in canonical JSON.

/// Writes a string with its quotes, and with the shortest escapes where JSON wants one.
pub fn write_string(string: &str, text: &mut String) {
    text.push('"');
    let mut rest = string;
    while !rest.is_empty() {
        let (plain, special) = rest.split_at(plain_run(rest.as_bytes()));
        text.push_str(plain);
        let mut characters = special.chars();
        if let Some(character) = characters.next() {
            write_escape(character, text);
        }
        rest = characters.as_str();
    }
    text.push('"');
}

fn write_escape(character: char, text: &mut String) {
    match character {
        '"' => text.push_str("\\\""),
        '\\' => text.push_str("\\\\"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '\u{8}' => text.push_str("\\b"),
        '\u{c}' => text.push_str("\\f"),
        control => {
            text.push_str("\\u00");
            let digit = |value: u32| char::from_digit(value, 16).unwrap_or('0');
            text.push(digit(u32::from(control) >> 4));
            text.push(digit(u32::from(control) & 0xf));
        }
    }
}

/// How many bytes at the beginning stand for themselves within a string: no quote, backslash or control character is
/// among them.
#[inline]
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    // Most strings end within the first words.
    for (position, word) in words.iter().take(8).enumerate() {
        let special = specials(u64::from_le_bytes(*word));
        if special != 0 {
            return position * 8 + first(special);
        }
    }
    if words.len() > 8 {
        return long_plain_run(bytes);
    }
    let plain = tail.iter().take_while(|byte| !is_special(**byte)).count();
    words.len() * 8 + plain
}

/// The same by blocks, which the compiler compares in vector registers.
#[inline(never)]
fn long_plain_run(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<64>();
    let has_special = |block: &[u8; 64]| {
        let specials = block.iter().map(|&byte| u8::from(is_special(byte)));
        specials.fold(0, |any, special| any | special) != 0
    };
    let plain = blocks
        .iter()
        .take_while(|block| !has_special(block))
        .count()
        * 64;
    let (words, tail) = bytes.get(plain..).unwrap_or_default().as_chunks::<8>();
    for (position, word) in words.iter().enumerate() {
        let special = specials(u64::from_le_bytes(*word));
        if special != 0 {
            return plain + position * 8 + first(special);
        }
    }
    let last = tail.iter().take_while(|byte| !is_special(**byte)).count();
    plain + words.len() * 8 + last
}

#[inline]
const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The high bit of each special byte, and perhaps of bytes after the first one.
#[inline]
const fn specials(word: u64) -> u64 {
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // A quote is the space with another bit, so with that bit turned it is what follows the control characters.
    let turned = word ^ u64::from_ne_bytes([b'"' ^ b' '; 8]);
    let quote_or_control = turned.wrapping_sub(u64::from_ne_bytes([b' ' + 1; 8]));
    let backslash =
        (word ^ u64::from_ne_bytes([b'\\'; 8])).wrapping_sub(u64::from_ne_bytes([1; 8]));
    (quote_or_control | backslash) & !word & HIGH
}

/// The position of the first byte whose high bit is set, in the order of memory.
#[inline]
const fn first(marked: u64) -> usize {
    (marked.trailing_zeros() / 8) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_end_at_the_first_special_byte(
            plain in "[ -!#-\\[\\]-~\u{80}-\u{ff}]{0,300}",
            rest in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let bytes = [plain.as_bytes(), &rest].concat();
            let expected = bytes.iter().take_while(|byte| !is_special(**byte)).count();
            prop_assert_eq!(plain_run(&bytes), expected);
            prop_assert_eq!(long_plain_run(&bytes), expected);
        }

        #[test]
        fn strings_are_written_as_serde_writes_them(string in ".*|[\0-\u{ff}]{0,40}") {
            let mut text = String::new();
            write_string(&string, &mut text);
            prop_assert_eq!(text, serde_json::to_string(&string).unwrap());
        }
    }
}
