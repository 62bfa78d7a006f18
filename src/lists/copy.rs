//! What a list held last, in the state folder: a restart while nobody answers changes nothing.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{Content, Settings};
use crate::listen::state_folder;
use crate::matrix::ServerPattern;

/// What stands in the file.
#[derive(Serialize, Deserialize)]
struct Copy {
    /// Where the list was read: a list that has moved is another one.
    source: String,
    /// When, as Unix time.
    read: u64,
    etag: Option<Box<str>>,
    skipped: usize,
    names: Vec<String>,
}

/// The copy of a list, and when that was read. What is no copy of this list counts as none.
pub(super) fn read(settings: &Settings) -> Option<(Content, SystemTime)> {
    let text = state_folder::read(&path(settings)).ok()??;
    let copy: Copy = serde_json::from_slice(&text).ok()?;
    if copy.source != settings.source.identity() {
        return None;
    }
    let names = copy.names.iter();
    let patterns = names.map(|name| ServerPattern::of_entity(name));
    let content = Content {
        patterns: patterns.collect::<Result<_, _>>().ok()?,
        skipped: copy.skipped,
        etag: copy.etag,
    };
    Some((
        content,
        SystemTime::UNIX_EPOCH + Duration::from_secs(copy.read),
    ))
}

/// Writes the copy.
pub(super) fn write(settings: &Settings, content: &Content, now: SystemTime) -> io::Result<()> {
    let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH);
    let copy = Copy {
        source: settings.source.identity(),
        read: since_1970.map_or(0, |time| time.as_secs()),
        etag: content.etag.clone(),
        skipped: content.skipped,
        names: content.patterns.iter().map(ToString::to_string).collect(),
    };
    state_folder::create(&settings.folder)?;
    let text = serde_json::to_vec(&copy)?;
    state_folder::write(&path(settings), state_folder::SECRET, &text)
}

/// Names of lists are made of what may stand in the name of a file.
fn path(settings: &Settings) -> PathBuf {
    settings.folder.join(format!("{}.json", settings.name))
}
