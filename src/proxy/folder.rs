//! Static files: Element Web and the like.
//!
//! `tower-http` reads the files (types, ranges, conditional requests, no way
//! out of the folder); what is ours is how long a browser may keep them.

use std::borrow::Cow;
use std::io;
use std::pin::pin;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, OrErr};
use tower_http::services::ServeDir;

use super::reply::{self, Reply};
use crate::policy::Refusal;
use crate::route::{Document, Folder};

/// Files that carry a hash in their name and so never change.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Everything else is asked about each time; the answer is mostly a 304.
/// Element's installation notes want this of `index.html`, `config*.json`,
/// `i18n`, `home` and `sites`.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// Element Web is not to be framed by other sites, nor its types guessed.
const HARDENING: [(HeaderName, HeaderValue); 3] = [
    (
        HeaderName::from_static("x-frame-options"),
        HeaderValue::from_static("SAMEORIGIN"),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (
        HeaderName::from_static("content-security-policy"),
        HeaderValue::from_static("frame-ancestors 'self'"),
    ),
];

/// The part of `path` below the mount point, beginning with `/`.
pub(super) fn below<'a>(path: &'a [u8], mount: &str) -> &'a [u8] {
    match path.strip_prefix(mount.as_bytes()) {
        Some(b"") | None => b"/",
        Some(rest) => rest,
    }
}

/// The `config.json` that is configured, if this is the request for it.
pub(super) fn configured<'a>(folder: &'a Folder, path: &[u8]) -> Option<&'a Document> {
    match path {
        b"/config.json" => folder.config_json.as_ref(),
        _ => None,
    }
}

/// The file that a path asks for.
fn with_index(path: &[u8]) -> Cow<'_, str> {
    let path = String::from_utf8_lossy(path);
    if path.ends_with('/') {
        Cow::Owned(format!("{path}index.html"))
    } else {
        path
    }
}

/// Whether a segment begins with a dot: `.git` and `.env` lie in many folders
/// that were never meant to be read. `.well-known` was.
fn is_hidden(path: &str) -> bool {
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    decoded
        .split('/')
        .any(|segment| segment.starts_with('.') && segment != ".well-known")
}

/// How long a browser may keep the file at `path`.
fn cache_control(path: &str) -> HeaderValue {
    let is_hashed = path.starts_with("/bundles/");
    if is_hashed { IMMUTABLE } else { REVALIDATE }
}

/// Serves the file at `path` and returns the bytes of body sent.
pub(super) async fn serve(
    session: &mut Session,
    folder: &Folder,
    path: &[u8],
    hsts: Option<&HeaderValue>,
) -> pingora::Result<usize> {
    let path = with_index(path);
    let path = path.as_ref();
    if is_hidden(path) {
        let reply = Reply::error(&Refusal::NothingHere.into());
        return reply::send(session, reply, hsts).await;
    }
    let request = file_request(session, path)?;
    // A folder shows its index.html; redirects to folders would not know where
    // this one is mounted.
    let answer = ServeDir::new(&folder.root)
        .append_index_html_on_directories(false)
        .try_call(request)
        .await;
    let answer = match answer {
        // The name is longer than any file's can be.
        Err(error) if error.kind() == io::ErrorKind::InvalidFilename => {
            let reply = Reply::error(&Refusal::NothingHere.into());
            return reply::send(session, reply, hsts).await;
        }
        answer => answer.or_err(ErrorType::FileReadError, "while reading a static file")?,
    };
    let (parts, body) = answer.into_parts();
    let refusal = match parts.status {
        StatusCode::METHOD_NOT_ALLOWED => Some(Refusal::MethodNotAllowed),
        // Says itself how long the file is.
        StatusCode::RANGE_NOT_SATISFIABLE => None,
        status => status.is_client_error().then_some(Refusal::NothingHere),
    };
    if let Some(refusal) = refusal {
        return reply::send(session, Reply::error(&refusal.into()), hsts).await;
    }
    let mut header = ResponseHeader::build(parts.status, Some(parts.headers.len() + 5))?;
    for (name, value) in &parts.headers {
        header.append_header(name.clone(), value.clone())?;
    }
    header.insert_header(CACHE_CONTROL, cache_control(path))?;
    for (name, value) in HARDENING {
        header.insert_header(name, value)?;
    }
    if let Some(hsts) = hsts {
        header.insert_header(STRICT_TRANSPORT_SECURITY, hsts.clone())?;
    }
    let is_head = session.req_header().method == Method::HEAD;
    session
        .write_response_header(Box::new(header), is_head)
        .await?;
    if is_head {
        return Ok(0);
    }
    let mut sent = 0;
    let mut body = pin!(body);
    while let Some(frame) = body.frame().await {
        let frame = frame.or_err(ErrorType::FileReadError, "while reading a static file")?;
        if let Ok(data) = frame.into_data() {
            sent += data.len();
            session.write_response_body(Some(data), false).await?;
        }
    }
    session.write_response_body(None, true).await?;
    Ok(sent)
}

/// The request as `tower-http` wants it: the method, the path below the mount,
/// and the fields that decide about ranges and conditions.
fn file_request(session: &Session, path: &str) -> pingora::Result<Request<Empty<Bytes>>> {
    let seen = session.req_header();
    let mut request = Request::builder().method(seen.method.clone()).uri(path);
    if let Some(headers) = request.headers_mut() {
        headers.clone_from(&seen.headers);
    }
    request
        .body(Empty::new())
        .map_err(|e| Error::because(ErrorType::InternalError, "a checked path is a valid URI", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_point_is_cut_off() {
        assert_eq!(
            below(b"/element/bundles/x.js", "/element"),
            b"/bundles/x.js"
        );
        assert_eq!(below(b"/element", "/element"), b"/");
        assert_eq!(below(b"/index.html", ""), b"/index.html");
    }

    #[test]
    fn files_that_begin_with_a_dot_are_hidden() {
        for path in ["/.git/config", "/a/.env", "/%2egit", "/.."] {
            assert!(is_hidden(path), "{path}");
        }
        for path in ["/", "/a.b", "/.well-known/assetlinks.json"] {
            assert!(!is_hidden(path), "{path}");
        }
    }

    #[test]
    fn only_hashed_files_are_kept() {
        assert_eq!(cache_control("/bundles/0a1b/app.js"), IMMUTABLE);
        for path in [
            "/",
            "/index.html",
            "/config.json",
            "/i18n/de.json",
            "/sw.js",
            "/version",
        ] {
            assert_eq!(cache_control(path), REVALIDATE);
        }
    }
}
