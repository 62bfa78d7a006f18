//! What systemd's journal wants of a log on the standard error: the priority of
//! each line before it (sd-daemon(3)), so that `journalctl -p warning` finds
//! warnings.

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Whether `output` is the journal, and not just something that a service
/// started: `JOURNAL_STREAM` has the device and inode of the journal's socket
/// (systemd.exec(5)).
pub(super) fn is_journal(output: &impl AsFd) -> bool {
    let announced = env::var("JOURNAL_STREAM").unwrap_or_default();
    stream(output).is_some_and(|stream| stream == announced)
}

/// An open file as `JOURNAL_STREAM` spells it.
fn stream(output: &impl AsFd) -> Option<String> {
    let file = File::from(output.as_fd().try_clone_to_owned().ok()?);
    let facts = file.metadata().ok()?;
    Some(format!("{}:{}", facts.dev(), facts.ino()))
}

/// An output whose every line begins with its priority.
pub(super) struct Prioritised<W>(pub(super) W);

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for Prioritised<W> {
    type Writer = Lines<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        Lines {
            priority: priority(Level::INFO),
            output: self.0.make_writer(),
        }
    }

    fn make_writer_for(&'w self, metadata: &Metadata<'_>) -> Self::Writer {
        Lines {
            priority: priority(*metadata.level()),
            output: self.0.make_writer_for(metadata),
        }
    }
}

/// As in syslog(3).
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

/// Writes one record, which may have several lines.
pub(super) struct Lines<W> {
    priority: &'static str,
    output: W,
}

impl<W: Write> Write for Lines<W> {
    /// Gets a whole record at a time.
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let mut lines = Vec::with_capacity(record.len() + self.priority.len());
        for line in record.split_inclusive(|byte| *byte == b'\n') {
            lines.extend_from_slice(self.priority.as_bytes());
            lines.extend_from_slice(line);
        }
        self.output.write_all(&lines)?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_record_has_its_priority() {
        for (level, expected) in [
            (Level::ERROR, "<3>a\n<3>b\n"),
            (Level::WARN, "<4>a\n<4>b\n"),
            (Level::INFO, "<6>a\n<6>b\n"),
            (Level::TRACE, "<7>a\n<7>b\n"),
        ] {
            let mut lines = Lines {
                priority: priority(level),
                output: Vec::new(),
            };
            lines.write_all(b"a\nb\n").unwrap();
            assert_eq!(String::from_utf8(lines.output).unwrap(), expected);
        }
    }

    #[test]
    fn a_file_is_spelled_by_its_device_and_inode() {
        let file = tempfile::tempfile().unwrap();
        let facts = file.metadata().unwrap();
        let expected = format!("{}:{}", facts.dev(), facts.ino());
        assert_eq!(stream(&file), Some(expected));
    }
}
