//! Spans of time: `250ms`, `30s`, `5m`, `1h`, `180d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{InvalidValue, text_value};

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];
const HELP: &str = "write a whole number and one of ms, s, m, h, d, such as \"30s\"";

/// How long something may take: never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timeout(Duration);

/// How long something stays valid; may be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age(Duration);

/// Whether, and for how long, browsers are told to use HTTPS only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hsts {
    /// No header.
    Off,
    /// `Strict-Transport-Security` with this `max-age`.
    For(Duration),
}

impl Timeout {
    /// A number of seconds; at least one.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(if seconds == 0 { 1 } else { seconds }))
    }

    /// As the standard library's type.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl Age {
    /// A number of seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// As the standard library's type.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Timeout {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let duration = parse(text)?;
        if duration.is_zero() {
            let message = format!("{text:?} leaves no time at all");
            return Err(InvalidValue::new(message, "write at least \"1ms\""));
        }
        Ok(Self(duration))
    }
}

impl FromStr for Age {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        parse(text).map(Self)
    }
}

impl FromStr for Hsts {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "off" => Ok(Self::Off),
            text => parse(text).map(Self::For),
        }
    }
}

fn parse(text: &str) -> Result<Duration, InvalidValue> {
    let refuse = || InvalidValue::new(format!("{text:?} is not a duration"), HELP);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(refuse)?;
    let number: u64 = number.parse().map_err(|_| refuse())?;
    let unit = UNITS.iter().find(|(name, _)| *name == unit.trim_start());
    let (_, factor) = unit.ok_or_else(refuse)?;
    let milliseconds = number.checked_mul(*factor);
    // Ten years: longer ones overflow the arithmetic of clocks and headers.
    match milliseconds.filter(|ms| *ms <= 3653 * 86_400_000) {
        Some(milliseconds) => Ok(Duration::from_millis(milliseconds)),
        None => Err(InvalidValue::new(
            format!("{text:?} is longer than ten years"),
            HELP,
        )),
    }
}

fn write(duration: Duration, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let milliseconds = duration.as_millis();
    let fits = |factor: u64| milliseconds.is_multiple_of(u128::from(factor));
    // Days only where they are many: "24h" reads better than "1d".
    let unit = match UNITS.iter().rev().find(|(_, factor)| fits(*factor)) {
        _ if milliseconds == 0 => ("s", 1_000),
        Some(("d", _)) if milliseconds < 2 * 86_400_000 => ("h", 3_600_000),
        Some(("m", _)) if milliseconds < 300_000 => ("s", 1_000),
        Some(unit) => *unit,
        None => ("ms", 1),
    };
    write!(f, "{}{}", milliseconds / u128::from(unit.1), unit.0)
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0, f)
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0, f)
    }
}

impl fmt::Display for Hsts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::For(duration) => write(*duration, f),
        }
    }
}

text_value!(Timeout, "Timeout", "duration", "a duration such as \"30s\"");
text_value!(Age, "Age", "duration", "a duration such as \"1h\"");
text_value!(
    Hsts,
    "Hsts",
    "`\"off\"` or duration",
    "\"off\" or a duration such as \"180d\""
);
