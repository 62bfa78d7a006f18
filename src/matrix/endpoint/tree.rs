//! The endpoint table as a tree over path segments.
//!
//! Built once, at the first look-up; a look-up walks it without allocating. At
//! each segment a literal is tried before a parameter, and a parameter before
//! the catch-all `*`, with a step back where the branch holds no row for the
//! path and method: `DELETE /_synapse/admin/v1/media/protect/x` deletes the
//! media `x` of the server `protect`, `POST` on it protects the media `x`.

use super::row::Row;
use super::table;
use std::sync::LazyLock;

static TREE: LazyLock<Node> = LazyLock::new(|| {
    let mut root = Node::default();
    for row in table::all() {
        root.insert_versions(row);
    }
    root
});

/// A row at the end of one of its paths.
#[derive(Clone, Copy)]
pub(super) struct Leaf {
    pub(super) row: &'static Row,
    /// See [`super::Endpoint::key_segment`]; it differs between the versions of a row.
    pub(super) key_segment: Option<u8>,
}

/// The row for a method and a raw path; `None` only where the path is empty
/// or does not begin with `/`.
pub(super) fn find(method: u8, path: &[u8]) -> Option<Leaf> {
    let (b'/', rest) = path.split_first()? else {
        return None;
    };
    TREE.find(method, Some(rest))
}

#[derive(Default)]
struct Node {
    /// The [`key`] of each literal, ascending, to be searched without looking at the texts.
    keys: Vec<u64>,
    /// In the order of `keys`.
    literals: Vec<(&'static [u8], Node)>,
    parameter: Option<Box<Node>>,
    /// Rows whose template ends here.
    leaves: Vec<Leaf>,
    /// Rows whose template ends here in `*`: any further segments, or none.
    catch_all: Vec<Leaf>,
}

impl Node {
    fn insert_versions(&mut self, row: &'static Row) {
        match row.template().split_once("{version}") {
            Some((before, after)) => {
                for version in row.versions() {
                    let segments = before.split('/').skip(1).filter(|s| !s.is_empty());
                    let segments = segments.chain(version.split('/'));
                    self.insert(segments.chain(after.split('/').skip(1)), row);
                }
            }
            None => self.insert(row.template().split('/').skip(1), row),
        }
    }

    fn insert(&mut self, segments: impl Iterator<Item = &'static str>, row: &'static Row) {
        let mut node = self;
        let mut leaf = Leaf {
            row,
            key_segment: None,
        };
        for (at, segment) in (0..).zip(segments) {
            if segment == "*" {
                node.catch_all.push(leaf);
                return;
            }
            if row.is_key(segment) {
                leaf.key_segment = Some(at);
            }
            node = node.child(segment);
        }
        node.leaves.push(leaf);
        if row.has_optional_slash() {
            node.child("").leaves.push(leaf);
        }
    }

    fn child(&mut self, segment: &'static str) -> &mut Self {
        if segment.starts_with('{') {
            return self.parameter.get_or_insert_default();
        }
        let text = segment.as_bytes();
        let at = self.position(text).unwrap_or_else(|| {
            let at = self.keys.partition_point(|&k| k < key(text));
            self.keys.insert(at, key(text));
            self.literals.insert(at, (text, Self::default()));
            at
        });
        #[expect(
            clippy::indexing_slicing,
            reason = "the search found or made this index"
        )]
        &mut self.literals[at].1
    }

    /// Where `text` is among the literals.
    fn position(&self, text: &[u8]) -> Option<usize> {
        let key = key(text);
        let first = self.keys.partition_point(|&k| k < key);
        let same_key = self.keys.iter().skip(first).take_while(|&&k| k == key);
        let mut candidates = self.literals.iter().skip(first).zip(same_key);
        let at = candidates.position(|((literal, _), _)| *literal == text)?;
        Some(first + at)
    }

    /// `path` is what follows the `/` after this node's segment, `None` at the path's end.
    fn find(&self, method: u8, path: Option<&[u8]>) -> Option<Leaf> {
        let below = match path {
            None => pick(&self.leaves, method),
            Some(path) => self.find_below(method, path),
        };
        below.or_else(|| pick(&self.catch_all, method))
    }

    fn find_below(&self, method: u8, path: &[u8]) -> Option<Leaf> {
        let (segment, rest) = match path.iter().position(|&b| b == b'/') {
            Some(at) => (path.get(..at)?, path.get(at + 1..)),
            None => (path, None),
        };
        self.position(segment)
            .and_then(|at| self.literals.get(at)?.1.find(method, rest))
            .or_else(|| self.parameter.as_ref()?.find(method, rest))
    }
}

fn pick(leaves: &[Leaf], method: u8) -> Option<Leaf> {
    let mut leaves = leaves.iter().copied();
    leaves.find(|leaf| leaf.row.has_method(method))
}

/// The length and the first seven bytes of a segment in one number. Two
/// segments may share it.
fn key(segment: &[u8]) -> u64 {
    let length = u64::try_from(segment.len()).unwrap_or(u64::MAX) << 56;
    let start = segment.iter().take(7);
    start.fold(0, |key, &byte| key << 8 | u64::from(byte)) | length
}
