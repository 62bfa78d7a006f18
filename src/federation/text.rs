//! Remote bytes, made fit to be read.

/// Longest text of a remote server that is shown.
const LONGEST: usize = 160;

/// What a remote server said, in printable ASCII and not too long: it ends up in terminals, logs
/// and alerts.
pub(super) fn printable(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    let mut text = String::new();
    for byte in bytes {
        let shown = match byte {
            b' '..=b'~' => char::from(*byte).to_string(),
            _ => byte.escape_ascii().to_string(),
        };
        if text.len() + shown.len() > LONGEST {
            text.push_str("...");
            break;
        }
        text.push_str(&shown);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_would_obey_comes_through() {
        assert_eq!(printable("a\x1b[2J\r\nb"), "a\\x1b[2J\\r\\nb");
        assert_eq!(printable("ä"), "\\xc3\\xa4");
        assert_eq!(printable(vec![b'a'; 1000]).len(), LONGEST + 3);
    }
}
