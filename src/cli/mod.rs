//! The command line: one file per command.
//!
//! Commands write to a [`Terminal`] that is passed in, so that tests read what
//! they say.

pub mod certs;
pub mod check;
mod completions;
pub mod config;
pub mod explain;
pub mod import;
mod manual;
mod origins;
pub mod poke;
pub mod reload;
pub mod run;
mod running;
mod synapse_files;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::config::{Config, Diagnostics};
use crate::snapshot::{Snapshot, compile};

/// Where the configuration is looked for when no file is named.
const CONFIGURATION: &str = "/etc/vestibule/vestibule.toml";

/// How commands end, for those who read the help.
const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 what was checked has problems, \
                          64 wrong arguments or a bad configuration.";

/// The front door of a Matrix homeserver.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT
    Run {
        /// The configuration file
        #[arg(short, long = "config", value_name = "FILE", default_value = CONFIGURATION)]
        file: PathBuf,
    },
    /// Have the running process take up its configuration file, with no connection touched
    Reload(reload::Command),
    /// Have the running process hand over to the program and configuration as they are now
    Upgrade(reload::Command),
    /// Look into configurations
    #[command(subcommand)]
    Config(config::Command),
    /// Write a configuration from another program's
    #[command(subcommand)]
    Import(import::Command),
    /// List every name with its certificate: source, end, next renewal, last error
    Certs {
        /// The configuration file
        #[arg(short, long = "config", value_name = "FILE", default_value = CONFIGURATION)]
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// The authority of `tls = "internal"`
    #[command(subcommand)]
    Ca(certs::CaCommand),
    /// Tell what would happen to a request, and why
    Explain(explain::Command),
    /// Find out whether other servers and clients can reach a homeserver, and if not, why
    Check(Box<check::Arguments>),
    /// List the servers that send most to the running process, the busiest first
    Origins(origins::Command),
    /// After an outage, let the homeserver contact the servers that it backs off from
    Poke(poke::Command),
    /// Print what a shell needs to complete this command line
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write the pages of all commands into a folder
    Man {
        /// The folder; it is made where it is missing
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Print the version
    Version,
}

/// What a command writes to.
pub struct Terminal<'a> {
    /// Results.
    pub out: &'a mut dyn Write,
    /// Problems.
    pub err: &'a mut dyn Write,
    /// Whether problems are shown in colour.
    pub is_coloured: bool,
    /// Whether results are.
    pub is_out_coloured: bool,
}

/// How a command ended, as scripts see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: failed.
    Failed,
    /// 2: what was checked has problems.
    Problems,
    /// 64: wrong arguments or a bad configuration (`EX_USAGE` of sysexits.h).
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Problems => 2,
            Exit::Usage => 64,
        })
    }
}

/// Runs the command that the arguments name; the first one is the program.
///
/// # Errors
/// When the terminal cannot be written to.
pub fn main(
    arguments: impl IntoIterator<Item = OsString>,
    terminal: &mut Terminal<'_>,
) -> io::Result<Exit> {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(reason) => return refused(&reason, terminal),
    };
    match arguments.command {
        Command::Run { file } => run::run(&file, terminal),
        Command::Reload(command) => reload::reload(&command, terminal),
        Command::Upgrade(command) => reload::upgrade(&command, terminal),
        Command::Config(command) => config::run(&command, terminal),
        Command::Import(command) => import::run(&command, terminal),
        Command::Certs { file, json } => certs::certs(&file, json, terminal),
        Command::Ca(command) => certs::ca(&command, terminal),
        Command::Explain(command) => explain::run(&command, terminal),
        Command::Check(arguments) => check::run(&arguments, terminal),
        Command::Origins(command) => origins::run(&command, terminal),
        Command::Poke(command) => poke::run(&command, terminal),
        Command::Completions { shell } => completions::run(shell, terminal),
        Command::Man { folder } => manual::run(folder.as_deref(), terminal),
        Command::Version => {
            writeln!(terminal.out, "vestibule {}", env!("CARGO_PKG_VERSION"))?;
            Ok(Exit::Done)
        }
    }
}

/// Help and version were asked for; everything else is a mistake.
fn refused(reason: &clap::Error, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    let text = reason.render();
    if reason.use_stderr() {
        if terminal.is_coloured {
            write!(terminal.err, "{}", text.ansi())?;
        } else {
            write!(terminal.err, "{text}")?;
        }
        return Ok(Exit::Usage);
    }
    write!(terminal.out, "{text}")?;
    Ok(Exit::Done)
}

/// Loads a configuration, or says what is wrong with it.
///
/// # Errors
/// When the terminal cannot be written to.
fn load(file: &std::path::Path, terminal: &mut Terminal<'_>) -> io::Result<Option<Config>> {
    match Config::load(file) {
        Ok(config) => Ok(Some(config)),
        Err(problems) => {
            tell(&problems, terminal)?;
            Ok(None)
        }
    }
}

/// The same, compiled.
///
/// # Errors
/// When the terminal cannot be written to.
fn load_compiled(
    file: &std::path::Path,
    terminal: &mut Terminal<'_>,
) -> io::Result<Option<(Config, Snapshot)>> {
    let Some(config) = load(file, terminal)? else {
        return Ok(None);
    };
    match compile(&config, None) {
        Ok(snapshot) => Ok(Some((config, snapshot))),
        Err(problems) => {
            tell(&problems, terminal)?;
            Ok(None)
        }
    }
}

fn tell(problems: &Diagnostics, terminal: &mut Terminal<'_>) -> io::Result<()> {
    write!(terminal.err, "{}", problems.render(terminal.is_coloured))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a command line prints and how it ends.
    pub(super) fn ran(arguments: &[&str]) -> (Exit, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut terminal = Terminal {
            out: &mut out,
            err: &mut err,
            is_coloured: false,
            is_out_coloured: false,
        };
        let arguments = ["vestibule"].iter().chain(arguments).map(OsString::from);
        let exit = main(arguments, &mut terminal).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (exit, text(out), text(err))
    }

    #[test]
    fn help_and_version_are_no_mistake() {
        for arguments in [["--help"], ["--version"], ["version"]] {
            let (exit, out, err) = ran(&arguments);
            assert_eq!((exit, &*err), (Exit::Done, ""), "{arguments:?}");
            assert!(out.contains("vestibule") || out.contains("Matrix"), "{out}");
        }
    }

    #[test]
    fn wrong_arguments_are_bad_usage() {
        for arguments in [&[] as &[&str], &["serve"], &["config", "check"]] {
            let (exit, out, err) = ran(arguments);
            assert_eq!((exit, &*out), (Exit::Usage, ""), "{arguments:?}");
            assert!(err.contains("Usage:"), "{err}");
        }
    }

    #[test]
    fn a_missing_file_is_a_bad_configuration() {
        let (exit, _, err) = ran(&["run", "--config", "/does/not/exist.toml"]);
        assert_eq!(exit, Exit::Usage);
        assert!(err.contains("cannot read /does/not/exist.toml"), "{err}");
    }
}
