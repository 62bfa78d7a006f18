//! The guard: how many instructions the hot functions and whole requests execute, compared with
//! the figures that were committed. `benches/instructions/run` starts it; see `docs/PERFORMANCE.md`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot run ends"
)]

mod callgrind;
#[path = "../client/mod.rs"]
mod client;
mod figures;
mod functions;
#[path = "../hot/mod.rs"]
mod hot;
mod requests;
#[path = "../upstream/mod.rs"]
mod upstream;
mod verdict;

use std::io::{self, Write};
use std::process::ExitCode;

use figures::Figures;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name, count] = arguments.as_slice()
        && flag == functions::CALL
    {
        functions::call(name, count.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    // Cargo starts it among the other benches too, built otherwise: it shows that it works, and no more.
    if !has("--guard") {
        for mut hot in hot::all() {
            (hot.call)();
        }
        say("benches/instructions/run counts instructions");
        return ExitCode::SUCCESS;
    }
    let known = ["--guard", "--update", "--bench"];
    if let Some(unknown) = arguments.iter().find(|a| !known.contains(&a.as_str())) {
        say(&format!("unknown argument {unknown}"));
        return ExitCode::from(64);
    }
    if !cfg!(target_arch = "x86_64") {
        say("SKIPPED: the figures are of x86_64, and this is another architecture");
        return ExitCode::SUCCESS;
    }
    let mut counted = Figures::new();
    functions::count(&mut counted);
    requests::count(&mut counted);
    if has("--update") {
        counted.write();
        say("benches/instructions/figures.toml is written: commit it with the change");
        return ExitCode::SUCCESS;
    }
    verdict::of(&Figures::read(), &counted)
}

/// Tells whoever waits.
fn say(text: &str) {
    // Nobody may be listening, and the exit code says the same.
    drop(writeln!(io::stdout(), "{text}"));
}
