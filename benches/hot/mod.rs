//! What every request goes through, as functions over inputs as they come.
//!
//! `micro.rs` runs them against the clock, `instructions/` counts what they execute. A change of
//! their signatures is followed here and nowhere else.

mod endpoint;
mod head;
mod headers;
mod place;
mod record;
mod route;
mod rules;

/// One function with its input.
pub(crate) struct Hot {
    /// `group/case`, as results are called.
    pub(crate) name: &'static str,
    /// One call.
    pub(crate) call: Box<dyn FnMut()>,
}

impl Hot {
    fn new(name: &'static str, call: impl FnMut() + 'static) -> Self {
        Self {
            name,
            call: Box::new(call),
        }
    }
}

/// All of them, in the order of a request's life.
pub(crate) fn all() -> Vec<Hot> {
    let groups = [
        head::all(),
        endpoint::all(),
        route::all(),
        rules::all(),
        place::all(),
        headers::all(),
        record::all(),
    ];
    groups.into_iter().flatten().collect()
}
