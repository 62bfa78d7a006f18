//! Answers that Vestibule gives itself, and the one place that writes them.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;

use super::answer::Answer;
use super::context::RequestContext;
use super::failure::Problem;
use crate::listen::Downstream;
use crate::matrix::{Errcode, cors, error_body, limit_exceeded_body, well_known};
use crate::message::Fields;
use crate::route::Document;

/// An answer made here: status, headers, whole body.
#[derive(Debug)]
pub(super) struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// Header fields, `Content-Length` among them.
    pub fields: Arc<Fields>,
    /// The body; HEAD gets its length only.
    pub body: Bytes,
}

const JSON: &str = "application/json";

impl Reply {
    fn new(status: StatusCode, mut fields: Fields, body: Bytes) -> Self {
        if status != StatusCode::NO_CONTENT {
            fields.push("Content-Length", body.len().to_string());
        }
        Self {
            status,
            fields: Arc::new(fields),
            body,
        }
    }

    /// A Matrix error that a browser can read.
    pub(super) fn error(answer: &Answer) -> Self {
        let fields = error_fields(answer.allow, answer.retry_after);
        let body = match answer.retry_after {
            Some(seconds) if answer.errcode == Errcode::LimitExceeded => {
                limit_exceeded_body(answer.message, u64::from(seconds) * 1000)
            }
            _ => error_body(answer.errcode, answer.message),
        };
        Self::new(answer.status, fields, body.into())
    }

    /// A document, or 304 where the client has it already.
    pub(super) fn document(document: &Document, request: &Fields) -> Self {
        let etag = &*document.etag;
        let is_known = request
            .all("if-none-match")
            .any(|tags| well_known::is_named_by(etag, str::from_utf8(tags).unwrap_or_default()));
        if is_known {
            return Self {
                status: StatusCode::NOT_MODIFIED,
                fields: document.unchanged.clone(),
                body: Bytes::new(),
            };
        }
        Self {
            status: StatusCode::OK,
            fields: document.fields.clone(),
            body: document.body.clone(),
        }
    }

    /// A 404 for a document that is not configured. Peers remember it for as
    /// long as it says, and no longer than an hour.
    pub(super) fn no_document() -> Self {
        let mut fields = error_fields(None, None);
        fields.push("Cache-Control", "max-age=60");
        let body = error_body(Errcode::NotFound, "This document is not configured");
        Self::new(StatusCode::NOT_FOUND, fields, body.into())
    }

    /// What a certificate authority wants to see (RFC 8555, 8.3).
    pub(super) fn challenge(answer: String) -> Self {
        let mut fields = Fields::default();
        fields.push("Content-Type", "application/octet-stream");
        Self::new(StatusCode::OK, fields, answer.into())
    }

    /// The answer to a preflight, as Synapse gives it.
    pub(super) fn preflight(path: &[u8]) -> Self {
        let mut fields = Fields::default();
        push_all(&mut fields, cors::preflight(path));
        Self::new(StatusCode::NO_CONTENT, fields, Bytes::new())
    }

    /// A permanent redirect. CORS stands on it too, for a browser that is on
    /// its way to a well-known document (MSC4402).
    pub(super) fn redirect(location: impl AsRef<[u8]>) -> Self {
        let mut fields = Fields::default();
        fields.push("Location", location);
        fields.push("Access-Control-Allow-Origin", "*");
        Self::new(StatusCode::MOVED_PERMANENTLY, fields, Bytes::new())
    }

    /// Its fields as they go down.
    pub(super) fn fields(&self, hsts: Option<&[u8]>) -> Arc<Fields> {
        let Some(hsts) = hsts else {
            return self.fields.clone();
        };
        let mut fields = Fields::clone(&self.fields);
        fields.push("Strict-Transport-Security", hsts);
        Arc::new(fields)
    }

    /// Answers with it.
    pub(super) async fn send(
        self,
        downstream: &mut Downstream,
        ctx: &mut RequestContext,
    ) -> Result<(), Problem> {
        let fields = self.fields(ctx.hsts());
        downstream.answer(self.status, &fields, !self.body.is_empty())?;
        ctx.status = Some(self.status);
        ctx.bytes_out += downstream.send(self.body).await?;
        Ok(downstream.end().await?)
    }
}

fn error_fields(allow: Option<&str>, retry_after: Option<u16>) -> Fields {
    let mut fields = Fields::default();
    fields.push("Content-Type", JSON);
    push_all(&mut fields, cors::REPLY);
    if let Some(allow) = allow {
        fields.push("Allow", allow);
    }
    if let Some(seconds) = retry_after {
        fields.push("Retry-After", seconds.to_string());
    }
    fields
}

fn push_all(fields: &mut Fields, more: &'static [(&'static str, &'static str)]) {
    for (name, value) in more {
        fields.push(name, value);
    }
}
