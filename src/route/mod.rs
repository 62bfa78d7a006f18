//! From (site, method, raw path) to what happens: pure functions over data.
//!
//! Everything here looks at the raw bytes of the target and splits them on raw
//! `/` only. What goes upstream is never made here: it is the target as it came.

pub mod host;
pub mod redirect;
mod site;

use std::net::IpAddr;
use std::sync::Arc;

use http::Method;

use crate::matrix::Profile;
use crate::matrix::path::{has_prefix, is_below, is_literal};
use crate::matrix::well_known;
use crate::policy::Refusal;

pub use site::{
    Bounds, Document, Documents, Folder, Forwarding, HomeserverId, Route, Site, Sites, Target,
    UpstreamId, WellKnown,
};

/// What always goes to the homeserver, and nothing else does by default:
/// `/_synapse/admin`, `/_synapse/mas`, metrics and replication stay hidden.
const HOMESERVER_PATHS: [&str; 2] = ["/_matrix", "/_synapse/client"];

const WELL_KNOWN: &str = "/.well-known/matrix";

/// What is known of a request when it is routed.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The method.
    pub method: &'a Method,
    /// The raw path, without query.
    pub path: &'a [u8],
    /// The `Host`, normalized; empty when there was none.
    pub host: &'a str,
    /// The name asked for in the TLS handshake, normalized.
    pub sni: Option<&'a str>,
    /// What the listener is for.
    pub profile: Profile,
    /// Who asks.
    pub client: IpAddr,
}

impl<'a> Seen<'a> {
    /// The same request for `site`: where it named no host, it means the one of
    /// the server name.
    #[must_use]
    pub fn at(self, site: &'a Site) -> Self {
        let host = match self.host {
            "" => &site.server_host,
            host => host,
        };
        Self { host, ..self }
    }
}

/// What is to be done with a request.
#[derive(Debug)]
pub enum Action<'a> {
    /// Pass it to the site's homeserver, within the bounds of a route where one
    /// opened it, else of the endpoint.
    Homeserver(Option<Bounds>),
    /// Pass it to the upstream of a route whose path is given.
    Upstream(&'a Forwarding, &'a str),
    /// Answer with a well-known document; `None` is a 404.
    Document(Option<&'a Document>),
    /// Answer a preflight.
    Preflight,
    /// Redirect to HTTPS, same host and target.
    ToHttps,
    /// Redirect to a configured URL.
    Redirect(&'a http::HeaderValue),
    /// Serve a file of a folder that is mounted at the path given.
    Folder(&'a Arc<Folder>, &'a str),
    /// Refuse it.
    Refuse(Refusal),
}

/// The site of a request.
///
/// `Host` decides, unless the TLS handshake asked for another site; a listener
/// for federation does not mind that, and goes by SNI where `Host` is another
/// of a server's names. A federation request that names nobody goes to the
/// only site there is: refusing it would make its sender back off.
pub fn site<'a>(sites: &'a Sites, seen: &Seen<'_>) -> Option<&'a Arc<Site>> {
    if let Some(site) = sites.by_host(seen.host) {
        let asked_for = seen.sni.and_then(|sni| sites.by_host(sni));
        let is_same = asked_for.is_none_or(|other| Arc::ptr_eq(other, site));
        // Else another site's certificate vouches for the connection (RFC 9110, 7.4).
        return (is_same || seen.profile == Profile::Federation).then_some(site);
    }
    if seen.host.is_empty() {
        // HTTP/1.0 knows no `Host`.
        return sites.only();
    }
    if seen.profile == Profile::Federation {
        let by_sni = seen.sni.and_then(|sni| sites.by_host(sni));
        return by_sni.or_else(|| sites.only());
    }
    if seen.profile != Profile::Redirect && Profile::is_server_api(seen.path) {
        return sites.only();
    }
    None
}

/// What happens to a request for `site`.
pub fn action<'a>(site: &'a Site, seen: &Seen<'_>) -> Action<'a> {
    if let Some(action) = document(site, seen) {
        return action;
    }
    if seen.profile == Profile::Redirect {
        return redirect_listener(seen);
    }
    if *seen.method == Method::OPTIONS && has_prefix(seen.path, "/_matrix") {
        return Action::Preflight;
    }
    if !seen.profile.serves(seen.path) {
        return Action::Refuse(Refusal::NothingHere);
    }
    let builtin = HOMESERVER_PATHS
        .into_iter()
        .find(|prefix| has_prefix(seen.path, prefix));
    let route = site
        .routes
        .iter()
        .find(|route| route.matches(seen.host, seen.path));
    match (builtin, route) {
        (Some(prefix), Some(route)) if route.path.len() < prefix.len() => {
            within(site, seen, prefix, Action::Homeserver(None))
        }
        (_, Some(route)) if !route.admits(seen.client) => Action::Refuse(Refusal::NothingHere),
        (_, Some(route)) => within(site, seen, &route.path, route_action(route)),
        (Some(prefix), None) => within(site, seen, prefix, Action::Homeserver(None)),
        (None, None) => Action::Refuse(Refusal::NothingHere),
    }
}

/// The action, unless some reading of the path leads out of the prefix that
/// allowed it, or into a part of it that is for some networks only.
fn within<'a>(site: &Site, seen: &Seen<'_>, prefix: &str, action: Action<'a>) -> Action<'a> {
    let holds_restricted = || {
        let is_inside = |route: &Route| {
            route.networks.is_some()
                && route.path.len() > prefix.len()
                && has_prefix(route.path.as_bytes(), prefix)
        };
        site.routes.iter().any(is_inside)
    };
    let stays = is_below(seen.path, prefix) && (is_literal(seen.path) || !holds_restricted());
    if stays {
        action
    } else {
        Action::Refuse(Refusal::EscapesPrefix)
    }
}

fn route_action(route: &Route) -> Action<'_> {
    match &route.target {
        Target::Homeserver(bounds) => Action::Homeserver(Some(*bounds)),
        Target::Upstream(forwarding) => Action::Upstream(forwarding, &route.path),
        Target::Redirect(location) => Action::Redirect(location),
        Target::Folder(folder) => Action::Folder(folder, &route.path),
    }
}

