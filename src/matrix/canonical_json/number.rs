//! Numbers as JSON writes them.

use super::{MOST_DIGITS, float};

/// How a number is written in canonical JSON.
pub(super) enum Number<'t> {
    /// As it stands.
    Integer(&'t str),
    /// As Python prints the nearest float; `None` where that is infinite.
    Float(Option<String>),
}

/// Reads a number at the beginning of a text, and says what follows it; `None` where Python reads none.
pub(super) fn number(text: &str) -> Option<(Number<'_>, &str)> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let whole = digits(unsigned);
    let (integer, zeros) = unsigned.split_at_checked(whole)?;
    // Whatever follows a zero is no part of the number.
    let (integer, rest) = match integer.strip_prefix('0') {
        Some(_) => unsigned.split_at_checked(1)?,
        None if integer.is_empty() => return None,
        None => (integer, zeros),
    };
    let after = exponent(fraction(rest));
    let length = text.len() - after.len();
    let number = text.get(..length)?;
    if after.len() == rest.len() {
        return match integer {
            "0" => Some((Number::Integer("0"), after)),
            _ if integer.len() > MOST_DIGITS => None,
            _ => Some((Number::Integer(number), after)),
        };
    }
    let value: f64 = number.parse().ok()?;
    Some((Number::Float(float::python(value)), after))
}

/// What follows the fraction, if there is one.
fn fraction(text: &str) -> &str {
    text.strip_prefix('.')
        .and_then(without_digits)
        .unwrap_or(text)
}

/// What follows the exponent, if there is one.
fn exponent(text: &str) -> &str {
    text.strip_prefix(['e', 'E'])
        .map(|exponent| exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
        .and_then(without_digits)
        .unwrap_or(text)
}

/// What follows the digits, of which there must be some.
fn without_digits(text: &str) -> Option<&str> {
    match digits(text) {
        0 => None,
        count => text.get(count..),
    }
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}
