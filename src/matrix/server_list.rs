//! Lists of servers, as files and web servers have them.

use super::ServerPattern;
use super::server_pattern::InvalidServerPattern;

/// The most names of one list.
pub const MOST_LISTED: usize = 200_000;

/// Why a text is no list of servers. Nothing of the text is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidServerList {
    /// It is not UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
    /// It begins as a JSON array does, and is none of strings.
    #[error("it begins with \"[\" and is no JSON array of strings")]
    NotAnArray,
    /// A line, or an element, names no servers.
    #[error("{place} {number} names no server: {reason}")]
    Entry {
        /// Line or element.
        place: &'static str,
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong with it.
        reason: InvalidServerPattern,
    },
    /// An entry that means everybody.
    #[error("{place} {number} names everybody, which a list may not do: strangers = \"deny\" does")]
    Everybody {
        /// Line or element.
        place: &'static str,
        /// Which one, counted from 1.
        number: usize,
    },
    /// There are more than [`MOST_LISTED`].
    #[error("it names more than {MOST_LISTED} servers")]
    TooMany,
}

/// Reads a list: one name, or `*.` and a name, in a line, with comments from `#` on; or a JSON
/// array of the same. All of it is good, or none.
pub fn parse(text: &[u8]) -> Result<Vec<ServerPattern>, InvalidServerList> {
    let text = str::from_utf8(text).map_err(|_| InvalidServerList::NotText)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // An IPv6 address begins with a bracket too.
    if text.trim_start().starts_with('[') && !first_line_is_address(text) {
        let names: Vec<String> =
            serde_json::from_str(text).map_err(|_| InvalidServerList::NotAnArray)?;
        return patterns("element", names.iter().map(String::as_str));
    }
    let without_comment = |line| str::split(line, '#').next().unwrap_or_default().trim();
    patterns("line", text.lines().map(without_comment))
}

fn first_line_is_address(text: &str) -> bool {
    let line = text.trim_start().lines().next().unwrap_or_default();
    let name = line.split('#').next().unwrap_or_default();
    name.trim().parse::<ServerPattern>().is_ok()
}

/// Empty entries are skipped.
fn patterns<'t>(
    place: &'static str,
    entries: impl Iterator<Item = &'t str>,
) -> Result<Vec<ServerPattern>, InvalidServerList> {
    let mut patterns = Vec::new();
    for (entry, number) in entries.zip(1..).filter(|(entry, _)| !entry.is_empty()) {
        let pattern = entry.parse().map_err(|reason| InvalidServerList::Entry {
            place,
            number,
            reason,
        })?;
        if pattern == ServerPattern::All {
            return Err(InvalidServerList::Everybody { place, number });
        }
        if patterns.len() == MOST_LISTED {
            return Err(InvalidServerList::TooMany);
        }
        patterns.push(pattern);
    }
    Ok(patterns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<Vec<String>, String> {
        let patterns = parse(text.as_bytes()).map_err(|error| error.to_string())?;
        Ok(patterns.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn reads_lines_and_arrays() {
        let expected = ["evil.example", "*.spam.example", "[::1]:8448"];
        let lines = "# our list\n\nEvil.example  # since May\n *.spam.example\r\n[::1]:8448\n";
        assert_eq!(shown(lines).unwrap(), expected);
        let array = "\u{feff} [\"evil.example\",\n\"*.spam.example\", \"[::1]:8448\"]\n";
        assert_eq!(shown(array).unwrap(), expected);
        assert_eq!(shown("[::1]\na.example").unwrap(), ["[::1]", "a.example"]);
        assert_eq!(shown("\n# nobody\n").unwrap().len(), 0);
        assert_eq!(shown("[]").unwrap().len(), 0);
    }

    #[test]
    fn one_bad_entry_spoils_the_list() {
        for (text, expected) in [
            ("a.example\nb c.example", "line 2 names no server"),
            ("a.example\nb*.example", "line 2 names no server"),
            ("[\"a\",\"\",\"b_c\"]", "element 3 names no server"),
            ("*", "line 1 names everybody"),
            ("[\"a\", 1]", "no JSON array"),
            ("[\"a\"", "no JSON array"),
            ("<html>", "line 1 names no server"),
        ] {
            let told = shown(text).unwrap_err();
            assert!(told.contains(expected), "{text}: {told}");
        }
        assert_eq!(parse(b"\xff"), Err(InvalidServerList::NotText));
        let many = "a.example\n".repeat(MOST_LISTED + 1);
        assert_eq!(parse(many.as_bytes()), Err(InvalidServerList::TooMany));
    }
}
