//! Problems of a configuration: each with its place and its remedy, shown the
//! way rustc shows its own.

use std::fmt::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::span::Span;

/// The text of a configuration and the name it is shown under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as the operator gave it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    message: String,
    span: Option<Span>,
    related: Option<(Span, String)>,
    help: Option<String>,
}

impl Diagnostic {
    /// A problem at a place, or of the whole file.
    pub fn new(message: impl Into<String>, span: Option<Span>) -> Self {
        Self {
            message: message.into(),
            span,
            related: None,
            help: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a second place, with what is there.
    #[must_use]
    pub fn related(mut self, span: Option<Span>, label: impl Into<String>) -> Self {
        self.related = span.map(|span| (span, label.into()));
        self
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where it is wrong; `None` for the whole file.
    pub fn span(&self) -> Option<Span> {
        self.span
    }

    /// What to do about it.
    pub fn remedy(&self) -> Option<&str> {
        self.help.as_deref()
    }

    fn render(&self, source: &Source, renderer: &Renderer) -> String {
        let title = Level::ERROR.primary_title(&*self.message);
        let mut group = match self.span {
            Some(span) => {
                let mut snippet = Snippet::source(&*source.text)
                    .path(&*source.name)
                    .annotation(AnnotationKind::Primary.span(shown(&source.text, span)));
                if let Some((span, label)) = &self.related {
                    let place = AnnotationKind::Context.span(shown(&source.text, *span));
                    snippet = snippet.annotation(place.label(&**label));
                }
                title.element(snippet)
            }
            None => {
                Group::with_title(title).element(annotate_snippets::Origin::path(&*source.name))
            }
        };
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(&**help));
        }
        renderer.render(&[group])
    }
}

/// The part of a span that is underlined: its first line, at least one byte
/// where the text has one.
fn shown(text: &str, span: Span) -> Range<usize> {
    let start = span.start.min(text.len());
    let end = span.end.clamp(start, text.len());
    let line = text.get(start..end).and_then(|s| s.lines().next());
    let length = line.map_or(0, str::len);
    start..start + length
}

/// All problems of one configuration, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    source: Arc<Source>,
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Problems found in `source`, by whichever module found them.
    pub fn new(source: Arc<Source>, mut list: Vec<Diagnostic>) -> Self {
        list.sort_by_key(|diagnostic| diagnostic.span);
        Self { source, list }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// Line and column of a problem, both counted from 1, the column in letters.
    pub fn position(&self, diagnostic: &Diagnostic) -> Option<(usize, usize)> {
        let before = self.source.text.get(..diagnostic.span?.start)?;
        let line = before.rsplit('\n').next().unwrap_or_default();
        Some((before.matches('\n').count() + 1, line.chars().count() + 1))
    }

    /// One problem in a line, with its place and its remedy and nothing of the text.
    pub fn in_one_line(&self, diagnostic: &Diagnostic) -> String {
        let name = &self.source.name;
        let mut line = match self.position(diagnostic) {
            Some((line, column)) => format!("{name}:{line}:{column}: "),
            None => format!("{name}: "),
        };
        line.push_str(&diagnostic.message);
        if let Some(help) = &diagnostic.help {
            line.push_str("; ");
            line.push_str(help);
        }
        line
    }

    /// Everything as text for a person; `coloured` for a terminal.
    pub fn render(&self, coloured: bool) -> String {
        let renderer = if coloured {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let mut text = String::new();
        for diagnostic in &self.list {
            text.push_str(&diagnostic.render(&self.source, &renderer));
            text.push_str("\n\n");
        }
        let (problems, are) = match self.list.len() {
            1 => ("problem", "is"),
            _ => ("problems", "are"),
        };
        let (count, name) = (self.list.len(), &self.source.name);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "there {are} {count} {problems} in {name}");
        text
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}
