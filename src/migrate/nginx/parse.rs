//! nginx's grammar: words, `;`, blocks in braces, quotes and comments.
//!
//! As `ngx_conf_read_token` has it: a quote means something at the start of a word
//! only, `\` before a quote or another `\` stands for that character and is kept
//! otherwise, and `${name}` may stand inside of a word.

use std::iter::Peekable;
use std::str::Chars;
use std::sync::Arc;

use super::super::directive::{DEEPEST, Directive, Place};
use super::super::{Fault, File, Open};

/// Files that include each other are not followed for ever.
const DEEPEST_INCLUDE: usize = 8;
/// More directives are not a configuration of a person.
const MOST: usize = 100_000;

enum Token {
    Word(String),
    End,
    Open,
    Close,
}

struct Reader<'t> {
    characters: Peekable<Chars<'t>>,
    file: Arc<str>,
    line: usize,
}

/// Reads a file, with what it includes in its place.
pub(in super::super) fn read(file: &File, open: &mut Open<'_>) -> Result<Vec<Directive>, Fault> {
    let mut room = MOST;
    read_included(file, open, DEEPEST_INCLUDE, &mut room)
}

fn read_included(
    file: &File,
    open: &mut Open<'_>,
    depth: usize,
    room: &mut usize,
) -> Result<Vec<Directive>, Fault> {
    let tree = parse(file)?;
    expand(tree, open, depth, room)
}

/// The directives of one file alone.
pub(super) fn parse(file: &File) -> Result<Vec<Directive>, Fault> {
    let mut reader = Reader {
        characters: file.text.chars().peekable(),
        file: file.name.as_str().into(),
        line: 1,
    };
    reader.block(0)
}

fn expand(
    tree: Vec<Directive>,
    open: &mut Open<'_>,
    depth: usize,
    room: &mut usize,
) -> Result<Vec<Directive>, Fault> {
    let mut expanded = Vec::with_capacity(tree.len());
    for mut directive in tree {
        *room = room.checked_sub(1).ok_or_else(|| {
            let help = "name the files of the Matrix site alone";
            Fault::new(
                Some(directive.place.clone()),
                "there are too many directives",
                help,
            )
        })?;
        if let Some(block) = directive.block.take() {
            directive.block = Some(expand(block, open, depth, room)?);
        }
        let mut files = Vec::new();
        if directive.name == "include" && directive.block.is_none() {
            match (depth, open(directive.argument(0))) {
                (0, _) => directive.unread = Some("files include each other".to_owned()),
                (_, Err(reason)) => directive.unread = Some(reason),
                (_, Ok(found)) => files = found,
            }
        }
        expanded.push(directive);
        for file in files {
            expanded.extend(read_included(&file, open, depth.saturating_sub(1), room)?);
        }
    }
    Ok(expanded)
}

impl Reader<'_> {
    fn place(&self) -> Place {
        Place {
            file: Arc::clone(&self.file),
            line: self.line,
        }
    }

    fn fault<T>(&self, message: &str) -> Result<T, Fault> {
        let help = "`nginx -t` says what nginx thinks of it";
        Err(Fault::new(Some(self.place()), message, help))
    }

    fn block(&mut self, depth: usize) -> Result<Vec<Directive>, Fault> {
        let mut directives = Vec::new();
        let mut words: Vec<String> = Vec::new();
        let mut place = self.place();
        while let Some(token) = self.token()? {
            match token {
                Token::Word(word) if words.is_empty() => {
                    place = self.place();
                    words.push(word);
                }
                Token::Word(word) => words.push(word),
                Token::End | Token::Open if words.is_empty() => {
                    return self.fault("a directive without a name");
                }
                Token::End => directives.push(directive(&mut words, &place)),
                Token::Open if depth >= DEEPEST => return self.fault("blocks are too deep"),
                Token::Open => {
                    let mut opened = directive(&mut words, &place);
                    opened.block = Some(self.block(depth.saturating_add(1))?);
                    directives.push(opened);
                }
                Token::Close if depth == 0 => return self.fault("a \"}\" too many"),
                Token::Close if !words.is_empty() => {
                    return self.fault("a \";\" is missing before \"}\"");
                }
                Token::Close => return Ok(directives),
            }
        }
        if depth > 0 {
            return self.fault("a \"}\" is missing at the end");
        }
        if !words.is_empty() {
            return self.fault("a \";\" is missing at the end");
        }
        Ok(directives)
    }

    fn next(&mut self) -> Option<char> {
        let next = self.characters.next();
        if next == Some('\n') {
            self.line = self.line.saturating_add(1);
        }
        next
    }

    fn token(&mut self) -> Result<Option<Token>, Fault> {
        loop {
            let Some(&first) = self.characters.peek() else {
                return Ok(None);
            };
            match first {
                c if c.is_ascii_whitespace() || c == '\u{feff}' => {
                    self.next();
                }
                '#' => while !matches!(self.next(), None | Some('\n')) {},
                ';' | '{' | '}' => {
                    self.next();
                    return Ok(Some(match first {
                        ';' => Token::End,
                        '{' => Token::Open,
                        _ => Token::Close,
                    }));
                }
                '"' | '\'' => {
                    self.next();
                    return self.quoted(first).map(|word| Some(Token::Word(word)));
                }
                _ => return Ok(Some(Token::Word(self.word()))),
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, Fault> {
        let mut word = String::new();
        loop {
            match self.next() {
                None => return self.fault("a quote is not closed"),
                Some('\\') => self.escape(&mut word),
                Some(c) if c == quote => return Ok(word),
                Some(c) => word.push(c),
            }
        }
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(&c) = self.characters.peek() {
            let is_variable = c == '{' && word.ends_with('$');
            if c.is_ascii_whitespace() || c == ';' || (c == '{' && !is_variable) {
                break;
            }
            self.next();
            if c == '\\' {
                self.escape(&mut word);
            } else {
                word.push(c);
            }
        }
        word
    }

    /// What a `\` that was read stands for.
    fn escape(&mut self, word: &mut String) {
        match self.characters.peek() {
            Some('"' | '\'' | '\\') => {}
            _ => word.push('\\'),
        }
        word.extend(self.next());
    }
}

fn directive(words: &mut Vec<String>, place: &Place) -> Directive {
    let mut words = std::mem::take(words).into_iter();
    let name = words.next().unwrap_or_default();
    Directive::new(name, words.collect(), place.clone())
}
