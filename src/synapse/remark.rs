//! What is told about an import, or found wrong.

use std::fmt;

/// What a remark is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Something of Synapse's files stands in the configuration.
    Carried,
    /// Something does not, and why.
    Left,
    /// It works, but not as well as it could, or only perhaps.
    Warning,
    /// Some requests fail.
    Problem,
}

impl Kind {
    /// The word that a line begins with.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Carried => "carried over",
            Self::Left => "left out",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One line: what is so, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What it is about.
    pub kind: Kind,
    /// What is so.
    pub message: String,
    /// What to do about it; `None` where nothing needs to be done.
    pub help: Option<String>,
}

impl Remark {
    pub(super) fn carried(message: impl Into<String>) -> Self {
        Self::new(Kind::Carried, message)
    }

    pub(super) fn left(message: impl Into<String>) -> Self {
        Self::new(Kind::Left, message)
    }

    pub(super) fn warning(message: impl Into<String>) -> Self {
        Self::new(Kind::Warning, message)
    }

    pub(super) fn problem(message: impl Into<String>) -> Self {
        Self::new(Kind::Problem, message)
    }

    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            help: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.as_str(), self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}
