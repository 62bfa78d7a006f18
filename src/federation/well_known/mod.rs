//! `/.well-known/matrix/server`: fetched as Synapse fetches it, and judged.

pub(super) mod body;
pub(super) mod cache;
mod fetch;
mod judge;

pub(super) use fetch::{Fetched, ORIGIN, Wanted, cors_origins, fetch};
pub(super) use judge::{Outcome, judge};

/// The path of the document.
pub(super) const PATH: &str = "/.well-known/matrix/server";
