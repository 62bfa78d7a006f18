//! Reads the head of an answer.

use http::StatusCode;
use httparse::{EMPTY_HEADER, ParserConfig, Response, Status};

use super::Broken;
use super::body::Body;
use crate::message::chunked::Decoder;
use crate::message::{Fields, ResponseHead, syntax};

/// Largest head of an answer, in bytes.
const LARGEST_HEAD: usize = 64 << 10;
/// Most fields of an answer.
const MOST_FIELDS: usize = 128;

/// The head of an answer, and what it says about what follows.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: ResponseHead,
    pub(super) body: Body,
    pub(super) keeps_alive: bool,
}

impl Answer {
    /// Reads a head from the front of `bytes`, with its length; `None` while it is not whole.
    pub(super) fn read(bytes: &[u8], is_head: bool) -> Result<Option<(Self, usize)>, Broken> {
        let mut fields = [EMPTY_HEADER; MOST_FIELDS];
        let mut response = Response::new(&mut fields);
        let parsed = ParserConfig::default().parse_response(&mut response, bytes);
        let length = match parsed {
            Ok(Status::Complete(length)) if length <= LARGEST_HEAD => length,
            Ok(Status::Partial) if bytes.len() <= LARGEST_HEAD => return Ok(None),
            Ok(_) => return Err(Broken::Invalid("its head is too large")),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Broken::Invalid("its head has too many fields"));
            }
            Err(_) => return Err(Broken::Invalid("its head is malformed")),
        };
        let status = StatusCode::from_u16(response.code.unwrap_or_default())
            .map_err(|_| Broken::Invalid("its status is none"))?;
        let mut fields = Fields::with_capacity(response.headers.len() + 1, length);
        for field in &*response.headers {
            fields.push(field.name, field.value);
        }
        let is_latest = response.version == Some(1);
        let body = body(status, &fields, is_head, is_latest)?;
        let closes = fields
            .elements("connection")
            .any(|token| token.eq_ignore_ascii_case(b"close"));
        let keeps_alive = is_latest && !closes;
        let head = ResponseHead { status, fields };
        let answer = Self {
            keeps_alive: keeps_alive && !body.ends_with_connection(),
            body,
            head,
        };
        Ok(Some((answer, length)))
    }
}

/// Whether `bytes` hold the whole head of an answer; an error where they can hold none.
pub(in crate::upstream) fn is_whole(bytes: &[u8]) -> Result<bool, Broken> {
    Answer::read(bytes, false).map(|answer| answer.is_some())
}

/// How the body is delimited (RFC 9112, 6.3), where there is one reading only.
fn body(
    status: StatusCode,
    fields: &Fields,
    is_head: bool,
    is_latest: bool,
) -> Result<Body, Broken> {
    let mut lengths = fields.all("content-length");
    let mut codings = fields.all("transfer-encoding");
    let framing = match (
        lengths.next(),
        lengths.next(),
        codings.next(),
        codings.next(),
    ) {
        (None, None, None, None) => Body::UntilClose,
        (Some(length), None, None, None) => {
            let length = syntax::length(length);
            Body::Length(length.ok_or(Broken::Invalid("its Content-Length is no number"))?)
        }
        (None, None, Some(coding), None)
            if is_latest && coding.eq_ignore_ascii_case(b"chunked") =>
        {
            Body::Chunked(Decoder::default())
        }
        (_, _, Some(_), _) => return Err(Broken::Invalid("its framing is ambiguous")),
        (_, _, None, _) => return Err(Broken::Invalid("it has more than one Content-Length")),
    };
    let has_none = is_head
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    Ok(if has_none { Body::None } else { framing })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, is_head: bool) -> Result<Answer, String> {
        match Answer::read(text.as_bytes(), is_head) {
            Ok(Some((answer, length))) => {
                assert_eq!(length, text.len());
                Ok(answer)
            }
            Ok(None) => Err("not whole".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_body_is_delimited_as_http_says() {
        for (expected, head) in [
            ("Length(3)", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"),
            ("UntilClose", "HTTP/1.1 200 OK\r\n\r\n"),
            ("UntilClose", "HTTP/1.0 200\r\n\r\n"),
            (
                "None",
                "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n",
            ),
            ("None", "HTTP/1.1 304 \r\nContent-Length: 3\r\n\r\n"),
            ("None", "HTTP/1.1 100 Continue\r\n\r\n"),
        ] {
            assert_eq!(
                format!("{:?}", read(head, false).unwrap().body),
                expected,
                "{head}"
            );
        }
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n";
        assert!(matches!(
            read(chunked, false).unwrap().body,
            Body::Chunked(_)
        ));
        assert!(matches!(read(chunked, true).unwrap().body, Body::None));
    }

    #[test]
    fn what_two_readers_may_read_differently_is_no_answer() {
        for fields in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 3\r\nContent-Length: 3\r\n",
            "Content-Length: +3\r\n",
            "Content-Length: 3, 3\r\n",
            "Content-Length:\r\n",
            "Content-Length: 9999999999999999999\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "A: b\r\n c\r\n",
            "A : b\r\n",
            "A: \0\r\n",
            "A: b\rc\r\n",
            "A\r\n",
        ] {
            let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
            assert!(read(&head, false).is_err(), "{head:?}");
        }
        for head in [
            "<html>\r\n\r\n",
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 99 Low\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert!(read(head, false).is_err(), "{head:?}");
        }
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(129));
        assert!(read(&many, false).unwrap_err().contains("too many"));
        let large = format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(LARGEST_HEAD));
        assert!(read(&large, false).unwrap_err().contains("too large"));
        assert_eq!(read("HTTP/1.1 200 OK\r\n", false).unwrap_err(), "not whole");
    }

    #[test]
    fn a_connection_is_kept_only_where_the_answer_leaves_it_open() {
        for (keeps, head) in [
            (true, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            (
                false,
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n",
            ),
            (false, "HTTP/1.1 200 OK\r\n\r\n"),
            (false, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
            (true, "HTTP/1.1 204 \r\n\r\n"),
        ] {
            assert_eq!(read(head, false).unwrap().keeps_alive, keeps, "{head}");
        }
    }
}
