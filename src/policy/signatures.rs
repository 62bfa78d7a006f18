//! What the signatures of requests between servers are taken for.

/// What the signatures of requests between servers are taken for, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signatures {
    /// Nothing.
    Off,
    /// The claimed origin labels metrics; a signature has to be there.
    Observe,
    /// Wrong ones are refused, where the key is known.
    Verify,
    /// Only what is verified passes.
    Enforce,
}
