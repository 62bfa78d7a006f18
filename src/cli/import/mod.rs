//! `vestibule import`: a configuration from another program's.

mod proxy;

use std::fmt::Display;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Exit, Terminal, synapse_files, tell};
use crate::config::Config;
use crate::migrate::Origin;
use crate::synapse;

/// What to import from.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a configuration that stands in front of a Synapse
    ///
    /// What was carried over, what was not and what is wrong is told on standard error, a line each.
    Synapse {
        /// homeserver.yaml, then the files of the workers; a folder stands for each *.yaml in it
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Where it is written to
        #[command(flatten)]
        output: Output,
    },
    /// Write a configuration that does for Matrix what an nginx does
    ///
    /// What became of each directive is told on standard error, a line each.
    Nginx(proxy::Arguments),
    /// Write a configuration that does for Matrix what an Apache does
    ///
    /// What became of each directive is told on standard error, a line each.
    Apache(proxy::Arguments),
}

/// Where the configuration is written to.
#[derive(Debug, Args)]
pub struct Output {
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite that file if it is there already
    #[arg(long, requires = "output")]
    force: bool,
}

/// Runs one of them.
///
/// # Errors
/// When the terminal cannot be written to.
pub fn run(command: &Command, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    match command {
        Command::Synapse { files, output } => from_synapse(files, output, terminal),
        Command::Nginx(arguments) => proxy::run(Origin::Nginx, arguments, terminal),
        Command::Apache(arguments) => proxy::run(Origin::Apache, arguments, terminal),
    }
}

fn from_synapse(
    files: &[PathBuf],
    output: &Output,
    terminal: &mut Terminal<'_>,
) -> io::Result<Exit> {
    let deployment = match synapse_files::read(files) {
        Ok(deployment) => deployment,
        Err(faults) => {
            synapse_files::tell(&faults, terminal)?;
            return Ok(Exit::Usage);
        }
    };
    let imported = match synapse::import(&deployment) {
        Ok(imported) => imported,
        Err(fault) => {
            synapse_files::tell(&[fault], terminal)?;
            return Ok(Exit::Usage);
        }
    };
    output.give(&imported.text, terminal, |config| {
        let mut remarks = imported.remarks;
        remarks.extend(synapse::lint(&deployment, config));
        // What needs doing stands last, where it is seen.
        remarks.sort_by_key(|remark| remark.kind);
        remarks
    })
}

impl Output {
    /// Writes a configuration if it is one, then the remarks about it, a line each.
    fn give<R: Display>(
        &self,
        text: &str,
        terminal: &mut Terminal<'_>,
        remarks: impl FnOnce(&Config) -> Vec<R>,
    ) -> io::Result<Exit> {
        let config = match Config::parse("the imported configuration", text) {
            Ok(config) => config,
            Err(problems) => {
                tell(&problems, terminal)?;
                return Ok(Exit::Failed);
            }
        };
        match &self.output {
            Some(path) => {
                if let Err(reason) = write_file(path, text, self.force) {
                    return not_written(path, &reason, terminal);
                }
            }
            None => write!(terminal.out, "{text}")?,
        }
        for remark in remarks(&config) {
            writeln!(terminal.err, "{remark}")?;
        }
        Ok(Exit::Done)
    }
}

fn write_file(path: &Path, text: &str, overwrite: bool) -> io::Result<()> {
    if overwrite {
        return fs::write(path, text);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())
}

fn not_written(path: &Path, reason: &io::Error, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    let path = path.display();
    if reason.kind() == io::ErrorKind::AlreadyExists {
        writeln!(
            terminal.err,
            "error: {path} is there already; name another file, or overwrite it with --force"
        )?;
        return Ok(Exit::Usage);
    }
    writeln!(terminal.err, "error: cannot write {path}: {reason}")?;
    Ok(Exit::Failed)
}

#[cfg(test)]
mod tests {
    use super::super::tests::ran;
    use super::*;

