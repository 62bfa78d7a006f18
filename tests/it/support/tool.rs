//! Programs that not every machine has.

use std::io::{self, Write};
use std::process::{Command, Stdio};

/// Whether the machine has `program`. Where it has not, the test is told as skipped, and fails in
/// CI.
pub(crate) fn is_there(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", "command -v \"$0\"", program])
        .stdout(Stdio::null())
        .status();
    if found.unwrap().success() {
        return true;
    }
    let in_ci = std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
    assert!(!in_ci, "{program} is missing, and in CI that is a failure");
    let test = std::thread::current();
    let test = test.name().unwrap_or("a test");
    // Not eprintln!: the test harness would hide it, since the test passes.
    let said = writeln!(io::stderr(), "SKIPPED {test}: {program} is missing");
    said.unwrap();
    false
}
