//! `vestibule config`: check a configuration, show it, tell what may be written.

use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::{Exit, Terminal, load};
use crate::config::{self, AdminAddress, Config, Diagnostics};

/// What to do with configurations.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Report every problem of a file
    Check {
        /// The configuration file
        file: PathBuf,
        /// Report as JSON on standard output
        #[arg(long)]
        json: bool,
    },
    /// Print a file with every default filled in
    Show {
        /// The configuration file
        file: PathBuf,
        /// Print JSON instead of TOML
        #[arg(long)]
        json: bool,
    },
    /// Print what every key means, as Markdown
    Reference {
        /// Print a configuration file with every key as a comment instead
        #[arg(long)]
        toml: bool,
    },
    /// Print a JSON schema for editors
    Schema,
}

/// Runs one of them.
///
/// # Errors
/// When the terminal cannot be written to.
pub fn run(command: &Command, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    match command {
        Command::Check { file, json: true } => check_as_json(file, terminal),
        Command::Check { file, json: false } => check(file, terminal),
        Command::Show { file, json } => show(file, *json, terminal),
        Command::Reference { toml } => {
            let text = if *toml {
                config::reference_toml()
            } else {
                config::markdown()
            };
            write!(terminal.out, "{text}")?;
            Ok(Exit::Done)
        }
        Command::Schema => {
            writeln!(terminal.out, "{:#}", config::json_schema())?;
            Ok(Exit::Done)
        }
    }
}

fn check(file: &Path, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    let Some(config) = load(file, terminal)? else {
        return Ok(Exit::Usage);
    };
    writeln!(terminal.out, "ok: {}", summary(&config))?;
    Ok(Exit::Done)
}

fn check_as_json(file: &Path, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    let (report, exit) = match Config::load(file) {
        Ok(config) => (
            json!({ "ok": true, "summary": summary(&config) }),
            Exit::Done,
        ),
        Err(problems) => (
            json!({ "ok": false, "problems": listed(&problems) }),
            Exit::Usage,
        ),
    };
    writeln!(terminal.out, "{report:#}")?;
    Ok(exit)
}

fn listed(problems: &Diagnostics) -> Vec<serde_json::Value> {
    let one = |problem: &config::Diagnostic| {
        let (line, column) = problems.position(problem).unzip();
        json!({
            "message": problem.message(),
            "line": line,
            "column": column,
            "help": problem.remedy(),
        })
    };
    problems.iter().map(one).collect()
}

fn show(file: &Path, as_json: bool, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    let Some(config) = load(file, terminal)? else {
        return Ok(Exit::Usage);
    };
    let text = if as_json {
        serde_json::to_string_pretty(&config).map_err(io::Error::other)?
    } else {
        toml::to_string_pretty(&config).map_err(io::Error::other)?
    };
    writeln!(terminal.out, "{}", text.trim_end())?;
    Ok(Exit::Done)
}

/// `1 site (example.com), 3 listeners (*:80, *:443, *:8448), admin on 127.0.0.1:9180`
fn summary(config: &Config) -> String {
    let sites = config.sites.iter().map(|site| site.server_name.to_string());
    let listeners = config
        .listeners
        .iter()
        .flat_map(|listener| &listener.address);
    let listeners = listeners.map(ToString::to_string);
    let admin = match &*config.admin.address {
        AdminAddress::At(address) => format!("admin on {address}"),
        AdminAddress::Off => "no admin listener".to_owned(),
    };
    let (sites, listeners) = (counted(sites, "site"), counted(listeners, "listener"));
    format!("{sites}, {listeners}, {admin}")
}

fn counted(names: impl Iterator<Item = String>, noun: &str) -> String {
    let names: Vec<String> = names.collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("{} {noun}{plural} ({})", names.len(), names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::tests::ran;
    use super::*;

    const MINIMAL: &str = "server_name = \"example.com\"\nhomeserver = \"http://[::1]:8008\"\n";

    fn file(text: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vestibule.toml");
        std::fs::write(&path, text).unwrap();
        (folder, path.display().to_string())
    }

    #[test]
    fn check_sums_up_a_good_file() {
        let (_folder, path) = file(MINIMAL);
        let (exit, out, err) = ran(&["config", "check", &path]);
        assert_eq!((exit, &*err), (Exit::Done, ""));
        assert_eq!(
            out,
            "ok: 1 site (example.com), 3 listeners (*:80, *:443, *:8448), \
             admin on 127.0.0.1:9180\n"
        );
    }

    #[test]
    fn check_tells_every_problem_of_a_bad_file() {
        let (_folder, path) = file("server_name = \"a b\"\nhomeserver = 1\nhost = []\n");
        let (exit, out, err) = ran(&["config", "check", &path]);
        assert_eq!((exit, &*out), (Exit::Usage, ""));
        assert!(err.contains("there are 3 problems"), "{err}");
        let (exit, out, _) = ran(&["config", "check", "--json", &path]);
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(exit, Exit::Usage);
        assert_eq!(report["problems"][2]["line"], 3);
        assert_eq!(report["problems"][2]["help"], "did you mean `hosts`?");
    }

    #[test]
    fn show_prints_a_file_that_means_the_same() {
        let (_folder, path) = file(MINIMAL);
        let (exit, out, _) = ran(&["config", "show", &path]);
        assert_eq!(exit, Exit::Done);
        let (shown, written) = (Config::parse("shown", &out), Config::load(Path::new(&path)));
        assert!(shown.unwrap().means_the_same(&written.unwrap()));
    }

    #[test]
    fn schema_and_reference_print() {
        let (_, schema, _) = ran(&["config", "schema"]);
        let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
        assert_eq!(schema["properties"]["threads"]["type"], "integer");
        let (_, reference, _) = ran(&["config", "reference"]);
        assert!(reference.starts_with("# Configuration"));
        let (_, reference, _) = ran(&["config", "reference", "--toml"]);
        assert!(Config::parse("reference.toml", &reference).is_ok());
    }
}
