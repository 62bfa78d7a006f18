//! Manual pages and completions, by the eyes of those who read them.

use std::fs;
use std::path::PathBuf;

use crate::machine::{PROGRAM, find, run, said};

/// The script for a shell, as a file in a folder.
fn script(shell: &str, folder: &tempfile::TempDir) -> PathBuf {
    let output = run(PROGRAM, ["completions", shell]);
    assert!(output.status.success(), "{}", said(&output));
    let file = folder.path().join(shell);
    fs::write(&file, output.stdout).unwrap();
    file
}

#[test]
fn bash_completes() {
    let Some(bash) = find("bash", "bash") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let script = script("bash", &folder);
    let completed = r#"
        bash -n "$1" && source "$1" || exit
        COMP_WORDS=(vestibule config ch) COMP_CWORD=2
        _vestibule vestibule ch config
        printf '%s\n' "${COMPREPLY[@]}"
        complete -p vestibule
    "#;
    let arguments = ["--norc", "-c", completed, "bash", script.to_str().unwrap()];
    let output = run(bash, arguments);
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    let is_registered = said.contains(" -F _vestibule vestibule\n");
    assert!(said.starts_with("check\n") && is_registered, "{said}");
}

#[test]
fn fish_completes() {
    let Some(fish) = find("fish", "fish") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let script = script("fish", &folder);
    let completed = format!(
        "source {}; complete --do-complete 'vestibule config ch'",
        script.display()
    );
    let output = run(fish, ["--no-config", "--command", &completed]);
    let said = said(&output);
    assert!(said.starts_with("check\t"), "{said}");
}

#[test]
fn zsh_reads_the_completion() {
    let Some(zsh) = find("zsh", "zsh") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let script = script("zsh", &folder);
    // Where `compdef` is at home, it registers the function.
    let registered = "autoload -U compinit; compinit -D; source $1; print $_comps[vestibule]";
    let arguments = ["-f", "-c", registered, "zsh", script.to_str().unwrap()];
    let output = run(zsh, arguments);
    assert_eq!(said(&output).trim(), "_vestibule");
}

#[test]
fn manual_pages_are_well_formed() {
    let Some(mandoc) = find("mandoc", "mandoc") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let output = run(PROGRAM, ["man".as_ref(), folder.path()]);
    assert!(output.status.success(), "{}", said(&output));
    let pages = fs::read_dir(folder.path()).unwrap();
    let pages: Vec<_> = pages.map(|it| it.unwrap().path()).collect();
    assert!(pages.len() > 10, "{pages:?}");
    let lint = ["-T", "lint", "-W", "error"].map(PathBuf::from);
    let output = run(mandoc, lint.iter().chain(&pages));
    assert!(output.status.success(), "{}", said(&output));
}
