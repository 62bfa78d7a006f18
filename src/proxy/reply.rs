//! Answers that Vestibule gives itself, and the one place that writes them.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
    HeaderName, HeaderValue, IF_NONE_MATCH, LOCATION, RETRY_AFTER, STRICT_TRANSPORT_SECURITY,
};
use http::{HeaderMap, Method, StatusCode};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::answer::Answer;
use crate::matrix::{Errcode, cors, error_body, well_known};
use crate::route::Document;

/// A request body up to this long is read and thrown away, so that the
/// connection can serve the next request; a longer one ends the connection.
const WORTH_DRAINING: u64 = 64 * 1024;

/// How long the stream of a refused upload stays before it is reset.
const TIME_TO_READ: Duration = Duration::from_secs(1);

/// An answer made here: status, headers, whole body.
#[derive(Debug)]
pub(super) struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// Header fields, `Content-Length` aside.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body; HEAD gets its length only.
    pub body: Bytes,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Reply {
    /// A Matrix error that a browser can read.
    pub(super) fn error(answer: &Answer) -> Self {
        let mut headers = vec![(CONTENT_TYPE, JSON)];
        headers.extend(pairs(cors::REPLY));
        if let Some(allow) = answer.allow {
            headers.push((ALLOW, HeaderValue::from_static(allow)));
        }
        if let Some(seconds) = answer.retry_after {
            headers.push((RETRY_AFTER, seconds.into()));
        }
        Self {
            status: answer.status,
            headers,
            body: error_body(answer.errcode, answer.message).into(),
        }
    }

    /// A well-known document, or 304 where the client has it already.
    pub(super) fn document(document: &Document, request: &HeaderMap) -> Self {
        let etag = document.etag.to_str().unwrap_or_default();
        let is_known = request
            .get_all(IF_NONE_MATCH)
            .iter()
            .any(|tags| well_known::is_named_by(etag, tags.to_str().unwrap_or_default()));
        let mut headers = vec![
            (ETAG, document.etag.clone()),
            (CACHE_CONTROL, document.cache_control.clone()),
        ];
        headers.extend(pairs(cors::PREFLIGHT));
        if is_known {
            return Self {
                status: StatusCode::NOT_MODIFIED,
                headers,
                body: Bytes::new(),
            };
        }
        headers.push((CONTENT_TYPE, JSON));
        Self {
            status: StatusCode::OK,
            headers,
            body: document.body.clone(),
        }
    }

    /// A 404 for a document that is not configured. Peers remember it for as
    /// long as it says, and no longer than an hour.
    pub(super) fn no_document() -> Self {
        let mut reply = Self::error(&Answer {
            status: StatusCode::NOT_FOUND,
            errcode: Errcode::NotFound,
            message: "This document is not configured",
            reason: "no_document",
            allow: None,
            retry_after: None,
            level: tracing::Level::DEBUG,
        });
        reply
            .headers
            .push((CACHE_CONTROL, HeaderValue::from_static("max-age=60")));
        reply
    }

    /// The answer to a preflight, as Synapse gives it.
    pub(super) fn preflight(path: &[u8]) -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            headers: pairs(cors::preflight(path)).collect(),
            body: Bytes::new(),
        }
    }

    /// A permanent redirect. CORS stands on it too, for a browser that is on
    /// its way to a well-known document (MSC4402).
    pub(super) fn redirect(location: HeaderValue) -> Self {
        Self {
            status: StatusCode::MOVED_PERMANENTLY,
            headers: vec![
                (LOCATION, location),
                (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
            ],
            body: Bytes::new(),
        }
    }
}

fn pairs(
    fields: &'static [(&'static str, &'static str)],
) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    fields.iter().map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    })
}

/// Sends `reply` and says how many bytes of body went out.
pub(super) async fn send(
    session: &mut Session,
    reply: Reply,
    hsts: Option<&HeaderValue>,
) -> pingora::Result<usize> {
    if !unread_body_is_small(session) {
        session.set_keepalive(None);
    }
    let mut header = ResponseHeader::build(reply.status, Some(reply.headers.len() + 2))?;
    for (name, value) in reply.headers {
        header.append_header(name, value)?;
    }
    if let Some(hsts) = hsts {
        header.insert_header(STRICT_TRANSPORT_SECURITY, hsts.clone())?;
    }
    let is_bodyless = matches!(
        reply.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    if !is_bodyless {
        header.insert_header(CONTENT_LENGTH, reply.body.len())?;
    }
    let ends_here =
        is_bodyless || reply.body.is_empty() || session.req_header().method == Method::HEAD;
    session
        .write_response_header(Box::new(header), ends_here)
        .await?;
    if ends_here {
        return Ok(0);
    }
    let length = reply.body.len();
    session.write_response_body(Some(reply.body), true).await?;
    Ok(length)
}

/// Gives a client that is still sending the time to see the answer before its
/// stream or connection is reset.
///
/// A reset that arrives together with the answer makes curl forget the answer:
/// on HTTP/2 even one with `NO_ERROR`, and on HTTP/1.1 the one that a socket
/// sends when it is closed with bytes unread. Nothing more of the body is taken
/// meanwhile than its window, or what the connection drains when it parts.
/// `is_dropped` says that the engine will drop the connection as it is.
pub(super) async fn let_client_read(session: &mut Session, is_dropped: bool) {
    if session.as_mut().is_body_done() {
        return;
    }
    if session.is_http2() {
        let left = session.as_mut().read_body_or_idle(true);
        drop(pingora_timeout::timeout(TIME_TO_READ, left).await);
    } else if is_dropped {
        session.as_mut().shutdown().await;
    }
}

/// Whether what is left of the request's body is none, or short enough to be
/// drained.
fn unread_body_is_small(session: &mut Session) -> bool {
    if session.as_mut().is_body_done() || session.is_http2() {
        return true;
    }
    let length = session.req_header().headers.get(CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
    length.is_some_and(|length: u64| length <= WORTH_DRAINING)
}
