//! The hot functions, each in a process of its own that calls nothing else.

use std::process::Stdio;

use crate::callgrind::{Counted, difference};
use crate::figures::Figures;
use crate::{hot, say};

/// `--call NAME COUNT`: what this program is started with to be counted.
pub(crate) const CALL: &str = "--call";

/// What is counted lies between so many calls and so many, which leaves out the start, and what
/// only the first call does.
const FEW: u64 = 1_000;
const MANY: u64 = 11_000;

/// Calls a function and nothing else.
pub(crate) fn call(name: &str, count: u64) {
    let mut hot = hot::all();
    let hot = hot.iter_mut().find(|hot| hot.name == name).unwrap();
    for _ in 0..count {
        (hot.call)();
    }
}

/// Counts the instructions of one call of each.
pub(crate) fn count(figures: &mut Figures) {
    for name in hot::all().into_iter().map(|hot| hot.name) {
        say(&format!("counting {name}"));
        let calls = difference(FEW, MANY, |count| total(name, count));
        figures.set(name, calls / (MANY - FEW));
    }
}

fn total(name: &str, count: u64) -> u64 {
    let mut counted = Counted::new(std::env::current_exe().unwrap());
    let status = counted
        .command
        .args([CALL, name, &count.to_string()])
        .stdin(Stdio::null())
        .status()
        .expect("valgrind can be started");
    assert!(status.success(), "{name}: {status}");
    counted.total()
}
