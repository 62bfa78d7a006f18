//! The arrays and objects that have not ended, and the order of names within each.

use super::MOST_DEPTH;

/// Bytes of names that are kept, of the last one of each object that has not ended.
const MOST_NAMES: usize = 16 * 1024;

/// Arrays and objects within each other.
///
/// The last name of each object is looked for in the piece that is being read. Where it stands there no more, or with
/// escapes, it is copied.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    open: Vec<Open>,
    /// Names that are copied, one after the other: those of the outermost objects.
    copied: Vec<u8>,
    /// How long the last names of all are.
    length: usize,
    /// What has come of the name that is being read, where that is to be copied.
    begun: Vec<u8>,
}

/// An array or an object that has not ended.
#[derive(Clone, Copy, Debug)]
struct Open {
    is_object: bool,
    /// How long the last names around it are.
    around: usize,
    last: Last,
}

/// Where the last name of an object is.
#[derive(Clone, Copy, Debug)]
enum Last {
    /// There is none.
    None,
    Copied,
    /// In the piece.
    At {
        start: usize,
        end: usize,
    },
}

impl Nesting {
    pub(super) fn enter(&mut self, is_object: bool) -> Option<()> {
        if self.open.len() == MOST_DEPTH {
            return None;
        }
        self.open.push(Open {
            is_object,
            around: self.length,
            last: Last::None,
        });
        Some(())
    }

    /// Ends the innermost one. Says whether that was the last one.
    pub(super) fn leave(&mut self) -> Option<bool> {
        let open = self.open.pop()?;
        self.length = open.around;
        self.copied.truncate(open.around);
        Some(self.open.is_empty())
    }

    /// Whether the innermost one is an object.
    pub(super) fn is_object(&self) -> Option<bool> {
        self.open.last().map(|open| open.is_object)
    }

    /// Adds to the name that is being read; `None` where it becomes too long.
    pub(super) fn add_to_name(&mut self, part: &[u8]) -> Option<()> {
        self.begun.extend_from_slice(part);
        (self.length + self.begun.len() <= MOST_NAMES).then_some(())
    }

    /// Ends a name, whose last part lies there in the piece; `None` where it does not come after the one before it.
    #[inline]
    pub(super) fn end_name(&mut self, piece: &[u8], start: usize, end: usize) -> Option<()> {
        if !self.begun.is_empty() {
            self.add_to_name(piece.get(start..end)?)?;
            return self.end_copied_name(piece);
        }
        let name = piece.get(start..end)?;
        let open = self.open.last_mut()?;
        if self.length + name.len() > MOST_NAMES {
            return None;
        }
        let is_next = match open.last {
            Last::None => true,
            Last::At { start, end } => is_after(name, piece.get(start..end)?),
            Last::Copied => is_after(name, self.copied.get(open.around..)?),
        };
        open.last = Last::At { start, end };
        self.length = open.around + name.len();
        is_next.then_some(())
    }

    /// The same, of one that has begun.
    #[cold]
    fn end_copied_name(&mut self, piece: &[u8]) -> Option<()> {
        self.copy_names(piece)?;
        let open = self.open.last_mut()?;
        let last = self.copied.get(open.around..)?;
        if !matches!(open.last, Last::None) && !is_after(&self.begun, last) {
            return None;
        }
        open.last = Last::Copied;
        self.copied.truncate(open.around);
        self.copied.append(&mut self.begun);
        self.length = self.copied.len();
        Some(())
    }

    /// Copies the names that lie in a piece, which ends.
    pub(super) fn copy_names(&mut self, piece: &[u8]) -> Option<()> {
        for open in &mut self.open {
            if let Last::At { start, end } = open.last {
                // It may have taken the place of one that was copied.
                self.copied.truncate(open.around);
                self.copied.extend_from_slice(piece.get(start..end)?);
                open.last = Last::Copied;
            }
        }
        Some(())
    }
}

/// Bytes of UTF-8 have the order of the characters, which is Python's.
#[inline]
fn is_after(name: &[u8], last: &[u8]) -> bool {
    match (name.first(), last.first()) {
        (Some(byte), Some(other)) if byte != other => byte > other,
        _ => name > last,
    }
}
