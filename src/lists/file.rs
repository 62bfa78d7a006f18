//! Lists in files.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{Content, Found};
use crate::listen::Settling;
use crate::matrix::server_list;

/// The most bytes of a list.
pub(super) const LARGEST: usize = 8 << 20;

/// A list in a file, which is looked at from time to time.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    looked: Mutex<Looked>,
}

/// What is known of a file.
#[derive(Debug)]
struct Looked {
    settling: Settling,
    /// Whether it was a list when it was read last.
    verdict: Result<(), String>,
}

impl FileSource {
    /// The list in the file at `path`.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            // Before it is read, so that no change is missed.
            looked: Mutex::new(Looked {
                settling: Settling::new(stamp(path)),
                verdict: Ok(()),
            }),
        }
    }

    /// Reads the file; the text of an error names it.
    pub(super) fn read(&self) -> Result<Content, String> {
        let path = self.path.display();
        let text = contents(&self.path).map_err(|error| format!("cannot read {path}: {error}"))?;
        let patterns = server_list::parse(&text);
        Ok(Content {
            patterns: patterns.map_err(|error| format!("{path} is no list of servers: {error}"))?,
            ..Content::default()
        })
    }

    /// Reads the file where it has changed, and nobody writes to it any more.
    pub(super) fn look(&self) -> Result<Found, String> {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if !looked.settling.has_changed(stamp(&self.path)) {
            return looked.verdict.clone().map(|()| Found::Same);
        }
        let read = self.read();
        looked.verdict = read.as_ref().map(drop).map_err(Clone::clone);
        read.map(Found::New)
    }

    /// Tells this file from others.
    pub(super) fn identity(&self) -> String {
        self.path.display().to_string()
    }
}

fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let most = u64::try_from(LARGEST).unwrap_or(u64::MAX);
    File::open(path)?.take(most + 1).read_to_end(&mut text)?;
    if text.len() > LARGEST {
        return Err(io::Error::other("it has more than 8 MiB"));
    }
    Ok(text)
}

/// What shows that the file is another one, or has other contents; follows symbolic links.
fn stamp(path: &Path) -> u64 {
    let metadata = fs::metadata(path).ok();
    let stamp = metadata.map(|it| {
        let times = [it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec()];
        (it.dev(), it.ino(), it.size(), times)
    });
    let mut hasher = DefaultHasher::new();
    stamp.hash(&mut hasher);
    hasher.finish()
}
