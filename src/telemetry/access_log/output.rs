//! Where access log lines go.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where the access log is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// The standard output.
    #[default]
    StandardOutput,
    /// This file, appended to, and made with mode 640 where it is missing.
    File(PathBuf),
}

/// Why there is no access log.
#[derive(Debug, thiserror::Error)]
pub enum AccessLogError {
    /// The file cannot be opened for appending.
    #[error("cannot open the access log {}: {error}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The thread that writes cannot be started.
    #[error("cannot start the thread that writes the access log: {0}")]
    Thread(io::Error),
}

/// An open target.
pub(super) enum Output {
    /// The standard output.
    Standard(io::Stdout),
    /// A file and where it came from.
    File(File, PathBuf),
    /// Whatever a test watches.
    #[cfg(test)]
    Test(Box<dyn Write + Send>),
}

impl Output {
    pub(super) fn open(target: AccessLogTarget) -> Result<Self, AccessLogError> {
        match target {
            AccessLogTarget::StandardOutput => Ok(Self::Standard(io::stdout())),
            AccessLogTarget::File(path) => match append_to(&path) {
                Ok(file) => Ok(Self::File(file, path)),
                Err(error) => Err(AccessLogError::Open { path, error }),
            },
        }
    }

    /// Opens the file anew under its old name; the old one stays where that
    /// fails.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        if let Self::File(file, path) = self {
            *file = append_to(path)?;
        }
        Ok(())
    }

    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Standard(output) => {
                let mut output = output.lock();
                output.write_all(lines)?;
                output.flush()
            }
            Self::File(file, _) => file.write_all(lines),
            #[cfg(test)]
            Self::Test(output) => output.write_all(lines),
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}
