//! What the machine has, and how programs are run on it.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, thread};

/// The program that is tested.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_vestibule");

/// A file of this repository.
pub(crate) fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A program of the system, also from where Debian keeps servers. Without it the test is skipped.
pub(crate) fn find(name: &str, package: &str) -> Option<PathBuf> {
    let path = env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/sbin"]).map(Path::new);
    let found = folders.map(|folder| folder.join(name)).find(|p| p.exists());
    if found.is_none() {
        skip(&format!("missing: {name}   apt-get install {package}"));
    }
    found
}

/// An interpreter with Helm and schemas; installed when it is missing. Without, the test is skipped.
pub(crate) fn python() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("helm-venv");
    let output = run(in_repository("tests/deploy/install-helm"), [&folder]);
    if !output.status.success() {
        skip(&said(&output));
        return None;
    }
    Some(folder.join("bin/python"))
}

/// Whether the test may do what only root may. Without, it is skipped.
pub(crate) fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skip("missing: root   run the tests as root");
    }
    is_root
}

/// Says that this machine cannot run the test that is running, which is a failure in CI.
pub(crate) fn skip(why: &str) {
    let is_ci = env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
    assert!(!is_ci, "in CI this is a failure: {why}");
    let thread = thread::current();
    let test = thread.name().unwrap_or_default();
    // Not eprintln!: the test harness would hide it, since the test passes.
    let line = format!("SKIPPED {test}: {why}\n");
    io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Runs a program to its end.
pub(crate) fn run<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> Output {
    let mut command = Command::new(program);
    command.args(arguments);
    command
        .output()
        .unwrap_or_else(|reason| panic!("{command:?}: {reason}"))
}

/// Everything that a program said.
pub(crate) fn said(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{out}{}", String::from_utf8_lossy(&output.stderr))
}
