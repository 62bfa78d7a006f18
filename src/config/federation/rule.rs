//! Rules by origin: which servers may do what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::diagnostic::Diagnostic;
use crate::config::section::Section;
use crate::config::span::Spanned;
use crate::config::value::{ClassName, ListenAddress, OriginPattern, RuleName};
use crate::matrix::ServerName;

/// One rule. The first that fits a request decides; where none does, `strangers` and `ip_literals`
/// do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OriginRule {
    /// What metrics, logs and `vestibule explain` call it.
    #[schemars(example = &"spam")]
    pub name: Spanned<RuleName>,
    /// What happens to whom it names. To allow takes `signatures = "enforce"`: anybody can claim a
    /// name.
    #[schemars(example = &"deny")]
    pub action: Spanned<Permission>,
    /// Whom it names: `"evil.example"`, `"*.spam.example"` (whatever is below, not the name
    /// itself), or `"*"` (everybody). A name without port means every port where it is denied, and
    /// the server of exactly this name where it is allowed.
    #[schemars(example = ["evil.example", "*.spam.example"])]
    pub origins: Vec<OriginPattern>,
    /// The lists whose servers it names as well, by their names.
    #[schemars(example = ["coc"])]
    pub lists: Vec<Spanned<RuleName>>,
    /// The classes of endpoints that it is about. Default: all that servers sign requests to.
    #[schemars(example = ["fed_query", "fed_media"])]
    pub classes: Vec<ClassName>,
    /// The sites that it is about, by their server names. Default: all.
    #[schemars(example = ["example.com"])]
    pub sites: Vec<Spanned<ServerName>>,
    /// The listeners that it is about, by an address of theirs as it is written there. Default:
    /// all.
    #[schemars(example = ["*:8448"])]
    pub listeners: Vec<Spanned<ListenAddress>>,
    /// What who is denied is told.
    pub answer: OriginAnswer,
    /// Whether it denies nothing, and only counts and logs whom it would have: the rules after it
    /// decide.
    pub dry_run: bool,
}

/// Whether somebody may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Yes.
    Allow,
    /// No.
    Deny,
}

/// What a server is told that is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OriginAnswer {
    /// 403 `M_FORBIDDEN`, as Synapse answers whom it does not federate with. A Synapse there sends
    /// no more transactions for a while, which grows up to a week.
    Forbidden,
    /// 401 `M_UNAUTHORIZED`: a Synapse there makes no request at all for a while.
    Unauthorized,
    /// 429 `M_LIMIT_EXCEEDED`: a Synapse there tries again for some minutes, then makes no request
    /// for a while. For names that have been given up and are still sent to.
    Tarpit,
}

impl OriginRule {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let place = Some(section.span());
        let report = section.report();
        let before = report.len();
        let name = section.required("name", "name = \"spam\"");
        let action: Option<Spanned<Permission>> = section.required("action", "action = \"deny\"");
        let is_allow = action.as_ref().is_some_and(|a| **a == Permission::Allow);
        if is_allow {
            for key in ["answer", "dry_run"] {
                let message = format!("`{key}` has no effect on a rule that allows");
                section.refuse(key, &message, "it belongs to a rule with action = \"deny\"");
            }
        }
        let origins: Vec<OriginPattern> = section.list("origins").unwrap_or_default();
        let lists: Vec<Spanned<RuleName>> = section.list("lists").unwrap_or_default();
        let classes = section.list("classes").unwrap_or_default();
        let sites = section.list("sites").unwrap_or_default();
        let listeners = section.list("listeners").unwrap_or_default();
        let answer = section.or("answer", OriginAnswer::Forbidden);
        let dry_run = section.or("dry_run", false);
        section.finish();
        if origins.is_empty() && lists.is_empty() && report.len() == before {
            let problem = Diagnostic::new("this rule names nobody", place);
            report.add(problem.help("write origins = [\"evil.example\"], or lists = [\"...\"]"));
        }
        Some(Self {
            name: name?,
            action: action?,
            origins,
            lists,
            classes,
            sites,
            listeners,
            answer,
            dry_run,
        })
    }

    /// Whether every request of another server fits it.
    pub(super) fn is_about_everything(&self) -> bool {
        let is_all = |origin: &OriginPattern| origin.to_string() == "*";
        self.origins.iter().any(is_all)
            && self.classes.is_empty()
            && self.sites.is_empty()
            && self.listeners.is_empty()
            && !self.dry_run
    }
}
