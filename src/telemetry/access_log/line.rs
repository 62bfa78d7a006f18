//! A record as a line of text or of JSON.

use std::cell::RefCell;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

use super::LogFormat;
use super::entry::{Entry, HEAD_FIELDS, Value};

/// Appends `entry` as one line to `line`.
pub(super) fn write(line: &mut Vec<u8>, entry: &Entry, format: LogFormat) -> io::Result<()> {
    match format {
        LogFormat::Text => text(line, entry)?,
        LogFormat::Json => json(line, entry)?,
    }
    line.push(b'\n');
    Ok(())
}

thread_local! {
    /// The second of the last line, as it was written: most lines are of the same.
    static LAST: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

fn text(line: &mut Vec<u8>, entry: &Entry) -> io::Result<()> {
    for (position, (name, value)) in entry.fields().into_iter().enumerate() {
        let in_head = position < HEAD_FIELDS;
        if position > 0 && (in_head || value.is_some()) {
            line.push(b' ');
        }
        match value {
            None if in_head => line.push(b'-'),
            None => {}
            Some(value) => {
                if !in_head {
                    line.extend_from_slice(name.as_bytes());
                    line.push(b'=');
                }
                text_value(line, &value)?;
                if in_head && name.ends_with("_ms") {
                    line.extend_from_slice(b"ms");
                }
            }
        }
    }
    Ok(())
}

fn text_value(line: &mut Vec<u8>, value: &Value<'_>) -> io::Result<()> {
    match value {
        Value::Text(text) if is_word(text) => line.extend_from_slice(text.as_bytes()),
        // JSON's quoting is what most readers of key=value lines understand.
        Value::Text(text) => serde_json::to_writer(&mut *line, text)?,
        Value::Number(number) => push_number(line, *number),
        Value::Hash(hash) => write!(line, "{hash:016x}")?,
        Value::Milliseconds(duration) => milliseconds(line, *duration),
        Value::Address(address) => write!(line, "{address}")?,
        Value::Time(time) => timestamp(line, *time),
    }
    Ok(())
}

fn is_word(text: &str) -> bool {
    let of_word = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\');
    !text.is_empty() && text.bytes().all(of_word)
}

/// Whether JSON writes `text` as it is.
fn is_plain(text: &str) -> bool {
    let is_itself = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    text.bytes().all(is_itself)
}

fn json(line: &mut Vec<u8>, entry: &Entry) -> io::Result<()> {
    let mut before = b'{';
    for (name, value) in entry.fields() {
        let Some(value) = value else { continue };
        line.push(before);
        before = b',';
        for part in ["\"", name, "\":"] {
            line.extend_from_slice(part.as_bytes());
        }
        match value {
            Value::Text(text) if is_plain(text) => {
                for part in ["\"", text, "\""] {
                    line.extend_from_slice(part.as_bytes());
                }
            }
            Value::Text(text) => serde_json::to_writer(&mut *line, text)?,
            Value::Number(number) => push_number(line, number),
            Value::Hash(hash) => write!(line, "\"{hash:016x}\"")?,
            Value::Milliseconds(duration) => milliseconds(line, duration),
            Value::Address(address) => write!(line, "\"{address}\"")?,
            Value::Time(time) => {
                line.push(b'"');
                timestamp(line, time);
                line.push(b'"');
            }
        }
    }
    line.push(b'}');
    Ok(())
}

fn push_number(line: &mut Vec<u8>, number: u64) {
    line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The last three digits of `number`, zeros included.
fn push_thousandths(line: &mut Vec<u8>, number: u64) {
    for place in [100, 10, 1] {
        let digit = u8::try_from(number / place % 10).unwrap_or_default();
        line.push(b'0' + digit);
    }
}

fn milliseconds(line: &mut Vec<u8>, duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    push_number(line, micros / 1000);
    line.push(b'.');
    push_thousandths(line, micros);
}

/// RFC 3339 in UTC, to the millisecond.
fn timestamp(line: &mut Vec<u8>, time: SystemTime) {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    LAST.with_borrow_mut(|(last, text)| {
        if *last != since_1970.as_secs() {
            (*last, *text) = (since_1970.as_secs(), second(time));
        }
        line.extend_from_slice(text.as_bytes());
    });
    line.push(b'.');
    push_thousandths(line, since_1970.subsec_millis().into());
    line.push(b'Z');
}

/// The time to the second.
fn second(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}
