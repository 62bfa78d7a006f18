//! What became of each directive.

use std::fmt;

use super::Origin;
use super::directive::{Directive, Place};

/// What a remark is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It stands in the configuration.
    Carried,
    /// We do it, or what it is for, by ourselves.
    NotNeeded,
    /// It does not, and why.
    Left,
    /// It was a fault, or something is different now.
    Warning,
}

impl Kind {
    /// The word that a line begins with.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Carried => "carried over",
            Self::NotNeeded => "not needed",
            Self::Left => "left out",
            Self::Warning => "warning",
        }
    }
}

/// One line: what is so, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What it is about.
    pub kind: Kind,
    /// Where the directive stands; `None` for what stands nowhere.
    pub place: Option<Place>,
    /// The directive, shortened; empty where it is about none.
    pub directive: String,
    /// What is so.
    pub message: String,
    /// What to do about it; `None` where nothing needs to be done.
    pub help: Option<String>,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind.as_str())?;
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if !self.directive.is_empty() {
            write!(f, "{}: ", self.directive)?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// A row for every directive.
pub(super) struct Ledger {
    rows: Vec<Row>,
    warnings: Vec<Remark>,
}

struct Row {
    place: Place,
    shown: String,
    verdict: Option<(Kind, String, Option<String>)>,
}

/// Blocks of nginx that hold values instead of directives.
const VALUES: &[&str] = &["types", "map", "geo", "split_clients", "charset_map"];

impl Ledger {
    /// Numbers the directives, and opens a row for each.
    pub(super) fn new(tree: &mut [Directive], origin: Origin) -> Self {
        let mut ledger = Self {
            rows: Vec::new(),
            warnings: Vec::new(),
        };
        ledger.open(tree, origin);
        ledger
    }

    fn open(&mut self, tree: &mut [Directive], origin: Origin) {
        for directive in tree {
            directive.number = self.rows.len();
            self.rows.push(Row {
                place: directive.place.clone(),
                shown: directive.shown(),
                verdict: None,
            });
            if let Some(reason) = &directive.unread {
                let help = "name the file on the command line, or another --prefix";
                self.left(directive.number, reason.clone(), help);
            }
            let has_values = origin == Origin::Nginx && VALUES.contains(&directive.name.as_str());
            if let Some(block) = directive.block.as_mut().filter(|_| !has_values) {
                self.open(block, origin);
            }
        }
    }

    /// It stands in the configuration, as `to`.
    pub(super) fn carried(&mut self, number: usize, to: impl Into<String>) {
        self.decide(number, Kind::Carried, to.into(), None);
    }

    /// We do without, because `why`.
    pub(super) fn not_needed(&mut self, number: usize, why: impl Into<String>) {
        self.decide(number, Kind::NotNeeded, why.into(), None);
    }

    /// It is left out.
    pub(super) fn left(
        &mut self,
        number: usize,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.decide(number, Kind::Left, reason.into(), Some(remedy.into()));
    }

    /// Something about a directive that stands in one of the lists as well.
    pub(super) fn warn(
        &mut self,
        number: Option<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let row = number.and_then(|number| self.rows.get(number));
        self.warnings.push(Remark {
            kind: Kind::Warning,
            place: row.map(|row| row.place.clone()),
            directive: row.map(|row| row.shown.clone()).unwrap_or_default(),
            message: message.into(),
            help: Some(help.into()),
        });
    }

    /// Whether something has become of it already.
    pub(super) fn is_settled(&self, number: usize) -> bool {
        let row = self.rows.get(number);
        row.is_some_and(|row| row.verdict.is_some())
    }

    /// Whether it stands in the configuration.
    pub(super) fn has_place(&self, number: usize) -> bool {
        let verdict = self.rows.get(number).and_then(|row| row.verdict.as_ref());
        verdict.is_some_and(|(kind, ..)| *kind == Kind::Carried)
    }

    fn decide(&mut self, number: usize, kind: Kind, message: String, help: Option<String>) {
        if let Some(row) = self.rows.get_mut(number) {
            row.verdict = Some((kind, message, help));
        }
    }

    /// One remark for each directive, then the warnings.
    pub(super) fn into_remarks(self) -> Vec<Remark> {
        let rows = self.rows.into_iter().map(|row| {
            let (kind, message, help) = row.verdict.unwrap_or_else(|| {
                let message = "there is nothing like it here".to_owned();
                let help = "docs/CONFIG.md has every key there is".to_owned();
                (Kind::Left, message, Some(help))
            });
            Remark {
                kind,
                place: Some(row.place),
                directive: row.shown,
                message,
                help,
            }
        });
        let mut remarks: Vec<Remark> = rows.chain(self.warnings).collect();
        // What needs doing stands last, where it is seen.
        remarks.sort_by_key(|remark| remark.kind);
        remarks
    }
}

/// What a table has for a name; names in it that end in `*` are beginnings.
pub(super) fn find<'t, T>(
    table: &'t [T],
    name: &str,
    key: impl Fn(&'t T) -> &'t str,
) -> Option<&'t T> {
    table.iter().find(|row| match key(row).strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => key(row) == name,
    })
}
