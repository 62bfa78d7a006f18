//! The files that people of this project write.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn files_with(words: &[&str]) -> Vec<String> {
    let files = everything().into_iter().filter_map(|file| {
        let text = fs::read_to_string(&file).ok()?;
        let found = words.iter().find(|word| text.contains(**word))?;
        Some(format!("{}: {found}", name(&file)))
    });
    files.collect()
}

/// Every file that people of this project write.
pub(crate) fn everything() -> Vec<PathBuf> {
    let folders = [
        ".cargo", ".ci", ".config", ".github", "benches", "config", "deploy", "docs", "src",
        "tests",
    ];
    let pages = ["README.md", "CHANGELOG.md", "Cargo.toml"];
    let mut files: Vec<_> = folders
        .iter()
        .flat_map(|folder| files_below(folder))
        .collect();
    files.extend(pages.iter().map(|page| root().join(page)));
    files
}

pub(crate) fn files_below(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        // A folder that does not exist has no files.
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                let is_cache = path.ends_with("__pycache__");
                folders.extend((!is_cache).then_some(path));
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn name(file: &Path) -> String {
    let below = file.strip_prefix(root()).unwrap();
    below.to_str().unwrap().to_owned()
}

pub(crate) fn has_extension(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|e| e == extension)
}

pub(crate) fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}
