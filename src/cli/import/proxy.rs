//! `vestibule import nginx` and the like: the files of another proxy.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Exit, Output, Terminal};
use crate::migrate::{self, File, Hints, Origin};

/// A longer file is none of a person.
const LARGEST: u64 = 4 << 20;
/// More files belong to more than a homeserver.
const MOST: usize = 1000;

/// What to read, and where to write.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The configuration: that of the whole proxy, or the file of the site
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The folder that included files are named from; by default the nearest one above FILE that
    /// has the proxy's main file, else FILE's own
    #[arg(long, value_name = "FOLDER")]
    prefix: Option<PathBuf>,
    /// The Matrix server name: what stands behind the colon of a user's id
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(
    origin: Origin,
    arguments: &Arguments,
    terminal: &mut Terminal<'_>,
) -> io::Result<Exit> {
    let mut files = Vec::new();
    for path in &arguments.files {
        match read(path) {
            Ok(file) => files.push(file),
            Err(reason) => {
                writeln!(
                    terminal.err,
                    "error: {}: cannot read it: {reason}",
                    path.display()
                )?;
                return Ok(Exit::Usage);
            }
        }
    }
    let prefix = arguments.prefix.clone().or_else(|| {
        let first = arguments.files.first()?;
        Some(prefix_of(first, origin))
    });
    let prefix = prefix.unwrap_or_default();
    let mut left = MOST;
    let mut open = |pattern: &str| find(&prefix, pattern, &mut left);
    let hints = Hints {
        server_name: arguments.server_name.clone(),
        prefix: prefix.clone(),
    };
    match migrate::import(origin, &files, &mut open, &hints) {
        Ok(imported) => {
            let remarks = imported.remarks;
            arguments.output.give(&imported.text, terminal, |_| remarks)
        }
        Err(fault) => {
            writeln!(terminal.err, "error: {fault}")?;
            Ok(Exit::Usage)
        }
    }
}

/// The nearest folder above `file` that has the main file of the proxy.
fn prefix_of(file: &Path, origin: Origin) -> PathBuf {
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let has_main = |folder: &&Path| {
        let mut names = origin.main_files().iter();
        names.any(|name| folder.join(name).is_file())
    };
    let own = file.parent().unwrap_or_else(|| Path::new("/"));
    own.ancestors().find(has_main).unwrap_or(own).to_owned()
}

/// The files of a pattern; of a folder all that are in it.
fn find(prefix: &Path, pattern: &str, left: &mut usize) -> Result<Vec<File>, String> {
    let whole = prefix.join(pattern);
    let has_wildcard = pattern.contains(['*', '?', '[']);
    let mut paths = Vec::new();
    if has_wildcard {
        let whole = whole.to_string_lossy();
        let matches = glob::glob(&whole).map_err(|_| "it is no pattern of files".to_owned())?;
        paths.extend(matches.filter_map(Result::ok).filter(|path| path.is_file()));
    } else if whole.is_dir() {
        let entries = fs::read_dir(&whole).map_err(|reason| format!("cannot read it: {reason}"))?;
        paths.extend(
            entries
                .filter_map(Result::ok)
                .map(|entry| entry.path())
                .filter(|path| path.is_file()),
        );
    } else {
        paths.push(whole);
    }
    paths.sort();
    *left = left
        .checked_sub(paths.len())
        .ok_or_else(|| format!("more than {MOST} files are included"))?;
    let files = paths.iter().map(|path| {
        read(path).map_err(|reason| format!("cannot read {}: {reason}", path.display()))
    });
    files.collect()
}

