//! One row of the endpoint table.

use super::{Api, Class, Endpoint};
use crate::matrix::initial_sync::Split;
use crate::matrix::worker::{Affinity, Group};
use http::Method;
use std::time::Duration;

pub(super) const GET: u8 = 1;
pub(super) const POST: u8 = 1 << 1;
pub(super) const PUT: u8 = 1 << 2;
pub(super) const DELETE: u8 = 1 << 3;
pub(super) const OPTIONS: u8 = 1 << 4;
const OTHER: u8 = 1 << 5;
/// Every method, known to us or not.
pub(super) const ANY: u8 = u8::MAX;

/// The bit of a method in [`Row`]; `HEAD` is answered as `GET` is.
pub(super) fn method_bit(method: &Method) -> u8 {
    match *method {
        Method::GET | Method::HEAD => GET,
        Method::POST => POST,
        Method::PUT => PUT,
        Method::DELETE => DELETE,
        Method::OPTIONS => OPTIONS,
        _ => OTHER,
    }
}

/// Methods and a path template, and what holds for the requests that match.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts about an operation that have nothing to do with each other"
)]
pub struct Row {
    methods: u8,
    versions: &'static [&'static str],
    template: &'static str,
    api: Api,
    class: Class,
    has_optional_slash: bool,
    is_single_use: bool,
    carries_x_matrix: bool,
    is_mas_compat: bool,
    group: Group,
    affinity: Affinity,
    split: Option<Split>,
    hold: Duration,
}

impl Row {
    /// A row whose `{version}` segment stands for each of `versions`, for the
    /// main process.
    pub(super) const fn new(
        methods: u8,
        versions: &'static [&'static str],
        template: &'static str,
        api: Api,
        class: Class,
    ) -> Self {
        Self {
            methods,
            versions,
            template,
            api,
            class,
            has_optional_slash: false,
            is_single_use: false,
            carries_x_matrix: false,
            is_mas_compat: false,
            group: Group::Main,
            affinity: Affinity::None,
            split: None,
            hold: class.hold(),
        }
    }

    /// The same path with a `/` at its end is the same operation.
    pub(super) const fn optional_slash(mut self) -> Self {
        self.has_optional_slash = true;
        self
    }

    /// A second request would not do what the first did, whatever the method says.
    pub(super) const fn single_use(mut self) -> Self {
        self.is_single_use = true;
        self
    }

    /// The sending server signs the request.
    pub(super) const fn signed(mut self) -> Self {
        self.carries_x_matrix = true;
        self
    }

    /// The workers of `group` answer, and `affinity` chooses among them.
    pub(super) const fn on(mut self, group: Group, affinity: Affinity) -> Self {
        self.group = group;
        self.affinity = affinity;
        self
    }

    /// The first request of its kind goes to other workers than those that continue it.
    pub(super) const fn split(mut self, split: Split) -> Self {
        self.split = Some(split);
        self
    }

    /// MAS answers in Synapse's place where it runs.
    pub(super) const fn mas_compat(mut self) -> Self {
        self.is_mas_compat = true;
        self
    }

    /// The sender gives up sooner, or later, than with the rest of the class.
    pub(super) const fn hold(mut self, seconds: u64) -> Self {
        self.hold = Duration::from_secs(seconds);
        self
    }

    /// The path template, as logs and metrics show it.
    pub const fn template(&self) -> &'static str {
        self.template
    }

    /// The API of the row.
    pub const fn api(&self) -> Api {
        self.api
    }

    /// The class of the row.
    pub const fn class(&self) -> Class {
        self.class
    }

    /// The workers that answer.
    pub const fn group(&self) -> Group {
        self.group
    }

    /// What chooses among the workers of the group.
    pub const fn affinity(&self) -> Affinity {
        self.affinity
    }

    /// Whether the row holds for `method`.
    pub fn allows(&self, method: &Method) -> bool {
        self.has_method(method_bit(method))
    }

    /// What `{version}` in the template stands for; empty where it has none.
    /// `api/v1` is two segments of a path.
    pub const fn versions(&self) -> &'static [&'static str] {
        self.versions
    }

    /// Whether the same path with a `/` at its end is the same operation.
    pub const fn has_optional_slash(&self) -> bool {
        self.has_optional_slash
    }

    pub(super) const fn has_method(&self, bit: u8) -> bool {
        self.methods & bit != 0
    }

    /// Whether requests that have this segment of the template in common belong
    /// on the same worker.
    pub(super) fn is_key(&self, segment: &str) -> bool {
        match self.affinity {
            Affinity::Room => matches!(segment, "{roomId}" | "{roomIdOrAlias}"),
            Affinity::Media => segment == "{mediaId}",
            Affinity::None | Affinity::User | Affinity::Origin | Affinity::Target => false,
        }
    }

    pub(super) fn endpoint(&self, method: &Method, key_segment: Option<u8>) -> Endpoint {
        Endpoint {
            template: self.template,
            api: self.api,
            class: self.class,
            is_idempotent: method.is_idempotent()
                && *method != Method::TRACE
                && !self.is_single_use,
            carries_x_matrix: self.carries_x_matrix,
            is_mas_compat: self.is_mas_compat,
            group: self.group,
            affinity: self.affinity,
            key_segment,
            split: self.split,
            hold: self.hold,
        }
    }
}
