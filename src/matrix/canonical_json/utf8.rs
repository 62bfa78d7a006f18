//! Whether bytes are UTF-8, while they come.

/// Checks UTF-8 piece by piece.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character whose end has not come.
    begun: [u8; 4],
    length: usize,
}

impl Utf8 {
    /// Looks at the next piece. `false`: this is not UTF-8, whatever follows.
    pub(super) fn accepts(&mut self, piece: &[u8]) -> bool {
        let mut piece = piece;
        while self.length > 0 {
            let Some((&byte, rest)) = piece.split_first() else {
                return true;
            };
            piece = rest;
            if !self.adds(byte) {
                return false;
            }
        }
        let Err(error) = simdutf8::compat::from_utf8(piece) else {
            return true;
        };
        let begun = piece.get(error.valid_up_to()..).unwrap_or_default();
        // Otherwise more bytes cannot mend it.
        error.error_len().is_none() && begun.iter().all(|byte| self.adds(*byte))
    }

    /// Adds a byte to the character that has begun.
    fn adds(&mut self, byte: u8) -> bool {
        let Some(place) = self.begun.get_mut(self.length) else {
            return false;
        };
        *place = byte;
        self.length += 1;
        match str::from_utf8(self.begun.get(..self.length).unwrap_or_default()) {
            Ok(_) => {
                self.length = 0;
                true
            }
            Err(error) => error.error_len().is_none(),
        }
    }

    /// Whether no character has begun and not ended.
    pub(super) const fn is_complete(&self) -> bool {
        self.length == 0
    }
}
