//! The strict reader: what may arrive at a homeserver and what may not.

/// How the body of a request is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// No body.
    None,
    /// `Content-Length`.
    Length(usize),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// Checks a head, from the request line to the empty line, as the strictest
/// reading of RFC 9112 and 9110 has it; the error says what is dirty.
pub(crate) fn check(head: &[u8]) -> Result<Framing, String> {
    let text = head.strip_suffix(b"\r\n\r\n").ok_or("no empty line")?;
    if let Some(at) = bare_line_end(text) {
        return Err(format!("bare CR or LF at byte {at}"));
    }
    let mut lines = text.split(|b| *b == b'\n').map(trim_cr);
    check_request_line(lines.next().unwrap_or_default())?;
    let fields: Vec<_> = lines.map(field).collect::<Result<_, _>>()?;
    if values(&fields, b"host").len() != 1 || values(&fields, b"host")[0].is_empty() {
        return Err("not exactly one Host".into());
    }
    framing(&fields)
}

type Field<'a> = (&'a [u8], &'a [u8]);

fn check_request_line(line: &[u8]) -> Result<(), String> {
    let parts: Vec<_> = line.split(|b| *b == b' ').collect();
    let [method, target, b"HTTP/1.1"] = parts[..] else {
        return Err(format!("request line {:?}", String::from_utf8_lossy(line)));
    };
    if method.is_empty() || !method.iter().all(u8::is_ascii_uppercase) {
        return Err("odd method".into());
    }
    let clean = target
        .iter()
        .all(|b| (0x21..=0x7e).contains(b) && *b != b'#');
    if !clean || !(target.starts_with(b"/") || target == b"*") {
        return Err(format!("odd target {:?}", String::from_utf8_lossy(target)));
    }
    Ok(())
}

fn field(line: &[u8]) -> Result<Field<'_>, String> {
    let odd = |why: &str| format!("{why}: {:?}", String::from_utf8_lossy(line));
    let colon = line
        .iter()
        .position(|b| *b == b':')
        .ok_or_else(|| odd("no colon"))?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
        return Err(odd("field name"));
    }
    if value
        .iter()
        .any(|b| *b == 0x7f || (*b < 0x20 && *b != b'\t'))
    {
        return Err(odd("control character"));
    }
    Ok((name, value))
}

fn framing(fields: &[Field<'_>]) -> Result<Framing, String> {
    let lengths = values(fields, b"content-length");
    let codings = values(fields, b"transfer-encoding");
    match (lengths[..].as_ref(), codings[..].as_ref()) {
        ([], []) => Ok(Framing::None),
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        ([length], []) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
            let length = String::from_utf8_lossy(length);
            length
                .parse()
                .map(Framing::Length)
                .map_err(|_| "length overflows".into())
        }
        _ => Err(format!(
            "framing: {} lengths, {} codings",
            lengths.len(),
            codings.len()
        )),
    }
}

fn values<'a>(fields: &[Field<'a>], name: &[u8]) -> Vec<&'a [u8]> {
    let named = fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
    named.map(|(_, value)| *value).collect()
}

fn bare_line_end(text: &[u8]) -> Option<usize> {
    (0..text.len()).find(|&at| match text[at] {
        b'\r' => text.get(at + 1) != Some(&b'\n'),
        b'\n' => at == 0 || text[at - 1] != b'\r',
        _ => false,
    })
}

fn trim_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_clean_heads() {
        for (head, framing) in [
            ("GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n", Framing::None),
            (
                "PUT / HTTP/1.1\r\nhost: x\r\nContent-Length: 5\r\n\r\n",
                Framing::Length(5),
            ),
            (
                "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
                Framing::Chunked,
            ),
            ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", Framing::None),
        ] {
            assert_eq!(check(head.as_bytes()), Ok(framing), "{head:?}");
        }
    }

    #[test]
    fn flags_dirty_heads() {
        for head in [
            "GET /a HTTP/1.1\r\n\r\n",
            "GET /a HTTP/1.0\r\nHost: x\r\n\r\n",
            "GET  /a HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /a HTTP/1.1\nHost: x\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: x\r\nX: a\u{0}b\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        ] {
            assert!(check(head.as_bytes()).is_err(), "{head:?}");
        }
    }
}
