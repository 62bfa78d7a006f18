//! `vestibule certs` and `vestibule ca`: what there is of certificates.

use std::fs;
use std::io;
use std::path::Path;

use clap::Subcommand;

use super::{Exit, Terminal, load};
use crate::admin::CertificateRow;
use crate::listen::internal_ca;
use crate::runtime::certificate_rows;

/// What to do with the authority of `tls = "internal"`.
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// Print its certificate, for those who are to trust it
    Show {
        /// The configuration file
        #[arg(short, long = "config", value_name = "FILE", default_value = super::CONFIGURATION)]
        file: std::path::PathBuf,
    },
}

/// Lists every name that needs a certificate. It reads the configuration and the state folder, so
/// Vestibule need not run; what the internal CA signed lives in memory and has no end here.
///
/// # Errors
/// When the terminal cannot be written to.
pub fn certs(file: &Path, as_json: bool, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    let Some(config) = load(file, terminal)? else {
        return Ok(Exit::Usage);
    };
    let rows = match certificate_rows(&config) {
        Ok(rows) => rows,
        Err(problem) => {
            writeln!(terminal.err, "error: {problem}")?;
            return Ok(Exit::Failed);
        }
    };
    if as_json {
        let text = serde_json::to_string_pretty(&rows).map_err(io::Error::other)?;
        writeln!(terminal.out, "{text}")?;
    } else {
        print(&rows, terminal)?;
    }
    Ok(Exit::Done)
}

/// Prints the certificate of the internal CA.
///
/// # Errors
/// When the terminal cannot be written to.
pub fn ca(command: &CaCommand, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    let CaCommand::Show { file } = command;
    let Some(config) = load(file, terminal)? else {
        return Ok(Exit::Usage);
    };
    let path = internal_ca::certificate_path(&config.state_folder);
    match fs::read_to_string(&path) {
        Ok(pem) => {
            write!(terminal.out, "{pem}")?;
            Ok(Exit::Done)
        }
        Err(error) => {
            let path = path.display();
            writeln!(
                terminal.err,
                "error: cannot read {path}: {error}; `vestibule run` makes it, with tls = \"internal\""
            )?;
            Ok(Exit::Failed)
        }
    }
}

fn print(rows: &[CertificateRow], terminal: &mut Terminal<'_>) -> io::Result<()> {
    let widest = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let width = widest.max("name".len());
    let head = ("name", "source", "expires", "next renewal");
    let (name, source, expires, renewal) = head;
    writeln!(
        terminal.out,
        "{name:width$}  {source:8}  {expires:20}  {renewal}"
    )?;
    for row in rows {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        writeln!(
            terminal.out,
            "{:width$}  {:8}  {:20}  {}",
            row.name,
            row.source,
            or_none(&row.expires),
            or_none(&row.next_renewal),
        )?;
        if let Some(error) = &row.last_error {
            writeln!(terminal.out, "    {error}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::super::tests::ran;
    use super::*;

    /// A configuration with `tls` and a state folder, both in a folder of their own.
    fn file(tls: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vestibule.toml");
        let text = format!(
            "server_name = \"example.com\"\nhomeserver = \"http://127.0.0.1:8008\"\n\
             hosts = [\"matrix.example.com\", \"example.com\"]\nstate_folder = \"state\"\n{tls}\n"
        );
        fs::write(&path, text).unwrap();
        (folder, path.display().to_string())
    }

    fn listed(path: &str) -> serde_json::Value {
        let (exit, out, err) = ran(&["certs", "--json", "--config", path]);
        assert_eq!((exit, &*err), (Exit::Done, ""));
        serde_json::from_str(&out).unwrap()
    }

    #[test]
    fn every_name_is_listed_once_with_what_is_known_of_it() {
        let (folder, path) = file("");
        let names = folder.path().join("state/acme/names");
        fs::create_dir_all(&names).unwrap();
        let record =
            r#"{"failures":1,"next_attempt":1800000000,"last_error":"the authority says dns"}"#;
        fs::write(names.join("matrix.example.com.json"), record).unwrap();
        let rows = listed(&path);
        assert_eq!(rows.as_array().unwrap().len(), 2);
        assert_eq!(rows[0]["name"], "example.com");
        assert_eq!(rows[0]["expires"], serde_json::Value::Null);
        assert_eq!(rows[1]["source"], "acme");
        assert_eq!(rows[1]["next_renewal"], "2027-01-15T08:00:00Z");
        assert_eq!(rows[1]["last_error"], "the authority says dns");
        let (_, out, _) = ran(&["certs", "--config", &path]);
        assert!(out.contains("\n    the authority says dns\n"), "{out}");
    }

    #[test]
    fn a_name_in_a_file_is_not_ordered() {
        let tls = "[tls]\nsource = \"acme\"\n\
                   certificates = [{ certificate = \"pair.pem\", key = \"pair.pem\" }]";
        let (folder, path) = file(tls);
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
        let pair = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
        fs::write(folder.path().join("pair.pem"), pair).unwrap();
        let rows = listed(&path);
        let sources: Vec<_> = rows.as_array().unwrap().iter().collect();
        assert_eq!(sources[0]["source"], "files");
        assert!(sources[0]["expires"].is_string());
        assert_eq!(sources[1]["source"], "acme");
    }

    #[test]
    fn the_internal_authority_is_shown_once_it_is_there() {
        let (folder, path) = file("tls = \"internal\"");
        assert_eq!(listed(&path)[0]["source"], "internal");
        let (exit, out, err) = ran(&["ca", "show", "--config", &path]);
        assert_eq!((exit, &*out), (Exit::Failed, ""));
        assert!(err.contains("vestibule run"), "{err}");
        let state = folder.path().join("state");
        let sites = [vec!["example.com".parse().unwrap()]];
        let now = OffsetDateTime::now_utc();
        let opened = internal_ca::InternalCa::open(&state, &sites, now).unwrap();
        let (exit, out, _) = ran(&["ca", "show", "--config", &path]);
        assert_eq!(exit, Exit::Done);
        assert_eq!(out, opened.ca.certificate_pem());
    }
}
