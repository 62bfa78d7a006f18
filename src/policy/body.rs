//! How much body a request may bring.

use super::Refusal;

/// Counts a request body against its limit, whether or not it announced its
/// length.
#[derive(Clone, Copy, Debug)]
pub struct BodyCount {
    limit: u64,
    seen: u64,
}

impl BodyCount {
    /// A count that allows `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Self { limit, seen: 0 }
    }

    /// Checks an announced length before any of it is read.
    pub fn announced(self, length: u64) -> Result<(), Refusal> {
        if length > self.limit {
            return Err(Refusal::BodyTooLarge);
        }
        Ok(())
    }

    /// Counts `bytes` more.
    pub fn add(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.seen = self.seen.saturating_add(bytes as u64);
        self.announced(self.seen)
    }

    /// Bytes allowed.
    pub fn limit(self) -> u64 {
        self.limit
    }

    /// Bytes counted so far.
    pub fn seen(self) -> u64 {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_passes_and_one_more_does_not() {
        let mut count = BodyCount::new(10);
        assert_eq!(count.announced(10), Ok(()));
        assert_eq!(count.announced(11), Err(Refusal::BodyTooLarge));
        assert_eq!(count.add(4), Ok(()));
        assert_eq!(count.add(6), Ok(()));
        assert_eq!(count.add(1), Err(Refusal::BodyTooLarge));
    }
}
