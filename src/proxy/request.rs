//! From a request head to what is done about it.

use std::sync::Arc;

use http::Method;

use super::context::{Forward, Identity, RequestContext};
use super::origin;
use super::place::Placing;
use super::reply::Reply;
use super::traffic;
use crate::listen::{self, ConnectionFacts};
use crate::matrix::budget::Budget;
use crate::matrix::endpoint::{Class, Endpoint};
use crate::matrix::{Credentials, credentials, endpoint, initial_sync, path};
use crate::message::{Protocol, RequestHead, syntax};
use crate::policy::{BodyCount, ClientAddress, KeyQuery, Refusal, Signatures, request_headers};
use crate::route::{self, Action, Bounds, Folder, Seen, host, redirect};
use crate::snapshot::RequestLimits;
use crate::telemetry::Name;

/// What is to be done with a request.
pub(super) enum Step {
    /// Send it upstream; `ctx.forward` says where.
    Forward,
    /// Answer it.
    Answer(Reply),
    /// Serve a file of the folder that the site's route at this path names.
    File(FileRequest),
    /// Refuse it.
    Refuse(Refusal),
}

/// A file of a route's folder.
pub(super) struct FileRequest {
    /// The folder.
    pub folder: Arc<Folder>,
    /// The path below it.
    pub path: Box<[u8]>,
}

/// Looks at the head: who asks, for what, of which site; fills the context and
/// says what is to be done.
pub(super) fn decide(
    head: &RequestHead,
    facts: &ConnectionFacts,
    ctx: &mut RequestContext,
) -> Step {
    let snapshot = ctx.snapshot.clone();
    let raw_path = path::path_of(&head.target);
    let client = ClientAddress::new(
        facts.ip(),
        facts.tls.is_some(),
        &head.fields,
        &snapshot.trusted_proxies,
    );
    let endpoint = endpoint::classify(&head.method, raw_path);
    let mut identity = Identity {
        client,
        site: None,
        credentials: credentials_of(head, &endpoint),
        verified_origin: None,
        endpoint,
        route: None,
    };
    let host_field = host_of(head);
    let Ok(permit) = facts.admit_request() else {
        ctx.identity = Some(identity);
        return Step::Refuse(Refusal::TooManyRequests);
    };
    ctx.permit = permit;
    // Over HTTP/1 the gate has checked the same on the raw bytes.
    if head.protocol == Protocol::Http2
        && let Err(refusal) = check_head(head, host_field, &snapshot.limits)
    {
        ctx.identity = Some(identity);
        return Step::Refuse(refusal);
    }
    let host = host::normalized(host_field.unwrap_or_default());
    // Before sites: addresses have certificates too, and belong to none.
    let challenges = snapshot.challenges.as_ref();
    if let Some(answer) = challenges.and_then(|known| known.over_http(&host, raw_path)) {
        ctx.identity = Some(identity);
        return Step::Answer(Reply::challenge(answer));
    }
    let seen = Seen {
        method: &head.method,
        path: raw_path,
        host: &host,
        sni: facts.sni.as_deref(),
        profile: facts.listener.profile,
        client: client.ip(),
    };
    let Some(site) = route::site(&snapshot.sites, &seen) else {
        ctx.identity = Some(identity);
        return Step::Refuse(Refusal::NotOurHost);
    };
    let seen = seen.at(site);
    identity.site = Some(site.clone());
    let action = route::action(site, &seen);
    if let Action::Upstream(_, mount) | Action::Folder(_, mount) = &action {
        identity.route = Some(Name::Configured(route_name(mount)));
    }
    let step = match origin::judge(&action, &identity, &facts.listener.name, ctx) {
        Ok(()) => act(&action, head, &seen, ctx, &identity),
        Err(refusal) => Step::Refuse(refusal),
    };
    ctx.identity = Some(identity);
    step
}

