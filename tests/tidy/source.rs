//! The program, file by file, without its tests.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::files::{files_below, has_extension, name, read, root};

/// One file of `src/`.
pub(crate) struct Source {
    /// Its path in the repository.
    pub(crate) name: String,
    /// The module of the crate that it belongs to; `lib` and `main` for the roots.
    pub(crate) module: String,
    /// What comes before its tests.
    pub(crate) program: String,
}

impl Source {
    /// The program without comments.
    pub(crate) fn code(&self) -> String {
        let code = self.program.lines().map(|line| {
            let is_comment = line.trim_start().starts_with("//");
            let end = if is_comment {
                0
            } else {
                line.find(" // ").unwrap_or(line.len())
            };
            line.get(..end).unwrap_or_default()
        });
        code.collect::<Vec<_>>().join("\n")
    }
}

/// Every file of the program; files that hold nothing but tests are left out.
pub(crate) fn sources() -> Vec<Source> {
    let files: Vec<_> = files_below("src")
        .into_iter()
        .filter(|file| has_extension(file, "rs"))
        .collect();
    let tests: Vec<PathBuf> = files
        .iter()
        .flat_map(|file| places_of_tests(file))
        .collect();
    let is_test = |file: &PathBuf| tests.iter().any(|place| file.starts_with(place));
    let program = files.into_iter().filter(|file| !is_test(file));
    program.map(|file| source(&file)).collect()
}

fn source(file: &Path) -> Source {
    let below = file.strip_prefix(root().join("src")).unwrap();
    let module = Path::new(below.iter().next().unwrap()).with_extension("");
    let text = read(file);
    let end = test_modules(&text).find(|(_, declaration)| declaration.ends_with('{'));
    Source {
        name: name(file),
        module: module.to_str().unwrap().to_owned(),
        program: text
            .get(..end.map_or(text.len(), |(at, _)| at))
            .unwrap()
            .to_owned(),
    }
}

/// Where test modules begin, and the line that declares each: `mod tests {` or `mod tests;`.
fn test_modules(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices("#[cfg(test)]\n")
        .filter_map(|(at, mark)| {
            let declaration = text.get(at + mark.len()..)?.lines().next()?;
            declaration.starts_with("mod ").then_some((at, declaration))
        })
}

/// The files, or folders, of the test modules that `file` declares to be elsewhere.
fn places_of_tests(file: &Path) -> Vec<PathBuf> {
    let folder = match file.file_stem().unwrap().to_str().unwrap() {
        "mod" | "lib" | "main" => file.parent().unwrap().to_owned(),
        _ => file.with_extension(""),
    };
    let text = read(file);
    test_modules(&text)
        .filter_map(|(_, declaration)| declaration.strip_prefix("mod ")?.strip_suffix(';'))
        .flat_map(|module| [folder.join(format!("{module}.rs")), folder.join(module)])
        .collect()
}

/// The modules of the crate that some code names: `crate::a::B` and `crate::{a, b::C}`.
pub(crate) fn used_modules(code: &str) -> HashSet<String> {
    let after = code
        .match_indices("crate::")
        .filter(|(at, _)| is_start_of_path(code, *at));
    let paths = after.filter_map(|(at, path)| code.get(at + path.len()..));
    paths.flat_map(first_names).collect()
}

fn first_names(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else {
        return vec![identifier(path)];
    };
    let mut depth = 1;
    let mut names = vec![identifier(group.trim_start())];
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(identifier(group.get(at + 1..).unwrap().trim_start())),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn identifier(text: &str) -> String {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    text.get(..end.unwrap_or(text.len())).unwrap().to_owned()
}

/// Whether a name at `at` begins a path: it is no later part of one, no part
/// of another name, and not quoted.
pub(crate) fn is_start_of_path(code: &str, at: usize) -> bool {
    let before = code.get(..at).unwrap().chars().next_back();
    !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '"' | '$'))
}
