//! Reading a table key by key: a bad value becomes a diagnostic and reading
//! goes on, so that every problem of a file is reported at once.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned as Placed;
use toml::de::{DeString, DeTable, DeValue, ValueDeserializer};

use super::Surroundings;
use super::diagnostic::Diagnostic;
use super::json::{JsonMap, to_json};
use super::span::{Span, Spanned};
use super::suggestion::remedy_for_unknown_key;

/// What one reading of a file shares: the problems so far and the world that
/// the file is read in.
pub(super) struct Report<'a> {
    pub(super) surroundings: &'a Surroundings,
    problems: RefCell<Vec<Diagnostic>>,
    /// Section paths and keys, for the tests that compare them with the schema.
    #[cfg(test)]
    pub(super) asked: RefCell<std::collections::BTreeSet<(String, String)>>,
    /// The same of required keys that were missing.
    #[cfg(test)]
    pub(super) missing: RefCell<std::collections::BTreeSet<(String, String)>>,
}

impl<'a> Report<'a> {
    pub(super) fn new(surroundings: &'a Surroundings) -> Self {
        Self {
            surroundings,
            problems: RefCell::default(),
            #[cfg(test)]
            asked: RefCell::default(),
            #[cfg(test)]
            missing: RefCell::default(),
        }
    }

    pub(super) fn add(&self, diagnostic: Diagnostic) {
        self.problems.borrow_mut().push(diagnostic);
    }

    pub(super) fn len(&self) -> usize {
        self.problems.borrow().len()
    }

    /// A path as written, from where relative paths start.
    pub(super) fn resolve(&self, path: &Path) -> PathBuf {
        self.surroundings.folder.join(path)
    }

    /// Reports a file that cannot be opened.
    pub(super) fn must_be_file(&self, path: &PathPlace) {
        let opened = || {
            let file = File::open(&**path)?;
            if file.metadata()?.is_file() {
                Ok(())
            } else {
                Err(io::Error::other("it is not a file"))
            }
        };
        self.must_open(path, opened);
    }

    /// Reports a folder that cannot be listed.
    pub(super) fn must_be_folder(&self, path: &PathPlace) {
        self.must_open(path, || fs::read_dir(&**path).map(drop));
    }

    fn must_open(&self, path: &PathPlace, open: impl FnOnce() -> io::Result<()>) {
        if !self.surroundings.check_files {
            return;
        }
        if let Err(reason) = open() {
            let message = format!("cannot read \"{}\": {reason}", path.display());
            let help = if reason.kind() == io::ErrorKind::PermissionDenied {
                "let the user that vestibule runs as read it"
            } else {
                "write the path of something that exists and can be read"
            };
            self.add(Diagnostic::new(message, path.span()).help(help));
        }
    }

    pub(super) fn into_problems(self) -> Vec<Diagnostic> {
        self.problems.into_inner()
    }
}

/// A path and where it was written.
type PathPlace = Spanned<PathBuf>;

/// One value of the text, not yet looked at.
pub(super) type Value<'a> = Placed<DeValue<'a>>;

/// A table of the configuration that is being read.
pub(super) struct Section<'a> {
    /// The keys that nobody asked for yet.
    table: DeTable<'a>,
    span: Span,
    /// As the schema nests: `sites.routes`; empty for the top level.
    path: String,
    asked: Vec<&'static str>,
    report: &'a Report<'a>,
}

impl<'a> Section<'a> {
    pub(super) fn new(table: Placed<DeTable<'a>>, path: String, report: &'a Report<'a>) -> Self {
        Self {
            span: table.span().into(),
            table: table.into_inner(),
            path,
            asked: Vec::new(),
            report,
        }
    }

    pub(super) fn report(&self) -> &'a Report<'a> {
        self.report
    }

    pub(super) fn span(&self) -> Span {
        self.span
    }

    /// Whether the key was written (and not yet taken).
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub(super) fn take(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.asked.push(key);
        self.table.remove(key)
    }