/// Turns the route's decision into a step.
fn act(
    action: &Action<'_>,
    head: &RequestHead,
    seen: &Seen<'_>,
    ctx: &mut RequestContext,
    identity: &Identity,
) -> Step {
    let target = &head.target;
    match *action {
        Action::Homeserver(bounds) => to_homeserver(head, ctx, identity, bounds),
        Action::Upstream(forwarding, mount) => {
            let Some(upstream) = ctx.snapshot.upstream(forwarding.upstream) else {
                return Step::Refuse(Refusal::NothingHere);
            };
            let mut forward = Forward::new(upstream, forwarding.bounds.read_timeout);
            if forwarding.strip_prefix {
                forward.strip = mount.len();
            }
            // No server opens one, and nobody would look at its signature.
            let is_signed = identity.credentials != Credentials::None;
            forward.websocket =
                forwarding.websocket && !is_signed && request_headers::asks_for_websocket(head);
            forward_with(head, ctx, forward, forwarding.bounds.max_body_size)
        }
        Action::Document(Some(document)) => Step::Answer(Reply::document(document, &head.fields)),
        Action::Document(None) => Step::Answer(Reply::no_document()),
        Action::Preflight => Step::Answer(Reply::preflight(seen.path)),
        Action::ToHttps => match redirect::to_https(seen.host, target, ctx.snapshot.https_port) {
            Some(location) => Step::Answer(Reply::redirect(location)),
            None => Step::Refuse(Refusal::BadTarget),
        },
        Action::Redirect(location) => Step::Answer(Reply::redirect(location.clone())),
        Action::Folder(folder, mount) => file(folder, mount, seen, head, identity),
        Action::Refuse(refusal) => Step::Refuse(refusal),
    }
}

fn to_homeserver(
    head: &RequestHead,
    ctx: &mut RequestContext,
    identity: &Identity,
    bounds: Option<Bounds>,
) -> Step {
    let (Some(site), class) = (&identity.site, identity.endpoint.class) else {
        return Step::Refuse(Refusal::NotOurHost);
    };
    if let Err(refusal) = check_credentials(identity, ctx) {
        return Step::Refuse(refusal);
    }
    if class == Class::KeyNotary && head.method == Method::POST {
        ctx.key_query = Some(KeyQuery::default());
    }
    let mas = site.mas.filter(|_| identity.endpoint.is_mas_compat);
    if let Some(mas) = mas.and_then(|mas| ctx.snapshot.upstream(mas)) {
        let forward = Forward::new(mas, class.response_timeout());
        return forward_with(head, ctx, forward, site.max_body_size);
    }
    let Some(homeserver) = ctx.snapshot.homeserver(site.homeserver) else {
        return Step::Refuse(Refusal::NothingHere);
    };
    let endpoint = &identity.endpoint;
    let query = path::query_of(&head.target);
    let group = initial_sync::group_of(endpoint, query);
    let of_endpoint = || Bounds {
        max_body_size: match class.body_limit() {
            endpoint::BodyLimit::Standard => site.max_body_size,
            endpoint::BodyLimit::Upload => site.max_upload_size,
        }
        .min(traffic::body_limit(ctx, site, Budget::of(class, group))),
        read_timeout: class.response_timeout(),
    };
    let bounds = bounds.unwrap_or_else(of_endpoint);
    let mut forward = Forward::new(homeserver.main().clone(), bounds.read_timeout);
    let hold = endpoint.hold.min(ctx.snapshot.holding.longest);
    forward.placing = Some(Placing::new(homeserver.clone(), group, hold));
    forward_with(head, ctx, forward, bounds.max_body_size)
}

/// Whether a server says to send what only servers may: if not, the homeserver would answer the
/// same, once it had read the body.
fn check_credentials(identity: &Identity, ctx: &mut RequestContext) -> Result<(), Refusal> {
    let is_signed = identity.endpoint.carries_x_matrix;
    let is_anybody = identity.credentials == Credentials::None;
    if is_signed && is_anybody && ctx.snapshot.federation.signatures > Signatures::Off {
        ctx.refuse(Refusal::NoCredentials)?;
    }
    Ok(())
}

/// What logs call a route: its path.
fn route_name(mount: &str) -> Arc<str> {
    if mount.is_empty() { "/" } else { mount }.into()
}

/// Checks the announced body and notes where the request goes.
fn forward_with(
    head: &RequestHead,
    ctx: &mut RequestContext,
    forward: Forward,
    body_limit: u64,
) -> Step {
    ctx.body = BodyCount::new(body_limit);
    let announced = head.fields.first("content-length").and_then(syntax::length);
    if let Err(refusal) = ctx.body.announced(announced.unwrap_or(0)) {
        return Step::Refuse(refusal);
    }
    ctx.forward = Some(forward);
    Step::Forward
}

