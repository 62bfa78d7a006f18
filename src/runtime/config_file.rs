//! The configuration file, and whether it has changed: by an editor, which may write another file
//! in its place, or by Kubernetes, which turns a symbolic link on the way to it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What shows that a file is another one, or has other contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The file that the configuration is read from.
#[derive(Debug)]
pub struct ConfigFile {
    path: PathBuf,
    /// As it was when it was read last.
    read: Option<Stamp>,
    /// As it was at the last look.
    seen: Option<Stamp>,
}

impl ConfigFile {
    /// The file at `path`, which has just been read.
    pub fn new(path: &Path) -> Self {
        let stamp = stamp(path);
        Self {
            path: path.to_owned(),
            read: stamp,
            seen: stamp,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it has changed since it was read, and not since the last look: whoever writes it
    /// has come to an end. Not where it is missing, as it may be for a moment.
    pub fn has_changed(&mut self) -> bool {
        let before = self.seen;
        self.seen = stamp(&self.path);
        self.seen.is_some() && self.seen == before && self.seen != self.read
    }

    /// To be called before it is read.
    pub fn is_read(&mut self) {
        self.read = stamp(&self.path);
    }
}

/// Follows symbolic links.
fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_change_is_told_once_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vestibule.toml");
        fs::write(&path, "one").unwrap();
        let mut file = ConfigFile::new(&path);
        assert!(!file.has_changed());
        fs::write(&path, "two and").unwrap();
        assert!(!file.has_changed(), "somebody may still write");
        fs::write(&path, "two and three").unwrap();
        assert!(!file.has_changed(), "somebody did");
        assert!(file.has_changed());
        assert!(file.has_changed(), "until it is read");
        file.is_read();
        assert!(!file.has_changed());
    }

    #[test]
    fn another_file_in_its_place_is_a_change_and_none_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vestibule.toml");
        fs::write(&path, "one").unwrap();
        let mut file = ConfigFile::new(&path);
        fs::remove_file(&path).unwrap();
        assert!(!file.has_changed() && !file.has_changed());
        let other = folder.path().join("other");
        fs::write(&other, "two").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(!file.has_changed());
        assert!(file.has_changed());
    }

    /// As Kubernetes mounts it: `vestibule.toml` -> `..data/vestibule.toml`, `..data` -> a folder.
    #[test]
    fn a_turned_link_on_the_way_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for version in ["1", "2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("vestibule.toml"), "the same size").unwrap();
        }
        symlink("1", at("..data")).unwrap();
        symlink("..data/vestibule.toml", at("vestibule.toml")).unwrap();
        let mut file = ConfigFile::new(&at("vestibule.toml"));
        symlink("2", at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
        assert!(!file.has_changed());
        assert!(file.has_changed());
    }
}
