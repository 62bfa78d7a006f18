//! The rows, one line each, in files by API.
//!
//! `{name}` stands for one segment of any content, an empty one too; `*` at
//! the end for any number of segments. Order means nothing: see [`super::tree`].

mod admin;
mod client;
mod federation;
mod other;
mod rooms;

use super::row::Row;

/// Every row of every file.
pub(super) fn all() -> impl Iterator<Item = &'static Row> {
    [
        client::ROWS,
        rooms::ROWS,
        federation::ROWS,
        admin::ROWS,
        other::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// No `{version}` in the template.
const FIXED: &[&str] = &[];
/// The oldest endpoints, with `api/v1`.
const A: &[&str] = &["api/v1", "r0", "v3", "unstable"];
/// Most endpoints.
const R: &[&str] = &["r0", "v3", "unstable"];
/// Both releases, without `unstable`.
const S: &[&str] = &["r0", "v3"];
/// Endpoints that came after `r0`.
const V3: &[&str] = &["v3", "unstable"];
/// Endpoints of the first stable version that are also served unstable.
const V1: &[&str] = &["v1", "unstable"];
