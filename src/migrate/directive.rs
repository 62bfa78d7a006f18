//! What configuration files consist of, nginx's and Apache's alike.

use std::fmt;
use std::sync::Arc;

/// Deeper blocks are not what a person wrote.
pub(super) const DEEPEST: usize = 24;

/// Where a directive stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", one_line(&self.file), self.line)
    }
}

/// A name with arguments, and perhaps a block.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    /// As it is written.
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    /// What stands in its block; what an include brought stands behind it instead.
    pub(super) block: Option<Vec<Self>>,
    pub(super) place: Place,
    /// Its number in the ledger.
    pub(super) number: usize,
    /// Why what it includes could not be read.
    pub(super) unread: Option<String>,
}

impl Directive {
    pub(super) fn new(name: String, arguments: Vec<String>, place: Place) -> Self {
        Self {
            name,
            arguments,
            block: None,
            place,
            number: 0,
            unread: None,
        }
    }

    /// An argument; empty where there is none.
    pub(super) fn argument(&self, index: usize) -> &str {
        self.arguments.get(index).map_or("", String::as_str)
    }

    /// Whether an argument is this word.
    pub(super) fn has(&self, word: &str) -> bool {
        self.arguments.iter().any(|argument| argument == word)
    }

    /// What stands in the block.
    pub(super) fn children(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }

    /// Its name and first argument: enough to recognise it, and no header's value.
    pub(super) fn shown(&self) -> String {
        let is_path = self.name == "location";
        let shown = self.arguments.iter().take(if is_path { 2 } else { 1 });
        let words: Vec<&str> = [&self.name]
            .into_iter()
            .chain(shown)
            .map(String::as_str)
            .collect();
        one_line(&words.join(" "))
    }
}

/// A text that stays on its line and does not fill the screen.
pub(super) fn one_line(text: &str) -> String {
    const LONGEST: usize = 100;
    let mut line: String = text
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}