fn read(path: &Path) -> io::Result<File> {
    let length = fs::metadata(path)?.len();
    if length > LARGEST {
        return Err(io::Error::other(format!("it has {length} bytes")));
    }
    let bytes = fs::read(path)?;
    Ok(File {
        name: path.display().to_string(),
        text: String::from_utf8_lossy(&bytes).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::ran;
    use super::*;

    const SITE: &str = "include snippets/*.conf;\n\
                        server { listen 443 ssl; server_name a.test; include missing.conf; \
                        location /_matrix { proxy_pass http://127.0.0.1:8008; } }\n";

    /// A folder as Debian has it: the main file, a site and something to include.
    fn folder() -> (tempfile::TempDir, impl Fn(&str) -> String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let write = |name: &str, text: &[u8]| {
            let path = path.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("nginx.conf", b"include sites/*;\n");
        write("sites/matrix", SITE.as_bytes());
        write("snippets/size.conf", b"client_max_body_size 70M;\n");
        write("broken", b"server {\n listen");
        write("bytes", &[0xff, b';', 0, b'{', b'}']);
        let path = folder.path().to_owned();
        (folder, move |name: &str| {
            path.join(name).display().to_string()
        })
    }

    #[test]
    fn included_files_are_found_from_the_main_file_of_the_proxy() {
        let (_folder, path) = folder();
        for name in ["nginx.conf", "sites/matrix"] {
            let (exit, out, err) = ran(&["import", "nginx", &path(name)]);
            assert_eq!(exit, Exit::Done, "{err}");
            assert!(out.contains("max_upload_size = \"70M\""), "{out}");
            let included = format!(
                "carried over: {}:1: client_max_body_size 70M",
                path("snippets/size.conf")
            );
            assert!(err.contains(&included), "{err}");
            let missing = format!(
                "include missing.conf: cannot read {}: No such file",
                path("missing.conf")
            );
            assert!(err.contains(&missing), "{err}");
            let kinds = ["carried over: ", "not needed: ", "left out: ", "warning: "];
            let kind = |line: &str| kinds.iter().position(|kind| line.starts_with(kind));
            let kinds: Vec<_> = err.lines().map(kind).collect();
            assert!(
                kinds.iter().all(Option::is_some) && kinds.is_sorted(),
                "{err}"
            );
        }
        let elsewhere = path("snippets");
        let (_, out, _) = ran(&[
            "import",
            "nginx",
            "--prefix",
            &elsewhere,
            &path("sites/matrix"),
        ]);
        assert!(!out.contains("max_upload_size"), "{out}");
    }

    #[test]
    fn the_server_name_can_be_told() {
        let (_folder, path) = folder();
        let import = |name: &str| {
            ran(&[
                "import",
                "nginx",
                "--server-name",
                name,
                &path("nginx.conf"),
            ])
        };
        let (exit, out, err) = import("b.test");
        assert_eq!(exit, Exit::Done);
        assert!(
            out.contains("server_name = \"b.test\"\n") && out.contains("hosts = [\"a.test\"]"),
            "{out}"
        );
        assert!(
            !err.contains("no file says what stands behind the colon"),
            "{err}"
        );
        let (exit, out, err) = import("b test");
        assert_eq!((exit, &*out), (Exit::Usage, ""));
        assert!(
            err.starts_with("error: --server-name \"b test\" is not a server name: "),
            "{err}"
        );
    }

    #[test]
    fn what_cannot_be_understood_is_named_and_nothing_is_written() {
        let (_folder, path) = folder();
        let output = path("vestibule.toml");
        for (name, expected) in [
            ("missing", ": cannot read it: No such file"),
            (
                "broken",
                ":2: a \"}\" is missing at the end; `nginx -t` says",
            ),
            (
                "bytes",
                "no rule passes /_matrix on to a homeserver; name the file",
            ),
        ] {
            let (exit, out, err) = ran(&["import", "nginx", &path(name), "--output", &output]);
            assert_eq!((exit, &*out), (Exit::Usage, ""), "{err}");
            assert!(
                err.starts_with("error: ") && err.contains(expected),
                "{err}"
            );
            assert!(!Path::new(&output).exists());
        }
    }
}