/// Exact paths only: `/.well-known/matrix/serverx` is nobody's.
fn document<'a>(site: &'a Site, seen: &Seen<'_>) -> Option<Action<'a>> {
    if !has_prefix(seen.path, WELL_KNOWN) {
        return None;
    }
    let name = well_known::Document::at(seen.path);
    let WellKnown::Documents(documents) = &site.well_known else {
        return Some(match name {
            Some(_) => Action::Homeserver(None),
            None => Action::Refuse(Refusal::NothingHere),
        });
    };
    let is_server_host = seen.host == &*site.server_host;
    // Only the client document is looked up on other hosts than the server name's.
    let document = match name {
        Some(well_known::Document::Client) => &documents.client,
        Some(_) if !is_server_host => &None,
        Some(well_known::Document::Server) => &documents.server,
        Some(well_known::Document::Support) => &documents.support,
        Some(well_known::Document::PolicyServer) => &documents.policy_server,
        None => &None,
    };
    Some(match *seen.method {
        Method::GET | Method::HEAD => Action::Document(document.as_ref()),
        Method::OPTIONS => Action::Preflight,
        _ => Action::Refuse(Refusal::MethodNotAllowed),
    })
}

/// Plain HTTP: nothing of Matrix is redirected, since a client would send its
/// token in the clear each time and never notice.
fn redirect_listener<'a>(seen: &Seen<'_>) -> Action<'a> {
    let is_matrix = has_prefix(seen.path, "/_matrix") || has_prefix(seen.path, "/_synapse");
    if is_matrix {
        Action::Refuse(Refusal::PlainHttp)
    } else if !seen.path.starts_with(b"/") {
        // `OPTIONS *` asks about this server and no page.
        Action::Refuse(Refusal::NothingHere)
    } else {
        Action::ToHttps
    }
}

#[cfg(test)]
mod tests;
