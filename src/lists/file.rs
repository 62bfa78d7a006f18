//! Lists in files.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Content, Found};
use crate::listen::Settling;
use crate::matrix::server_list;

/// The most bytes of a list.
pub(super) const LARGEST: usize = 8 << 20;

/// A file that is looked at from time to time.
pub(super) struct WatchedFile<'a> {
    path: &'a Path,
    settling: Settling,
    /// Whether what it holds could be read when it was read last.
    is_good: Result<(), String>,
}

impl<'a> WatchedFile<'a> {
    /// A file that has just been read.
    pub(super) fn new(path: &'a Path) -> Self {
        Self {
            path,
            settling: Settling::new(stamp(path)),
            is_good: Ok(()),
        }
    }

    /// Reads the file where it has changed, and nobody writes to it any more.
    pub(super) fn look(&mut self) -> Result<Found, String> {
        if !self.settling.has_changed(stamp(self.path)) {
            return self.is_good.clone().map(|()| Found::Same);
        }
        let read = read(self.path);
        self.is_good = read.as_ref().map(drop).map_err(Clone::clone);
        read.map(Found::New)
    }
}

/// Reads the file; the text of an error names it.
pub(super) fn read(path: &Path) -> Result<Content, String> {
    let text =
        contents(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let patterns = server_list::parse(&text);
    Ok(Content {
        patterns: patterns
            .map_err(|error| format!("{} is no list of servers: {error}", path.display()))?,
        ..Content::default()
    })
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