fn file(
    folder: &Arc<Folder>,
    mount: &str,
    seen: &Seen<'_>,
    head: &RequestHead,
    identity: &Identity,
) -> Step {
    if !mount.is_empty() && seen.path == mount.as_bytes() {
        // Relative links in index.html need the slash.
        let authority = host_of(head).unwrap_or(seen.host);
        let is_https = identity.client.is_https();
        return match redirect::to_folder(is_https, authority, mount) {
            Some(location) => Step::Answer(Reply::redirect(location)),
            None => Step::Refuse(Refusal::BadTarget),
        };
    }
    let path = super::folder::below(seen.path, mount);
    if let Some(document) = super::folder::configured(folder, path) {
        return match *seen.method {
            Method::GET | Method::HEAD => Step::Answer(Reply::document(document, &head.fields)),
            _ => Step::Refuse(Refusal::MethodNotAllowed),
        };
    }
    Step::File(FileRequest {
        folder: Arc::clone(folder),
        path: path.into(),
    })
}

/// What the head gate checks on the raw bytes of HTTP/1, for HTTP/2.
fn check_head(
    head: &RequestHead,
    host: Option<&str>,
    limits: &RequestLimits,
) -> Result<(), Refusal> {
    listen::head::check_request(
        head.method.as_str().as_bytes(),
        &head.target,
        limits.target_size,
    )
    .map_err(refusal)?;
    if head.target.len() + head.fields.wire().len() > limits.head_size {
        return Err(Refusal::HeadTooLarge);
    }
    if head.fields.len() > limits.head_fields {
        return Err(Refusal::TooManyFields);
    }
    let mut lengths = head.fields.all("content-length");
    // Equal ones would go upstream as they came, and the next reader might add them up.
    if lengths.next().is_some_and(|l| syntax::length(l).is_none()) || lengths.next().is_some() {
        return Err(Refusal::BadHead);
    }
    let is_host = host.is_some_and(|host| listen::head::is_host(host.as_bytes()));
    if !is_host || head.fields.all("host").count() > 1 {
        return Err(Refusal::BadHost);
    }
    if !request_headers::expectation_is_known(&head.fields) {
        return Err(Refusal::BadExpectation);
    }
    Ok(())
}

/// What the gate found wrong with a method or a target.
fn refusal(found: listen::Refusal) -> Refusal {
    if found == listen::Refusal::TargetTooLong {
        Refusal::TargetTooLong
    } else if found == listen::Refusal::Target {
        Refusal::BadTarget
    } else if found == listen::Refusal::RefusedMethod {
        Refusal::RefusedMethod
    } else {
        Refusal::UnknownMethod
    }
}

/// Who says to send a federation request.
fn credentials_of(head: &RequestHead, endpoint: &Endpoint) -> Credentials {
    // What the table does not know may be an operation that a new homeserver does.
    if !endpoint.carries_x_matrix && endpoint.class != Class::FedUnknown {
        return Credentials::None;
    }
    credentials(head.fields.all("authorization"))
}

/// What the client calls us; what is no text is no host.
fn host_of(head: &RequestHead) -> Option<&str> {
    let host = head.fields.first("host")?;
    Some(str::from_utf8(host).unwrap_or("\u{0}"))
}

/// Makes request ids: 32 hexadecimal digits, half of them chosen at start.
pub(super) fn request_id(start: u64, count: u64) -> String {
    format!("{start:016x}{count:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Fields;

    #[test]
    fn methods_targets_and_hosts_are_judged_as_over_http1() {
        let limits = RequestLimits {
            target_size: 10,
            head_size: 100,
            head_fields: 1,
        };
        for (method, target, host, found) in [
            ("GET", "/a%2Fb?c", "a.test:8448", Ok(())),
            ("TRACE", "/", "a.test", Err(Refusal::RefusedMethod)),
            ("BREW", "/", "a.test", Err(Refusal::UnknownMethod)),
            ("GET", "*", "a.test", Err(Refusal::BadTarget)),
            ("GET", "/0123456789", "a.test", Err(Refusal::TargetTooLong)),
            ("GET", "/", "a.test:", Err(Refusal::BadHost)),
            ("GET", "/", "a@b", Err(Refusal::BadHost)),
        ] {
            let head = RequestHead {
                method: Method::from_bytes(method.as_bytes()).unwrap(),
                target: target.into(),
                protocol: Protocol::Http2,
                fields: Fields::default(),
            };
            assert_eq!(
                check_head(&head, Some(host), &limits),
                found,
                "{method} {target} {host}"
            );
        }
    }
}
