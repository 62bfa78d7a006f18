//! Sizes and counts: never zero.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

use super::InvalidValue;

const UNITS: [(char, u64); 3] = [('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30)];
const HELP: &str = "write bytes as a number, or a number and K, M or G as Synapse counts \
                    (1M = 1048576), such as \"50M\"";

/// A number of bytes, as Synapse counts: `"50M"` are 50 * 1024 * 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// A number of KiB; at least one byte.
    pub const fn kibibytes(number: u64) -> Self {
        Self(if number == 0 { 1 } else { number << 10 })
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refuse = || InvalidValue::new(format!("{text:?} is not a size"), HELP);
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.'));
        let (number, unit) = text
            .split_at_checked(end.unwrap_or(text.len()))
            .ok_or_else(refuse)?;
        let factor = match unit.trim_start() {
            "" | "B" => 1,
            unit => factor(unit).ok_or_else(refuse)?,
        };
        let bytes = multiply(number, factor).ok_or_else(refuse)?;
        Self::checked(bytes)
    }
}

impl ByteSize {
    fn checked(bytes: u64) -> Result<Self, InvalidValue> {
        match bytes {
            0 => Err(InvalidValue::new(
                "a size of zero lets nothing through",
                HELP,
            )),
            bytes => Ok(Self(bytes)),
        }
    }
}

fn factor(unit: &str) -> Option<u64> {
    let mut letters = unit.chars();
    let first = letters.next()?.to_ascii_uppercase();
    let (_, factor) = UNITS.iter().find(|(letter, _)| *letter == first)?;
    matches!(letters.as_str(), "" | "B" | "iB").then_some(*factor)
}

/// A decimal number times the unit, exactly; parts of a byte are refused.
fn multiply(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || number.ends_with('.') || fraction.len() > 6 {
        return None;
    }
    let scale = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
    let fraction: u64 = match fraction {
        "" => 0,
        fraction => fraction.parse().ok()?,
    };
    let part = fraction.checked_mul(factor)?;
    if part % scale != 0 {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    whole.checked_add(part / scale)
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (letter, factor) in UNITS.iter().rev() {
            // Two decimals at most, and only if they are exact.
            let hundredths = self.0.checked_mul(100).filter(|n| n % factor == 0);
            let Some(hundredths) = hundredths.map(|n| n / factor).filter(|n| *n >= 100) else {
                continue;
            };
            let (whole, part) = (hundredths / 100, hundredths % 100);
            return match (part, part % 10) {
                (0, _) => write!(f, "{whole}{letter}"),
                (part, 0) => write!(f, "{whole}.{}{letter}", part / 10),
                (part, _) => write!(f, "{whole}.{part:02}{letter}"),
            };
        }
        write!(f, "{}", self.0)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Size;

        impl Visitor<'_> for Size {
            type Value = ByteSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"50M\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, bytes: i64) -> Result<ByteSize, E> {
                let refuse = || InvalidValue::new(format!("{bytes} is not a size"), HELP);
                let bytes = u64::try_from(bytes).map_err(|_| E::custom(refuse()))?;
                ByteSize::checked(bytes).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Size)
    }
}

impl JsonSchema for ByteSize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "minimum": 1, "title": "size" })
    }
}

/// How many of something there may be: at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(NonZeroU32);

impl Count {
    /// A count; at least one.
    pub const fn new(number: u32) -> Self {
        match NonZeroU32::new(number) {
            Some(number) => Self(number),
            None => Self(NonZeroU32::MIN),
        }
    }

    /// As a plain number.
    pub const fn number(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(Number)
    }
}

struct Number;

impl Visitor<'_> for Number {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, at least 1")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Count, E> {
        let count = u32::try_from(number).ok().and_then(NonZeroU32::new);
        count.map(Count).ok_or_else(|| {
            E::custom(InvalidValue::new(
                format!("{number} is not a limit"),
                format!("write a whole number from 1 to {}", u32::MAX),
            ))
        })
    }
}

impl JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": u32::MAX, "title": "count" })
    }
}
