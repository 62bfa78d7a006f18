//! Where strings end, found for 64 bytes at once.

/// Bytes that are looked at together.
const SIZE: usize = 64;

/// Finds the special bytes of a piece, from its beginning to its end: quotes, backslashes and control characters.
///
/// Most strings are shorter than a window, so one look at the bytes finds the ends of several.
pub(super) struct Window<'p> {
    /// The length of the piece.
    length: usize,
    /// Where the window begins.
    start: usize,
    /// A bit for each special byte in the window, the lowest for the first byte.
    specials: u64,
    /// What follows the window.
    ahead: &'p [u8],
}

impl<'p> Window<'p> {
    pub(super) fn new(piece: &'p [u8]) -> Self {
        let mut window = Self {
            length: piece.len(),
            start: 0,
            specials: 0,
            ahead: piece,
        };
        window.specials = window.next();
        window
    }

    /// Where the first special byte is from there on, or the end of the piece. No search begins before the last one.
    #[inline]
    pub(super) fn special(&mut self, from: usize) -> usize {
        let passed = from.wrapping_sub(self.start);
        if passed < SIZE {
            let specials = self.specials >> passed;
            if specials != 0 {
                return from + specials.trailing_zeros() as usize;
            }
        }
        self.special_ahead(from)
    }

    /// The same, in the windows that follow.
    fn special_ahead(&mut self, from: usize) -> usize {
        while !self.ahead.is_empty() {
            self.specials = self.next();
            self.start += SIZE;
            let passed = from.saturating_sub(self.start);
            if passed >= SIZE {
                continue;
            }
            let specials = self.specials >> passed << passed;
            if specials != 0 {
                return self.start + specials.trailing_zeros() as usize;
            }
        }
        self.length
    }

    /// The special bytes of the next window.
    #[inline]
    fn next(&mut self) -> u64 {
        if let Some((block, ahead)) = self.ahead.split_first_chunk() {
            self.ahead = ahead;
            return specials(block);
        }
        let mut block = [b' '; SIZE];
        for (place, byte) in block.iter_mut().zip(self.ahead) {
            *place = *byte;
        }
        self.ahead = &[];
        specials(&block)
    }
}

#[inline]
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without a branch it becomes vectors"
)]
const fn is_special(byte: u8) -> bool {
    // With this bit turned, a quote is what follows the control characters.
    (byte ^ 2 <= b' ') | (byte == b'\\')
}

/// A bit for each special byte. The compiler makes vectors of the rows.
#[inline]
fn specials(block: &[u8; SIZE]) -> u64 {
    let (rows, _) = block.as_chunks::<16>();
    let [first, second, third, fourth] = rows else {
        return 0;
    };
    let bits = |byte: &u8, by: u32| u8::from(is_special(*byte)) << by;
    let mut columns = [0; 16];
    let rows = first.iter().zip(second).zip(third).zip(fourth);
    for (column, (((first, second), third), fourth)) in columns.iter_mut().zip(rows) {
        *column = bits(first, 0) | bits(second, 2) | bits(third, 4) | bits(fourth, 6);
    }
    let ([left, right], _) = columns.as_chunks() else {
        return 0;
    };
    // Eight bytes, of which each has the bits of every eighth byte of the block.
    turned(u64::from_le_bytes(*left) | u64::from_le_bytes(*right) << 1)
}

/// Turns rows of eight bits into columns.
#[inline]
fn turned(bits: u64) -> u64 {
    let swap = |bits: u64, by: u32, mask: u64| {
        let differ = (bits ^ bits >> by) & mask;
        bits ^ differ ^ differ << by
    };
    let bits = swap(bits, 7, 0x00aa_00aa_00aa_00aa);
    let bits = swap(bits, 14, 0x0000_cccc_0000_cccc);
    swap(bits, 28, 0x0000_0000_f0f0_f0f0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_byte_is_told_from_the_others_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for position in 0..SIZE {
                let mut block = [b'a'; SIZE];
                block[position] = byte;
                assert_eq!(specials(&block), u64::from(is_special(byte)) << position);
            }
        }
    }

    proptest! {
        #[test]
        fn the_next_special_byte_is_found(
            parts in prop::collection::vec("[ -~\u{80}-\u{ff}]{0,150}|[\0-\u{ff}]{0,5}", 0..8),
            skips in prop::collection::vec(0..200_usize, 1..20),
        ) {
            let text = parts.concat().into_bytes();
            let mut window = Window::new(&text);
            let mut from = 0;
            for skip in skips {
                let plain = text[from..].iter().take_while(|byte| !is_special(**byte)).count();
                prop_assert_eq!(window.special(from), from + plain);
                from = (from + plain + skip).min(text.len());
            }
        }
    }
}
