//! A record as a line of text or of JSON.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

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
                    write!(line, "{name}=")?;
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
        Value::Number(number) => write!(line, "{number}")?,
        Value::Milliseconds(duration) => milliseconds(line, *duration)?,
        Value::Address(address) => write!(line, "{address}")?,
        Value::Time(time) => timestamp(line, *time)?,
    }
    Ok(())
}

fn is_word(text: &str) -> bool {
    let of_word = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\');
    !text.is_empty() && text.bytes().all(of_word)
}

fn json(line: &mut Vec<u8>, entry: &Entry) -> io::Result<()> {
    let mut before = b'{';
    for (name, value) in entry.fields() {
        let Some(value) = value else { continue };
        line.push(before);
        before = b',';
        write!(line, "\"{name}\":")?;
        match value {
            Value::Text(text) => serde_json::to_writer(&mut *line, text)?,
            Value::Number(number) => write!(line, "{number}")?,
            Value::Milliseconds(duration) => milliseconds(line, duration)?,
            Value::Address(address) => write!(line, "\"{address}\"")?,
            Value::Time(time) => {
                line.push(b'"');
                timestamp(line, time)?;
                line.push(b'"');
            }
        }
    }
    line.push(b'}');
    Ok(())
}

fn milliseconds(line: &mut Vec<u8>, duration: Duration) -> io::Result<()> {
    let micros = duration.as_micros();
    write!(line, "{}.{:03}", micros / 1000, micros % 1000)
}

/// RFC 3339 in UTC, to the millisecond.
fn timestamp(line: &mut Vec<u8>, time: SystemTime) -> io::Result<()> {
    let time = OffsetDateTime::from(time);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second, millisecond) = time.to_hms_milli();
    let month = u8::from(month);
    write!(
        line,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"
    )
}
