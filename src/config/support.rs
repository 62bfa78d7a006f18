//! Whom to ask about a homeserver.

use schemars::JsonSchema;
use serde::Serialize;

use super::diagnostic::Diagnostic;
use super::section::Section;
use super::span::Spanned;
use super::value::HttpUrl;
use crate::matrix::ServerName;

/// The support document (client-server API, "`GET /.well-known/matrix/support`").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Support {
    /// A page for users who need help.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "https://example.com/help")]
    pub support_page: Option<HttpUrl>,
    /// People to reach: each with a `role`, and a `matrix_id` or `email_address`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<Contact>,
}

/// One person or group to reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Contact {
    /// `m.role.admin`, `m.role.security`, or a name of one's own with a dot in it.
    #[schemars(example = "m.role.admin")]
    pub role: String,
    /// A Matrix user id, such as `@admin:example.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "@admin:example.com")]
    pub matrix_id: Option<String>,
    /// An e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "admin@example.com")]
    pub email_address: Option<String>,
}

impl Support {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let place = Some(section.span());
        let report = section.report();
        let before = report.len();
        let support_page = section.optional("support_page");
        let contacts = section
            .tables("contacts", Contact::read)
            .unwrap_or_default();
        section.finish();
        if support_page.is_none() && contacts.is_empty() && report.len() == before {
            let problem = Diagnostic::new("the support document is empty", place);
            let help =
                "write support_page, or contacts = [{ role = \"m.role.admin\", matrix_id = … }]";
            report.add(problem.help(help));
            return None;
        }
        Some(Self {
            support_page,
            contacts,
        })
    }
}

impl Contact {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let place = Some(section.span());
        let report = section.report();
        let role = section.required("role", "role = \"m.role.admin\"");
        let is_written = section.has("matrix_id") || section.has("email_address");
        let matrix_id: Option<Spanned<String>> = section.optional("matrix_id");
        let email_address: Option<Spanned<String>> = section.optional("email_address");
        section.finish();
        if !is_written {
            let problem = Diagnostic::new("this contact cannot be reached", place);
            report.add(problem.help("write matrix_id or email_address"));
        }
        if let Some(id) = matrix_id.as_ref().filter(|id| !is_user_id(id)) {
            let problem = Diagnostic::new(format!("{id:?} is not a Matrix user id"), id.span());
            report.add(problem.help("write it as \"@name:example.com\""));
        }
        if let Some(email) = email_address.as_ref().filter(|email| !email.contains('@')) {
            let message = format!("{email:?} is not an e-mail address");
            let problem = Diagnostic::new(message, email.span());
            report.add(problem.help("write it as \"name@example.com\""));
        }
        Some(Self {
            role: role?,
            matrix_id: matrix_id.map(Spanned::into_inner),
            email_address: email_address.map(Spanned::into_inner),
        })
    }
}

fn is_user_id(text: &str) -> bool {
    let parts = text.strip_prefix('@').and_then(|text| text.split_once(':'));
    parts.is_some_and(|(name, server)| !name.is_empty() && server.parse::<ServerName>().is_ok())
}
