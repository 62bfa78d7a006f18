//! `vestibule config`: check a configuration, show it, tell what may be written.

use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::{Exit, Terminal, load, synapse_files, tell};
use crate::config::{self, AdminAddress, Config, Diagnostics};
use crate::runtime::check_lists;
use crate::synapse::{Fault, Kind, Remark, lint};

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
        /// A file of Synapse that must agree with it: homeserver.yaml, and again for each worker's
        #[arg(long, value_name = "FILE")]
        synapse: Vec<PathBuf>,
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
        Command::Check {
            file,
            json,
            synapse,
        } => check(file, synapse, *json, terminal),
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

fn check(
    file: &Path,
    synapse: &[PathBuf],
    as_json: bool,
    terminal: &mut Terminal<'_>,
) -> io::Result<Exit> {
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(problems) if as_json => {
            let report = json!({ "ok": false, "problems": listed(&problems) });
            writeln!(terminal.out, "{report:#}")?;
            return Ok(Exit::Usage);
        }
        Err(problems) => {
            tell(&problems, terminal)?;
            return Ok(Exit::Usage);
        }
    };
    // Not before what is wrong with the configuration itself is told.
    if let Err(problem) = check_lists(&config) {
        if as_json {
            let problem = json!({ "message": problem.to_string() });
            let report = json!({ "ok": false, "problems": [problem] });
            writeln!(terminal.out, "{report:#}")?;
        } else {
            writeln!(terminal.err, "error: {problem}")?;
        }
        return Ok(Exit::Usage);
    }
    let remarks = if synapse.is_empty() {
        Vec::new()
    } else {
        match synapse_files::read(synapse) {
            Ok(deployment) => lint(&deployment, &config),
            Err(faults) => return unreadable(&faults, as_json, terminal),
        }
    };
    let is_ok = remarks.iter().all(|remark| remark.kind != Kind::Problem);
    if as_json {
        let report = report(&config, &remarks, is_ok);
        writeln!(terminal.out, "{report:#}")?;
    } else {
        for remark in &remarks {
            writeln!(terminal.err, "{remark}")?;
        }
        if is_ok {
            writeln!(terminal.out, "ok: {}", summary(&config))?;
        }
    }
    Ok(if is_ok { Exit::Done } else { Exit::Problems })
}

fn report(config: &Config, remarks: &[Remark], is_ok: bool) -> serde_json::Value {
    let of_kind = |kind| {
        let of_kind = remarks.iter().filter(move |remark| remark.kind == kind);
        let listed = of_kind.map(|one| json!({ "message": one.message, "help": one.help }));
        listed.collect::<Vec<_>>()
    };
    json!({
        "ok": is_ok,
        "summary": summary(config),
        "problems": of_kind(Kind::Problem),
        "warnings": of_kind(Kind::Warning),
    })
}

/// Tells why Synapse's files cannot be understood.
fn unreadable(faults: &[Fault], as_json: bool, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    if as_json {
        let problems = faults
            .iter()
            .map(|fault| json!({ "message": fault.to_string() }));
        let report = json!({ "ok": false, "problems": problems.collect::<Vec<_>>() });
        writeln!(terminal.out, "{report:#}")?;
        return Ok(Exit::Usage);
    }
    synapse_files::tell(faults, terminal)?;
    Ok(Exit::Usage)
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
    fn check_beside_synapse_ends_with_2_when_something_would_fail() {
        let (folder, path) = file(MINIMAL);
        let synapse = folder.path().join("homeserver.yaml");
        let check = |resources: &str, json: &[&str]| {
            let text = format!(
                "server_name: example.com\nlisteners: [{{type: http, port: 8008, bind_addresses: ['::1'], \
                 x_forwarded: true, resources: [{{names: [{resources}]}}]}}]"
            );
            std::fs::write(&synapse, text).unwrap();
            let arguments = [
                "config",
                "check",
                &path,
                "--synapse",
                synapse.to_str().unwrap(),
            ];
            ran(&[&arguments, json].concat())
        };
        let (exit, out, err) = check("client, federation", &[]);
        assert_eq!(exit, Exit::Done, "{err}");
        assert!(
            out.starts_with("ok: ") && err.starts_with("warning: "),
            "{err}"
        );
        let (exit, out, err) = check("client", &[]);
        assert_eq!((exit, &*out), (Exit::Problems, ""));
        assert!(
            err.starts_with("problem: the main process answers other servers with 404"),
            "{err}"
        );
        let (exit, out, _) = check("client", &["--json"]);
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((exit, &report["ok"]), (Exit::Problems, &false.into()));
        assert_eq!(report["problems"].as_array().unwrap().len(), 1);
        let (exit, out, err) = check("everything", &[]);
        assert_eq!((exit, &*out), (Exit::Usage, ""));
        assert!(err.contains("\"everything\" is not a resource"), "{err}");
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
