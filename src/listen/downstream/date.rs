//! The `Date` of answers that come without one.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

/// Bytes of a date, as in `Sun, 06 Nov 1994 08:49:37 GMT`.
const LENGTH: usize = 29;

thread_local! {
    /// The second that was written last, and how.
    static LAST: Cell<(u64, [u8; LENGTH])> = const { Cell::new((0, [b' '; LENGTH])) };
}

/// The time now, as in `Date` (RFC 9110, 5.6.7).
pub(super) fn now() -> [u8; LENGTH] {
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (last, text) = LAST.get();
    if last == second {
        return text;
    }
    let written = HttpDate::from(now).to_string();
    let text = written.as_bytes().try_into().unwrap_or(text);
    LAST.set((second, text));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_time_in_the_form_of_http() {
        let text = String::from_utf8(now().to_vec()).unwrap();
        let read = httpdate::parse_http_date(&text).unwrap();
        let age = SystemTime::now().duration_since(read).unwrap();
        assert!(age.as_secs() < 5, "{text}");
        assert_eq!(now().len(), LENGTH);
    }
}
