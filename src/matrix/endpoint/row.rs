//! One row of the endpoint table.

use super::{Api, Class, Endpoint};
use http::Method;

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
pub struct Row {
    methods: u8,
    versions: &'static [&'static str],
    template: &'static str,
    api: Api,
    class: Class,
    has_optional_slash: bool,
    is_single_use: bool,
    carries_x_matrix: bool,
}

impl Row {
    /// A row whose `{version}` segment stands for each of `versions`.
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

    pub(super) fn endpoint(&self, method: &Method) -> Endpoint {
        Endpoint {
            template: self.template,
            api: self.api,
            class: self.class,
            is_idempotent: method.is_idempotent()
                && *method != Method::TRACE
                && !self.is_single_use,
            carries_x_matrix: self.carries_x_matrix,
        }
    }
}
