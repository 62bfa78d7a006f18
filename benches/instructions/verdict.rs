//! What was counted beside what was committed.

use std::process::ExitCode;

use crate::figures::Figures;
use crate::say;

/// How far a figure may grow, and how far it may shrink without a word, in percent.
const TOLERANCE: f64 = 3.0;

const REMEDY: &str = "benches/instructions/run --update";

/// Tells how each figure has changed; a failure where one grew too far.
pub(crate) fn of(committed: &Figures, counted: &Figures) -> ExitCode {
    let mut worse = Vec::new();
    let mut better = Vec::new();
    say(&format!(
        "\n{:<34} {:>12} {:>12} {:>9}",
        "instructions", "committed", "now", "change"
    ));
    for (name, &now) in &counted.instructions {
        let Some(&before) = committed.instructions.get(name) else {
            say(&format!("{name:<34} {:>12} {now:>12}", "-"));
            worse.push(format!("{name}: {now}, and no figure is committed"));
            continue;
        };
        let change = percent(before, now);
        say(&format!(
            "{name:<34} {before:>12} {now:>12} {change:>+8.1}%"
        ));
        let told = format!("{name}: from {before} to {now} instructions ({change:+.1} %)");
        if change > TOLERANCE {
            worse.push(told);
        } else if change < -TOLERANCE {
            better.push(told);
        }
    }
    let gone = |name: &&String| !counted.instructions.contains_key(*name);
    let gone = committed.instructions.keys().filter(gone);
    worse
        .extend(gone.map(|name| format!("{name}: committed, but nothing of this name is counted")));
    list(
        &format!("less than before; keep it so by `{REMEDY}`:"),
        &better,
    );
    if worse.is_empty() {
        return ExitCode::SUCCESS;
    }
    list(
        &format!("more than {TOLERANCE} % over what is committed:"),
        &worse,
    );
    if committed.compiler != counted.compiler {
        say(&format!(
            "\nThe committed figures are of {}, this is {}: where nothing else has changed, that is why.",
            committed.compiler, counted.compiler
        ));
    }
    say(&format!(
        "\nMake it cheaper; or where it is worth that, `{REMEDY}`, and say in the commit what for."
    ));
    ExitCode::FAILURE
}

fn list(heading: &str, told: &[String]) {
    if !told.is_empty() {
        say(&format!("\n{heading}\n  {}", told.join("\n  ")));
    }
}

fn percent(before: u64, now: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "no figure comes near 2^52 instructions"
    )]
    let (before, now) = (before as f64, now as f64);
    (now - before) / before * 100.0
}
