//! What keeps a request on the same worker as others of its kind.

use std::borrow::Cow;

use super::Engine;
use super::context::{Identity, RequestContext};
use super::place::placing;
use crate::matrix::affinity::{Key, key_of_target};
use crate::matrix::worker::Affinity;
use crate::matrix::{access_token, native_localpart, path};
use crate::message::RequestHead;
use crate::upstream::Bearer;

/// What a request says of itself.
pub(super) enum Said<'r> {
    /// The key, or that there is none.
    Key(Option<Key>),
    /// A token, whose user is to be asked for.
    Token(Cow<'r, [u8]>),
}

/// The key of a request.
pub(super) async fn key(engine: &Engine, head: &RequestHead, ctx: &RequestContext) -> Option<Key> {
    let identity = ctx.identity.as_ref()?;
    match said(identity, head) {
        Said::Key(key) => key,
        Said::Token(token) => {
            let homeserver = &ctx.forward.as_ref()?.placing.as_ref()?.homeserver;
            let bearer = Bearer {
                host: &identity.site.as_ref()?.server_host,
                token: &token,
                client: identity.client.ip(),
                user_agent: head.fields.first("user-agent"),
            };
            let deadlines = &ctx.snapshot.deadlines;
            let users = &engine.door.users;
            let asked = users.user_of(&engine.pool, homeserver.main(), deadlines, &bearer);
            // Boxed: a request whose user is known has no room for this.
            let user = Box::pin(asked).await;
            Some(user.unwrap_or_else(|| Key::token(&token)))
        }
    }
}

/// What stands for the user who sends a request, as far as it is known without asking anybody;
/// for the access token where that does not tell.
pub(super) fn sender(head: &RequestHead, ctx: &RequestContext) -> Option<Key> {
    let identity = ctx.identity.as_ref()?;
    if identity.endpoint.affinity == Affinity::User
        && let Some(key) = placing(ctx).and_then(|placing| placing.key)
    {
        return Some(key);
    }
    let query = path::query_of(&head.target);
    let token = access_token(head.fields.all("authorization"), query)?;
    let user = native_localpart(&token).map(|localpart| Key::user(&localpart));
    Some(user.unwrap_or_else(|| Key::token(&token)))
}

/// What the request says of itself.
pub(super) fn said<'r>(identity: &Identity, head: &'r RequestHead) -> Said<'r> {
    let endpoint = &identity.endpoint;
    if endpoint.affinity == Affinity::Origin {
        return Said::Key(identity.caller().name().map(Key::origin));
    }
    if endpoint.affinity != Affinity::User {
        return Said::Key(key_of_target(endpoint, &head.target));
    }
    let query = path::query_of(&head.target);
    let Some(token) = access_token(head.fields.all("authorization"), query) else {
        return Said::Key(None);
    };
    match native_localpart(&token) {
        Some(localpart) => Said::Key(Some(Key::user(&localpart))),
        None => Said::Token(token),
    }
}
