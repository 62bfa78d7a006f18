//! Programs under valgrind's callgrind.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// What lies between `few` and `many` of something, given what a program executes for so many. Both
/// run at the same time: a count takes no harm from it.
pub(crate) fn difference<N: Send>(few: N, many: N, total: impl Fn(N) -> u64 + Sync) -> u64 {
    std::thread::scope(|scope| {
        let few = scope.spawn(|| total(few));
        let many = total(many);
        many - few.join().expect("both are counted")
    })
}

/// A program whose instructions are counted.
pub(crate) struct Counted {
    /// What starts it; arguments can be added.
    pub(crate) command: Command,
    folder: TempDir,
}

impl Counted {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("valgrind");
        command
            .arg("--tool=callgrind")
            .arg("--callgrind-out-file=/dev/null")
            .arg(format!("--log-file={}", log(folder.path()).display()))
            .arg(program);
        Self { command, folder }
    }

    /// A folder that goes when this does.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The instructions that all its threads have executed, after its end.
    pub(crate) fn total(&self) -> u64 {
        let log = fs::read_to_string(log(self.folder())).expect("valgrind has written its log");
        let collected = log.lines().find_map(|line| line.split_once("Collected :"));
        collected
            .and_then(|(_, total)| total.trim().parse().ok())
            .unwrap_or_else(|| panic!("callgrind has counted nothing: {log}"))
    }
}

fn log(folder: &Path) -> PathBuf {
    folder.join("callgrind.log")
}
