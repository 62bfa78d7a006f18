//! The way down: what of an answer's head goes on.

use http::Method;

use super::context::RequestContext;
use crate::message::ResponseHead;
use crate::policy::response_headers;

/// The head that goes down in place of an upstream's.
pub(super) fn for_downstream(
    answer: &ResponseHead,
    method: &Method,
    ctx: &RequestContext,
) -> ResponseHead {
    let is_interim = answer.status.is_informational();
    let hsts = ctx.hsts().filter(|_| !is_interim);
    let site = ctx.identity.as_ref().and_then(|i| i.site.as_ref());
    let rewrite = site.map(|site| site.rewrite_308).unwrap_or_default();
    ResponseHead {
        status: rewrite.apply(answer.status, method),
        fields: response_headers::for_downstream(answer.status, &answer.fields, hsts),
    }
}
