//! `vestibule man`: manual pages, from the same definitions that parse the command line.

use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;

use super::{Arguments, Exit, Terminal};

/// Writes the page of each command into a folder, or prints that of the program.
///
/// # Errors
/// When the terminal cannot be written to.
pub(super) fn run(folder: Option<&Path>, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    let command = Arguments::command();
    let Some(folder) = folder else {
        Man::new(command).render(&mut terminal.out)?;
        return Ok(Exit::Done);
    };
    let written = std::fs::create_dir_all(folder);
    if let Err(reason) = written.and_then(|()| clap_mangen::generate_to(command, folder)) {
        let folder = folder.display();
        writeln!(
            terminal.err,
            "error: cannot write manual pages into {folder}: {reason}"
        )?;
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::tests::ran;

    /// The names of the pages of a command and those below it.
    fn pages(command: &clap::Command, name: &str) -> Vec<String> {
        let below = command.get_subcommands().filter(|it| !it.is_hide_set());
        let below = below.flat_map(|it| pages(it, &format!("{name}-{}", it.get_name())));
        std::iter::once(format!("{name}.1")).chain(below).collect()
    }

    #[test]
    fn every_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let (exit, _, err) = ran(&["man", folder.path().to_str().unwrap()]);
        assert_eq!((exit, &*err), (Exit::Done, ""));
        let expected = pages(&Arguments::command(), "vestibule");
        assert!(expected.contains(&"vestibule-config-check.1".to_owned()));
        for page in expected {
            let text = fs::read_to_string(folder.path().join(&page)).unwrap();
            assert!(text.contains(".SH NAME"), "{page}: {text}");
        }
    }

    #[test]
    fn the_page_of_the_program_is_printed() {
        let (exit, out, _) = ran(&["man"]);
        assert_eq!(exit, Exit::Done);
        assert!(
            out.contains("EXIT STATUS") || out.contains("Exit codes"),
            "{out}"
        );
    }

    #[test]
    fn a_folder_that_cannot_be_is_a_failure() {
        let (exit, _, err) = ran(&["man", "/dev/null/pages"]);
        assert_eq!(exit, Exit::Failed);
        assert!(err.contains("/dev/null/pages"), "{err}");
    }
}
