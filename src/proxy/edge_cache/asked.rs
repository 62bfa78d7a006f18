//! Which requests may be answered from memory.

use std::time::Instant;

use http::Method;

use super::super::context::RequestContext;
use super::Kind;
use crate::listen::Downstream;
use crate::matrix::endpoint::{Class, Endpoint};
use crate::message::RequestHead;
use crate::policy::wants_new;
use crate::route::host;

/// Fields that make a request one of its own.
const OF_ITS_OWN: [&str; 8] = [
    "authorization",
    "cookie",
    "range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "if-range",
];

/// Bytes of a target; key ids have about ten.
const LONGEST_TARGET: usize = 256;

/// A request for a document that everybody gets alike.
pub(super) struct Asked {
    /// The homeserver's number, so that nothing is of another that had its place before, host and
    /// target: `7 example.org/_matrix/client/versions`.
    pub key: Vec<u8>,
    pub kind: Kind,
    /// The endpoint, for metrics.
    pub template: &'static str,
    /// Whether what is in memory is good enough only where there is nothing else.
    pub wants_new: bool,
    /// When it came: what another request brings after that is new to it.
    pub came: Instant,
}

/// Whether the endpoint is one of a cached document. Few classes have any, so this is quick.
pub(in crate::proxy) fn concerns(ctx: &RequestContext) -> bool {
    ctx.identity.as_ref().is_some_and(|identity| {
        let endpoint = &identity.endpoint;
        let has_any = matches!(
            endpoint.class,
            Class::KeyOwn | Class::FedMeta | Class::ClientMeta
        );
        has_any && kind(endpoint).is_some()
    })
}

fn kind(endpoint: &Endpoint) -> Option<Kind> {
    match endpoint.template {
        "/_matrix/key/v2/server" | "/_matrix/key/v2/server/{keyId}" => Some(Kind::Keys),
        "/_matrix/federation/v1/version"
        | "/_matrix/client/versions"
        | "/_matrix/client/v1/auth_metadata"
        | "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata" => Some(Kind::Other),
        _ => None,
    }
}

impl Asked {
    /// `None` where the request has to go up: it is for something else, shows who it is from (a
    /// token in the query included), or wants a part or a comparison.
    pub(super) fn new(
        head: &RequestHead,
        downstream: &Downstream,
        ctx: &RequestContext,
    ) -> Option<Self> {
        let identity = ctx.identity.as_ref().filter(|i| i.route.is_none())?;
        let site = identity.site.as_ref().filter(|site| site.edge_cache)?;
        let kind = kind(&identity.endpoint)?;
        let is_plain = matches!(head.method, Method::GET | Method::HEAD)
            && downstream.is_body_over()
            && !head.target.contains(&b'?')
            && head.target.len() <= LONGEST_TARGET
            && !OF_ITS_OWN.iter().any(|name| head.fields.contains(name));
        let host = match head.fields.first("host") {
            Some(host) => host::normalized(str::from_utf8(host).ok()?),
            None => (&*site.server_host).into(),
        };
        // Others may be made up without end.
        let homeserver = ctx.snapshot.homeserver(site.homeserver)?;
        let number = homeserver.main().number().to_string();
        let is_known = site.hosts.iter().any(|known| **known == *host);
        (is_plain && is_known).then(|| Self {
            key: [number.as_bytes(), b" ", host.as_bytes(), &head.target].concat(),
            kind,
            template: identity.endpoint.template,
            wants_new: wants_new(&head.fields),
            came: ctx.started,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::endpoint::classify;

    #[test]
    fn six_documents_are_kept() {
        for (path, expected) in [
            ("/_matrix/key/v2/server", Some(Kind::Keys)),
            ("/_matrix/key/v2/server/ed25519:a", Some(Kind::Keys)),
            ("/_matrix/key/v2/query/example.org", None),
            ("/_matrix/federation/v1/version", Some(Kind::Other)),
            ("/_matrix/client/versions", Some(Kind::Other)),
            ("/_matrix/client/v1/auth_metadata", Some(Kind::Other)),
            (
                "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata",
                Some(Kind::Other),
            ),
            ("/_matrix/client/v3/capabilities", None),
            ("/_matrix/client/v3/sync", None),
            ("/_matrix/client/versions/x", None),
        ] {
            let endpoint = classify(&Method::GET, path.as_bytes());
            assert_eq!(kind(&endpoint), expected, "{path}");
            assert_eq!(
                kind(&classify(&Method::POST, path.as_bytes())),
                None,
                "{path}"
            );
        }
    }
}
