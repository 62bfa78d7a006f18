//! The configuration of another proxy, read and written anew as one of ours.
//!
//! | step | file |
//! |---|---|
//! | text to directives, by each grammar; included files in their place | `nginx/parse.rs`, `apache/parse.rs` |
//! | directives to what the proxy does: virtual hosts with rules | `nginx`, `apache`, into [`front`] |
//! | what that means for a homeserver: which process answers which group | [`groups`], [`well_known`], [`plan`] |
//! | the text | [`mod@write`] |
//!
//! Rules are not compared with patterns that are known from documents: every
//! endpoint of the table in [`matrix`](crate::matrix) is led through them, as the
//! other proxy would lead it, and where it arrives is what counts.
//!
//! The [`ledger`] has a place for each directive, so that none is dropped in
//! silence.

mod apache;
mod directive;
mod front;
mod groups;
mod ledger;
mod nginx;
mod plan;
mod routes;
mod sample;
mod well_known;
mod write;

use std::fmt;
use std::path::PathBuf;

pub use directive::Place;
pub use ledger::{Kind, Remark};

use directive::Directive;
use front::Front;
use ledger::Ledger;

/// Whose configuration it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// nginx.
    Nginx,
    /// The Apache HTTP server.
    Apache,
}

impl Origin {
    /// The word on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "apache",
        }
    }

    /// What the file is called that names the others.
    pub const fn main_files(self) -> &'static [&'static str] {
        match self {
            Self::Nginx => &["nginx.conf"],
            Self::Apache => &["apache2.conf", "httpd.conf"],
        }
    }
}

/// A file as it was read.
#[derive(Clone, Debug)]
pub struct File {
    /// Its path, for remarks.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// Finds the files of a pattern as it stands in an `include`; `Err` says why there are none.
pub type Open<'o> = dyn FnMut(&str) -> Result<Vec<File>, String> + 'o;

/// What a person adds who knows more than the files.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// The Matrix server name: what stands behind the colon of a user's id.
    pub server_name: Option<String>,
    /// The folder that relative paths of the other proxy start at.
    pub prefix: PathBuf,
}

/// A configuration of ours and what there is to say about it.
#[derive(Debug)]
pub struct Imported {
    /// The configuration, as TOML.
    pub text: String,
    /// Every directive once, by what became of it, then warnings.
    pub remarks: Vec<Remark>,
}

/// Why nothing can be made of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where, if it is anywhere.
    pub place: Option<Place>,
    /// What is so.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl Fault {
    fn new(place: Option<Place>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
            help: help.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}; {}", self.message, self.help)
    }
}

/// Writes a configuration that does for Matrix what `files` do.
///
/// The same files give the same text. What would have no meaning here is left out,
/// with a remark.
///
/// # Errors
/// When a file breaks its grammar, or when no rule leads to a homeserver.
pub fn import(
    origin: Origin,
    files: &[File],
    open: &mut Open<'_>,
    hints: &Hints,
) -> Result<Imported, Fault> {
    let mut tree = Vec::new();
    for file in files {
        tree.extend(match origin {
            Origin::Nginx => nginx::read(file, open)?,
            Origin::Apache => apache::read(file, open)?,
        });
    }
    let mut ledger = Ledger::new(&mut tree, origin);
    let front = understand(origin, &tree, &mut ledger);
    let plan = plan::decide(&front, hints, open, &mut ledger)?;
    let names = files.iter().map(|file| file.name.as_str());
    let written = write::text(&plan, origin, names);
    for line in written.refused {
        let message = format!("what would begin with {line} is no configuration, and left out");
        ledger.warn(
            None,
            message,
            "write it by hand; docs/CONFIG.md has every key",
        );
    }
    Ok(Imported {
        text: written.text,
        remarks: ledger.into_remarks(),
    })
}

fn understand(origin: Origin, tree: &[Directive], ledger: &mut Ledger) -> Front {
    match origin {
        Origin::Nginx => nginx::understand(tree, ledger),
        Origin::Apache => apache::understand(tree, ledger),
    }
}

#[cfg(test)]
mod tests;
