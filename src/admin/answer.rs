//! A small answer, held in memory whole.

use http::StatusCode;
use serde::Serialize;

use crate::listen::{Downstream, Fault};
use crate::message::Fields;

pub(super) const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const JSON: &str = "application/json";
pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const CSS: &str = "text/css; charset=utf-8";

/// What a browser may do with any of it: show it with our own style, and nothing else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// An answer to a request.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    content_type: &'static str,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn new(
        status: StatusCode,
        content_type: &'static str,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            status,
            content_type,
            body: body.into(),
        }
    }

    pub(super) fn ok(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self::new(StatusCode::OK, content_type, body)
    }

    /// A value as JSON for people and programs.
    pub(super) fn json(value: &impl Serialize) -> Self {
        match serde_json::to_string_pretty(value) {
            Ok(text) => Self::ok(JSON, text + "\n"),
            Err(error) => Self::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    pub(super) fn error(status: StatusCode, what: &str) -> Self {
        let body = serde_json::json!({ "error": what });
        Self::new(status, JSON, format!("{body}\n"))
    }

    pub(super) fn not_allowed() -> Self {
        let text = "only GET and HEAD are answered here\n";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, TEXT, text)
    }

    pub(super) async fn send(self, downstream: &mut Downstream) -> Result<(), Fault> {
        downstream.answer(self.status, &self.fields(), true)?;
        downstream.send(self.body.into()).await?;
        downstream.end().await
    }

    fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.push("Content-Length", self.body.len().to_string());
        fields.push("Content-Type", self.content_type);
        fields.push("Cache-Control", "no-store");
        fields.push("X-Content-Type-Options", "nosniff");
        fields.push("Content-Security-Policy", CONTENT_SECURITY_POLICY);
        fields.push("Referrer-Policy", "no-referrer");
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            fields.push("Allow", "GET, HEAD");
        }
        fields
    }
}