    /// A key without which the section means nothing. `help` is the line to write.
    pub(super) fn required<T: Deserialize<'a>>(
        &mut self,
        key: &'static str,
        help: &str,
    ) -> Option<T> {
        if !self.has(key) {
            self.missing_key(key, help);
        }
        self.optional(key)
    }

    pub(super) fn missing_key(&self, key: &str, help: &str) {
        #[cfg(test)]
        {
            let pair = (self.path.clone(), key.to_owned());
            self.report.missing.borrow_mut().insert(pair);
        }
        let message = format!("`{key}` is missing");
        // The top level is the whole file: no line of it is at fault.
        let span = (!self.path.is_empty()).then_some(self.span);
        let problem = Diagnostic::new(message, span);
        self.report.add(problem.help(format!("write {help}")));
    }

    /// A key that may be left out.
    pub(super) fn optional<T: Deserialize<'a>>(&mut self, key: &'static str) -> Option<T> {
        self.take(key).and_then(|value| self.leaf(value))
    }

    /// A key with a default.
    pub(super) fn or<T: Deserialize<'a>>(&mut self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// A path, resolved against the folder of the file.
    pub(super) fn path(&mut self, key: &'static str) -> Option<PathPlace> {
        let path: Spanned<PathBuf> = self.optional(key)?;
        Some(Spanned::new(self.report.resolve(&path), path.span()))
    }

    /// Where the value of a key stands, and how many elements it has if it is a
    /// list (one otherwise).
    pub(super) fn place(&self, key: &str) -> Option<(Span, usize)> {
        let value = self.table.get(key)?;
        let length = value.get_ref().as_array().map_or(1, |list| list.len());
        Some((value.span().into(), length))
    }

    /// A list whose elements are read one by one, so that each bad one is told.
    pub(super) fn list<T: Deserialize<'a>>(&mut self, key: &'static str) -> Option<Vec<T>> {
        let value = self.take(key)?;
        if matches!(value.get_ref(), DeValue::Array(_)) {
            return Some(self.elements(value));
        }
        self.wrong_type(&value, "a list in [brackets]");
        None
    }

    /// A single value, or a list of them.
    pub(super) fn one_or_list<T: Deserialize<'a>>(&mut self, key: &'static str) -> Option<Vec<T>> {
        let value = self.take(key)?;
        if matches!(value.get_ref(), DeValue::Array(_)) {
            return Some(self.elements(value));
        }
        self.leaf(value).map(|one| vec![one])
    }

    fn elements<T: Deserialize<'a>>(&self, value: Value<'a>) -> Vec<T> {
        let DeValue::Array(array) = value.into_inner() else {
            return Vec::new();
        };
        let elements = array.into_iter();
        elements.filter_map(|element| self.leaf(element)).collect()
    }

    /// A sub-table.
    pub(super) fn table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Section<'a>) -> T,
    ) -> Option<T> {
        let value = self.take(key)?;
        self.section(value, key).map(read)
    }

    /// A sub-table of which every key has a default.
    pub(super) fn table_or_default<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Section<'a>) -> T,
    ) -> T {
        let value = self.take(key);
        let section = value.and_then(|value| self.section(value, key));
        // Reading an empty table gives the defaults, so they are told in one place.
        read(section.unwrap_or_else(|| self.empty(key)))
    }

    fn empty(&self, key: &str) -> Section<'a> {
        let table = Placed::new(self.span.start..self.span.end, DeTable::new());
        Section::new(table, self.path_of(key), self.report)
    }

    /// An array of tables: `[[key]]`.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(Section<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let value = self.take(key)?;
        if !matches!(value.get_ref(), DeValue::Array(_)) {
            let name = self.path_of(key);
            self.wrong_type(&value, &format!("a list of tables, each under [[{name}]]"));
            return None;
        }
        let DeValue::Array(array) = value.into_inner() else {
            return None;
        };
        let sections = array.into_iter().filter_map(|v| self.section(v, key));
        Some(sections.filter_map(read).collect())
    }

    /// A value that is a table, as a section of this one.
    pub(super) fn section(&self, value: Value<'a>, key: &str) -> Option<Section<'a>> {
        if !matches!(value.get_ref(), DeValue::Table(_)) {
            self.wrong_type(&value, "a table");
            return None;
        }
        let span = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            return None;
        };
        let table = Placed::new(span, table);
        Some(Section::new(table, self.path_of(key), self.report))
    }

    /// One value through serde; a failure is reported.
    pub(super) fn leaf<T: Deserialize<'a>>(&self, value: Value<'a>) -> Option<T> {
        let span = Span::from(value.span());
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => Some(value),
            Err(error) => {
                let span = error.span().map_or(span, Span::from);
                self.report.add(from_serde(error.message(), span));
                None
            }
        }
    }

    /// What was written under a key, as JSON.
    pub(super) fn json_object(&mut self, key: &'static str) -> Option<JsonMap> {
        let value = self.take(key)?;
        match to_json(value, self.report) {
            Some(serde_json::Value::Object(map)) => Some(map),
            Some(_) => {
                let problem = Diagnostic::new(format!("`{key}` is not a table"), Some(self.span));
                self.report.add(problem);
                None
            }
            None => None,
        }
    }

    /// All keys that fit and were not asked for by name, as JSON.
    pub(super) fn extra(&mut self, fits: impl Fn(&str) -> bool) -> JsonMap {
        let mut extra = JsonMap::new();
        let keys: Vec<String> = self.table.keys().map(ToString::to_string).collect();
        for key in keys.into_iter().filter(|key| fits(key)) {
            let value = self.table.remove(key.as_str());
            if let Some(value) = value.and_then(|value| to_json(value, self.report)) {
                extra.insert(key, value);
            }
        }
        extra
    }

    /// Reports a key that stands there without meaning anything.
    pub(super) fn refuse(&mut self, key: &'static str, message: &str, help: &str) {
        if let Some(value) = self.take(key) {
            let problem = Diagnostic::new(message, Some(value.span().into()));
            self.report.add(problem.help(help));
        }
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(self) {
        #[cfg(test)]
        for key in &self.asked {
            let pair = (self.path.clone(), (*key).to_owned());
            self.report.asked.borrow_mut().insert(pair);
        }
        for (key, value) in &self.table {
            self.report.add(self.unknown(key, value));
        }
    }

    fn unknown(&self, key: &Placed<DeString<'_>>, value: &Value<'_>) -> Diagnostic {
        let place = match &*self.path {
            "" => "at the top level".to_owned(),
            path => format!("in `{path}`"),
        };
        let name = key.get_ref();
        let message = format!("unknown key `{name}` {place}");
        let is_table = matches!(value.get_ref(), DeValue::Table(_));
        // Keys with dots were asked for only to say what to write instead.
        let known = self.asked.iter().copied().filter(|key| !key.contains('.'));
        let known: Vec<&str> = known.collect();
        let help = remedy_for_unknown_key(name, &self.path, &known, is_table);
        Diagnostic::new(message, Some(key.span().into())).help(help)
    }

    fn wrong_type(&self, value: &Value<'_>, expected: &str) {
        let found = value.get_ref().type_str();
        let message = format!("invalid type: {found}, expected {expected}");
        let problem = Diagnostic::new(message, Some(value.span().into()));
        self.report.add(problem);
    }

    fn path_of(&self, key: &str) -> String {
        match &*self.path {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }
}

/// The value types put the remedy on a second line of their message.
fn from_serde(text: &str, span: Span) -> Diagnostic {
    match text.split_once('\n') {
        Some((message, help)) => Diagnostic::new(message, Some(span)).help(help),
        None => Diagnostic::new(text, Some(span)),
    }
}
