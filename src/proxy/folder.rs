//! Static files: Element Web and the like.
//!
//! `tower-http` reads the files (types, ranges, conditional requests, no way
//! out of the folder); what is ours is how long a browser may keep them.

use std::borrow::Cow;
use std::io;
use std::pin::pin;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use tower_http::services::ServeDir;

use super::context::RequestContext;
use super::failure::Problem;
use super::request::FileRequest;
use crate::listen::Downstream;
use crate::message::{Fields, RequestHead, syntax};
use crate::policy::Refusal;
use crate::route::{Document, Folder};

/// Files that carry a hash in their name and so never change.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// Everything else is asked about each time; the answer is mostly a 304.
/// Element's installation notes want this of `index.html`, `config*.json`,
/// `i18n`, `home` and `sites`.
const REVALIDATE: &str = "no-cache";

/// Element Web is not to be framed by other sites, nor its types guessed.
const HARDENING: [(&str, &str); 3] = [
    ("X-Frame-Options", "SAMEORIGIN"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "frame-ancestors 'self'"),
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
fn cache_control(path: &str) -> &'static str {
    let is_hashed = path.starts_with("/bundles/");
    if is_hashed { IMMUTABLE } else { REVALIDATE }
}

/// Serves a file.
pub(super) async fn serve(
    file: &FileRequest,
    head: &RequestHead,
    downstream: &mut Downstream,
    ctx: &mut RequestContext,
) -> Result<(), Problem> {
    let path = with_index(&file.path);
    let path = path.as_ref();
    if is_hidden(path) {
        return Err(Refusal::NothingHere.into());
    }
    let request = file_request(head, path)?;
    // A folder shows its index.html; redirects to folders would not know where
    // this one is mounted.
    let answer = ServeDir::new(&file.folder.root)
        .append_index_html_on_directories(false)
        .try_call(request)
        .await;
    let answer = match answer {
        // The name is longer than any file's can be.
        Err(error) if error.kind() == io::ErrorKind::InvalidFilename => {
            return Err(Refusal::NothingHere.into());
        }
        answer => answer.map_err(|_| UNREADABLE)?,
    };
    let (parts, body) = answer.into_parts();
    match parts.status {
        StatusCode::METHOD_NOT_ALLOWED => return Err(Refusal::MethodNotAllowed.into()),
        // Says itself how long the file is.
        StatusCode::RANGE_NOT_SATISFIABLE => {}
        status if status.is_client_error() => return Err(Refusal::NothingHere.into()),
        _ => {}
    }
    let status = parts.status;
    let fields = fields_of(&parts, path, ctx.hsts());
    downstream.answer(status, &fields, status != StatusCode::NOT_MODIFIED)?;
    ctx.status = Some(status);
    if head.method != Method::HEAD {
        let mut body = pin!(body);
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.map_err(|_| UNREADABLE)?.into_data() {
                ctx.bytes_out += downstream.send(data).await?;
            }
        }
        let announced = fields.first("content-length").and_then(syntax::length);
        if announced.is_some_and(|length| length != ctx.bytes_out) {
            return Err(Problem::Internal("a static file changed while it was sent"));
        }
    }
    Ok(downstream.end().await?)
}

/// What is told of a file that cannot be read.
const UNREADABLE: Problem = Problem::Internal("a static file cannot be read");

/// The fields of the answer that `tower-http` gave, and ours.
fn fields_of(parts: &http::response::Parts, path: &str, hsts: Option<&[u8]>) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in &parts.headers {
        fields.push(name, value);
    }
    fields.push("Cache-Control", cache_control(path));
    for (name, value) in HARDENING {
        fields.push(name, value);
    }
    if let Some(hsts) = hsts {
        fields.push("Strict-Transport-Security", hsts);
    }
    fields
}

/// The request as `tower-http` wants it: the method, the path below the mount,
/// and the fields that decide about ranges and conditions.
fn file_request(head: &RequestHead, path: &str) -> Result<Request<Empty<Bytes>>, Problem> {
    let mut request = Request::builder().method(head.method.clone()).uri(path);
    for (name, value) in head.fields.iter() {
        request = request.header(name, value);
    }
    request
        .body(Empty::new())
        .map_err(|_| Problem::Internal("a checked path is no valid URI"))
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
