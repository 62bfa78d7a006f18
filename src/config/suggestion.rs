//! What the operator probably meant by a key that does not exist.

use super::reference::sections_with;

/// The remedy for the unknown key `name` in the section at `path`, of which
/// `known` are the keys.
pub(super) fn remedy_for_unknown_key(
    name: &str,
    path: &str,
    known: &[&str],
    is_table: bool,
) -> String {
    if let Some(near) = nearest(name, known) {
        return format!("did you mean `{near}`?");
    }
    let places = places_of(name);
    if !places.is_empty() {
        return format!("`{name}` belongs {}", places.join(" or "));
    }
    let is_free_form = ["client", "server"].iter().any(|document| {
        let parent = path
            .strip_suffix(document)
            .and_then(|path| path.strip_suffix('.'));
        parent.is_some_and(|parent| parent.ends_with("well_known"))
    });
    if is_free_form && is_table {
        return format!("a key with dots in it stands in quotes: \"{name}.…\" = …");
    }
    if is_free_form {
        return "a key of one's own has a dot in it and stands in quotes: \"org.example.key\""
            .to_owned();
    }
    let mut keys: Vec<&str> = known.to_vec();
    keys.sort_unstable();
    format!("the keys are {}", keys.join(", "))
}

/// The sections that have a key of this name.
fn places_of(name: &str) -> Vec<String> {
    let places = sections_with(name).into_iter();
    let told = places.map(|(path, is_repeated)| match (&*path, is_repeated) {
        ("", _) => "to the top level, above the first [table]".to_owned(),
        (path, true) => format!("in [[{path}]]"),
        (path, false) => format!("in [{path}]"),
    });
    told.collect()
}

/// The known key that is a few typing errors away.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let allowed = (name.len() / 3).clamp(1, 3);
    let distances = known.iter().map(|key| (distance(name, key), *key));
    let (least, key) = distances.min()?;
    (least <= allowed).then_some(key)
}

/// The number of insertions, deletions, replacements and swaps of neighbours
/// between two words.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    let mut previous = None;
    for (i, l) in left.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, r) in right.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX);
            let replaced = at(&row, j) + usize::from(l != *r);
            let mut best = replaced.min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped =
                previous == Some(*r) && j.checked_sub(1).and_then(|j| right.get(j)) == Some(&l);
            if swapped {
                best = best.min(at(&before, j - 1).saturating_add(1));
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
        previous = Some(l);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_typing_errors() {
        for (left, right, errors) in [
            ("", "abc", 3),
            ("hosts", "hosts", 0),
            ("host", "hosts", 1),
            ("tls_nmae", "tls_name", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left, right), errors, "{left} {right}");
        }
    }

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["server_name", "homeserver", "hosts"];
        assert_eq!(nearest("servername", &known), Some("server_name"));
        assert_eq!(nearest("host", &known), Some("hosts"));
        assert_eq!(nearest("backend", &known), None);
    }
}
