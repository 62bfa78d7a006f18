//! Apache's grammar: a directive a line, sections in `<...>`, quotes, `\` at the end of a line.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::directive::{DEEPEST, Directive, Place};
use super::super::{Fault, File, Open};

/// Files that include each other are not followed for ever.
const DEEPEST_INCLUDE: usize = 8;
/// More directives are not a configuration of a person.
const MOST: usize = 100_000;

struct Reading<'o, 'f> {
    open: &'o mut Open<'f>,
    /// What `Define` said so far.
    defined: HashMap<String, String>,
    room: usize,
}

/// Reads a file, with what it includes in its place.
pub(in super::super) fn read(file: &File, open: &mut Open<'_>) -> Result<Vec<Directive>, Fault> {
    let mut reading = Reading {
        open,
        defined: HashMap::new(),
        room: MOST,
    };
    reading.file(file, DEEPEST_INCLUDE)
}

impl Reading<'_, '_> {
    fn file(&mut self, file: &File, depth: usize) -> Result<Vec<Directive>, Fault> {
        let tree = parse(file)?;
        self.expand(tree, depth)
    }

    fn expand(&mut self, tree: Vec<Directive>, depth: usize) -> Result<Vec<Directive>, Fault> {
        let mut expanded = Vec::with_capacity(tree.len());
        for mut directive in tree {
            self.room = self.room.checked_sub(1).ok_or_else(|| {
                let help = "name the files of the Matrix site alone";
                let place = Some(directive.place.clone());
                Fault::new(place, "there are too many directives", help)
            })?;
            self.substitute(&mut directive);
            let name = directive.name.to_ascii_lowercase();
            let mut brought = Vec::new();
            if name == "define" {
                let value = directive.argument(1).to_owned();
                self.defined.insert(directive.argument(0).to_owned(), value);
            } else if matches!(name.as_str(), "include" | "includeoptional") {
                brought = self.included(&mut directive, depth)?;
            } else if let Some(block) = directive.block.take() {
                let holds = self.holds(&name, directive.argument(0));
                brought = self.expand(block, depth)?;
                directive.block = (!holds).then(|| std::mem::take(&mut brought));
            }
            expanded.push(directive);
            expanded.append(&mut brought);
        }
        Ok(expanded)
    }

    fn included(
        &mut self,
        directive: &mut Directive,
        depth: usize,
    ) -> Result<Vec<Directive>, Fault> {
        let mut brought = Vec::new();
        match (depth, (self.open)(directive.argument(0))) {
            (0, _) => directive.unread = Some("files include each other".to_owned()),
            (_, Err(reason)) => directive.unread = Some(reason),
            (_, Ok(files)) => {
                for file in files {
                    brought.extend(self.file(&file, depth.saturating_sub(1))?);
                }
            }
        }
        Ok(brought)
    }

    /// `${NAME}`, where it was defined.
    fn substitute(&self, directive: &mut Directive) {
        let with = |text: String, (name, value): (&String, &String)| {
            text.replace(&format!("${{{name}}}"), value)
        };
        for argument in &mut directive.arguments {
            *argument = self.defined.iter().fold(std::mem::take(argument), with);
        }
    }

    /// Whether a section asks for something that is so, and its contents stand as if alone.
    fn holds(&self, section: &str, condition: &str) -> bool {
        let (is_negated, name) = match condition.strip_prefix('!') {
            Some(name) => (true, name),
            None => (false, condition),
        };
        match section {
            // Every module is taken to be there.
            "ifmodule" | "iffile" | "ifversion" | "ifdirective" | "ifsection" => !is_negated,
            "ifdefine" => self.defined.contains_key(name) != is_negated,
            _ => false,
        }
    }
}

fn parse(file: &File) -> Result<Vec<Directive>, Fault> {
    let name: Arc<str> = file.name.as_str().into();
    let place = |line| Place {
        file: Arc::clone(&name),
        line,
    };
    let fault = |line, message: String| {
        let help = "`apachectl configtest` says what Apache thinks of it";
        Err(Fault::new(Some(place(line)), message, help))
    };
    let mut open: Vec<Directive> = Vec::new();
    let mut top = Vec::new();
    for (line, text) in logical_lines(&file.text) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Some(closed) = text.strip_prefix("</") {
            let closed = closed.trim_end_matches('>').trim();
            match open.pop() {
                Some(section) if section.name.eq_ignore_ascii_case(closed) => {
                    push(&mut open, &mut top, section);
                }
                Some(section) => {
                    let message = format!("<{}> is not closed", section.shown());
                    return fault(section.place.line, message);
                }
                None => return fault(line, "a section is closed that was not opened".to_owned()),
            }
            continue;
        }
        let inner = text
            .strip_prefix('<')
            .map(|inner| inner.strip_suffix('>').unwrap_or(inner));
        let mut words = words(inner.unwrap_or(text)).into_iter();
        let Some(first) = words.next() else {
            return fault(line, "a section without a name".to_owned());
        };
        let mut directive = Directive::new(first, words.collect(), place(line));
        if inner.is_none() {
            push(&mut open, &mut top, directive);
        } else if open.len() >= DEEPEST {
            return fault(line, "sections are too deep".to_owned());
        } else {
            directive.block = Some(Vec::new());
            open.push(directive);
        }
    }
    match open.pop() {
        Some(section) => fault(
            section.place.line,
            format!("<{}> is not closed", section.shown()),
        ),
        None => Ok(top),
    }
}

fn push(open: &mut [Directive], top: &mut Vec<Directive>, directive: Directive) {
    let block = open.last_mut().and_then(|section| section.block.as_mut());
    block.unwrap_or(top).push(directive);
}

/// Lines by their number, those that end in `\` together with the next.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in (1..).zip(text.lines()) {
        let ends = line.strip_suffix('\\');
        let text = ends.unwrap_or(line);
        match lines.last_mut().filter(|_| goes_on) {
            Some((_, last)) => last.push_str(text),
            None => lines.push((number, text.to_owned())),
        }
        goes_on = ends.is_some();
    }
    lines
}

/// Words, of which one may be in quotes.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let mut word = String::new();
        let mut characters = rest.char_indices();
        let quote = Some(first).filter(|c| matches!(c, '"' | '\''));
        if quote.is_some() {
            characters.next();
        }
        let mut end = rest.len();
        let mut is_escaped = false;
        for (at, c) in characters {
            let is_end = quote.map_or(c.is_whitespace(), |quote| c == quote);
            if is_end && !is_escaped {
                end = at.saturating_add(c.len_utf8());
                break;
            }
            if is_escaped && Some(c) != quote {
                word.push('\\');
            }
            is_escaped = c == '\\' && !is_escaped;
            if !is_escaped {
                word.push(c);
            }
        }
        if is_escaped {
            word.push('\\');
        }
        words.push(word);
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    words
}
