//! Synapse's files, as they are named on the command line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Terminal;
use crate::synapse::{Deployment, Document, Fault};

/// A longer file is none of Synapse's.
const LARGEST: u64 = 16 << 20;

/// Reads files; of a folder each `*.yaml` in it, in the order of their names, as
/// Synapse does.
pub(super) fn read(paths: &[PathBuf]) -> Result<Deployment, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut documents = Vec::new();
    for path in paths {
        match files(path) {
            Ok(files) => documents.extend(files),
            Err(reason) => faults.push(unreadable(path, &reason)),
        }
    }
    let read = documents.iter().map(|path| {
        let text = text(path).map_err(|reason| unreadable(path, &reason))?;
        Document::parse(&path.display().to_string(), &text)
    });
    let mut parsed = Vec::new();
    for document in read {
        match document {
            Ok(document) => parsed.push(document),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() {
        return Deployment::read(&parsed);
    }
    Err(faults)
}

/// Tells why they cannot be understood.
pub(super) fn tell(faults: &[Fault], terminal: &mut Terminal<'_>) -> io::Result<()> {
    for fault in faults {
        writeln!(terminal.err, "error: {fault}")?;
    }
    Ok(())
}

fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries: io::Result<Vec<_>> = fs::read_dir(path)?.collect();
    let files = entries?.into_iter().map(|entry| entry.path());
    let is_yaml =
        |path: &PathBuf| path.is_file() && path.extension().is_some_and(|end| end == "yaml");
    let mut files: Vec<PathBuf> = files.filter(is_yaml).collect();
    files.sort();
    if files.is_empty() {
        return Err(io::Error::other("there is no *.yaml in it"));
    }
    Ok(files)
}

fn text(path: &Path) -> io::Result<String> {
    let length = fs::metadata(path)?.len();
    if length > LARGEST {
        return Err(io::Error::other(format!("it has {length} bytes")));
    }
    fs::read_to_string(path)
}

fn unreadable(path: &Path, reason: &io::Error) -> Fault {
    let help = "name homeserver.yaml and the files of its workers, or a folder of them";
    Fault::of_file(
        &path.display().to_string(),
        format!("cannot read it: {reason}"),
        help,
    )
}
