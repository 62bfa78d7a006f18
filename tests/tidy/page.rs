//! Markdown pages, their headings, and the links between them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::files::{everything, has_extension, read};

/// A link of a page to another place of the repository.
pub(crate) struct Link {
    pub(crate) written: String,
    pub(crate) path: PathBuf,
    heading: Option<String>,
}

impl Link {
    pub(crate) fn leads_somewhere(&self) -> bool {
        match &self.heading {
            None => self.path.exists(),
            Some(heading) => self.path.is_file() && headings(&self.path).contains(heading),
        }
    }
}

/// The links of a page that stay in the repository.
pub(crate) fn links(page: &Path) -> Vec<Link> {
    let text = outside_of_code(&read(page));
    let targets = text.match_indices("](").filter_map(|(at, mark)| {
        let target = text.get(at + mark.len()..)?;
        target.get(..target.find([')', ' '])?)
    });
    let local = targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
    local
        .map(|target| {
            let (path, heading) = target
                .split_once('#')
                .map_or((target, None), |(p, h)| (p, Some(h)));
            Link {
                written: target.to_owned(),
                path: match path {
                    "" => page.to_owned(),
                    _ => page.parent().unwrap().join(path),
                },
                heading: heading.map(str::to_owned),
            }
        })
        .collect()
}

/// The headings of a page as links write them.
fn headings(page: &Path) -> HashSet<String> {
    let text = outside_of_code(&read(page));
    let titles = text.lines().filter(|line| line.starts_with('#'));
    titles
        .map(|title| {
            let letters = title.trim_start_matches('#').trim().to_lowercase();
            let kept = letters
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// The blocks of a page that are marked as TOML.
pub(crate) fn toml_blocks(page: &Path) -> Vec<String> {
    let text = read(page);
    let blocks = text.split("```").skip(1).step_by(2);
    blocks
        .filter_map(|block| block.strip_prefix("toml\n"))
        .map(str::to_owned)
        .collect()
}

/// A page without its blocks of code.
fn outside_of_code(text: &str) -> String {
    let parts = text.split("```").step_by(2);
    parts.collect::<Vec<_>>().join("\n")
}

/// Every Markdown page.
pub(crate) fn pages() -> Vec<PathBuf> {
    let files = everything().into_iter();
    files.filter(|file| has_extension(file, "md")).collect()
}