    const SYNAPSE: &str = "server_name: example.com\n\
                           listeners: [{type: http, port: 8008, bind_addresses: [127.0.0.1], \
                           resources: [{names: [client, federation]}]}]\n\
                           registration_shared_secret: SECRET\n";
    const WORKER: &str = "worker_app: synapse.app.generic_worker\nworker_name: sync1\n\
                          worker_listeners: [{type: http, path: /run/sync1.sock, \
                          resources: [{names: [client]}]}]\n";

    fn folder() -> (tempfile::TempDir, impl Fn(&str) -> String) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("homeserver.yaml"), SYNAPSE).unwrap();
        fs::create_dir(folder.path().join("workers")).unwrap();
        fs::write(folder.path().join("workers/sync1.yaml"), WORKER).unwrap();
        fs::write(folder.path().join("workers/notes.txt"), "{").unwrap();
        let path = folder.path().to_owned();
        (folder, move |name: &str| {
            path.join(name).display().to_string()
        })
    }

    #[test]
    fn the_configuration_goes_out_and_what_is_told_does_not() {
        let (_folder, path) = folder();
        let (exit, out, err) = ran(&[
            "import",
            "synapse",
            &path("homeserver.yaml"),
            &path("workers"),
        ]);
        assert_eq!(exit, Exit::Done);
        let config = Config::parse("out", &out).unwrap();
        assert_eq!(&*config.sites[0].workers[0].name.to_string(), "sync1");
        let words = ["carried over: ", "left out: ", "warning: ", "problem: "];
        let kinds: Vec<_> = err
            .lines()
            .map(|line| words.iter().position(|word| line.starts_with(word)))
            .collect();
        assert!(
            kinds.iter().all(Option::is_some) && kinds.is_sorted(),
            "{err}"
        );
        assert!(err.contains("problem: the addresses of clients are lost, for logs and for limits, at the main process;"), "{err}");
        assert!(!format!("{out}{err}").contains("SECRET"), "{err}");
    }

    #[test]
    fn a_file_is_overwritten_only_when_told_to() {
        let (_folder, path) = folder();
        let (files, output) = (path("homeserver.yaml"), path("vestibule.toml"));
        let import = |more: &[&str]| {
            let arguments = ["import", "synapse", &files, "--output", &output];
            ran(&[&arguments, more].concat())
        };
        let (exit, out, _) = import(&[]);
        assert_eq!((exit, &*out), (Exit::Done, ""));
        let written = fs::read_to_string(&output).unwrap();
        fs::write(&output, "# mine\n").unwrap();
        let (exit, _, err) = import(&[]);
        assert_eq!(exit, Exit::Usage);
        assert_eq!(
            err,
            format!(
                "error: {output} is there already; name another file, or overwrite it with --force\n"
            )
        );
        assert_eq!(fs::read_to_string(&output).unwrap(), "# mine\n");
        assert_eq!(import(&["--force"]).0, Exit::Done);
        assert_eq!(fs::read_to_string(&output).unwrap(), written);
    }

    #[test]
    fn files_that_cannot_be_read_are_named() {
        let (_folder, path) = folder();
        fs::create_dir(path("empty")).unwrap();
        fs::write(path("bad.yaml"), "a: b: SECRET").unwrap();
        for (name, expected) in [
            ("missing.yaml", "cannot read it: No such file"),
            ("empty", "cannot read it: there is no *.yaml in it"),
            (
                "bad.yaml",
                "this is not a YAML file of keys and values, at line 1 column ",
            ),
        ] {
            let (exit, out, err) = ran(&["import", "synapse", &path(name)]);
            assert_eq!((exit, &*out), (Exit::Usage, ""), "{name}");
            assert!(
                err.starts_with(&format!("error: {}: {expected}", path(name))),
                "{err}"
            );
            assert!(!err.contains("SECRET"), "{err}");
        }
        assert_eq!(ran(&["import", "synapse"]).0, Exit::Usage);
        assert_eq!(
            ran(&["import", "synapse", "--force", &path("homeserver.yaml")]).0,
            Exit::Usage
        );
    }
}
