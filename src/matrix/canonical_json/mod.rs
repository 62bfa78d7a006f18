//! Canonical JSON (appendices, "Canonical JSON"): the one spelling of a value, over which servers sign.
//!
//! What Synapse signs and verifies is what Python makes of a text: floats, and integers of more than 53 bits, are
//! written there too, and of a name that comes twice the last one counts. So does [`canonicalised`]. A text that
//! [`CanonicalCheck`] accepts is one that both Python and the specification leave as it is.

mod check;
mod float;
mod nesting;
mod number;
mod reencode;
mod string;
#[cfg(test)]
mod tests;
mod utf8;
mod value;
mod window;

pub use check::CanonicalCheck;
pub use reencode::{NotCanonicalisable, canonicalised};
pub use string::write_string;
pub use value::canonical;

/// Arrays and objects within each other that are followed. Python gives up at about 900, where it depends on what else
/// is on its stack.
pub const MOST_DEPTH: usize = 256;

/// Digits of an integer: Python refuses more (`sys.set_int_max_str_digits`).
const MOST_DIGITS: usize = 4300;
