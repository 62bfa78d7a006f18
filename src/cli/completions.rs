//! `vestibule completions`: what a shell needs to complete our command line.

use std::io;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Arguments, Exit, Terminal};

/// Prints the script for a shell.
///
/// # Errors
/// When the terminal cannot be written to.
pub(super) fn run(shell: Shell, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    // It would panic where an output is closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "vestibule", &mut script);
    terminal.out.write_all(&script)?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use crate::cli::Exit;
    use crate::cli::tests::ran;

    #[test]
    fn every_shell_gets_a_script_of_its_own() {
        let scripts = ["bash", "zsh", "fish"].map(|shell| ran(&["completions", shell]).1);
        for script in &scripts {
            assert!(script.contains("poke"), "{script}");
        }
        assert!(scripts[0] != scripts[1] && scripts[1] != scripts[2]);
    }

    #[test]
    fn an_unknown_shell_is_bad_usage() {
        let (exit, _, err) = ran(&["completions", "cmd.exe"]);
        assert_eq!(exit, Exit::Usage);
        assert!(err.contains("bash"), "{err}");
    }
}
