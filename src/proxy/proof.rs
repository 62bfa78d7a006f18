//! Whether who says to send a federation request has proven to be the one.
//!
//! A signature covers the body. It is verified while the body passes, and the last piece of that
//! is held back until it has been: without it the homeserver has no request.

use bytes::Bytes;

use super::context::{Identity, RequestContext};
use super::failure::Problem;
use super::{Engine, origin};
use crate::keys::Asking;
use crate::matrix::signature::{SignedRequest, Verdict, Verification, VerifyKey, WhyUnknown};
use crate::matrix::{Credentials, XMatrix};
use crate::message::{RequestHead, syntax};
use crate::policy::{Refusal, Signatures};

/// A verification under way.
pub(super) struct Proving {
    verification: Verification,
    /// The last piece of the body that has come.
    held: Bytes,
}

impl Proving {
    /// Looks at a piece of the body, and gives out the one before it, which may go up.
    pub(super) fn pass(&mut self, piece: Bytes) -> Bytes {
        if piece.is_empty() {
            return piece;
        }
        self.verification.update(&piece);
        std::mem::replace(&mut self.held, piece)
    }
}

/// Whether the signature of a request is to be verified.
pub(super) fn concerns(ctx: &RequestContext) -> bool {
    let identity = ctx.identity.as_ref();
    ctx.snapshot.federation.signatures >= Signatures::Verify
        && identity.is_some_and(|i| i.site.is_some() && is_signed(i))
}

fn is_signed(identity: &Identity) -> bool {
    identity.endpoint.carries_x_matrix || identity.credentials != Credentials::None
}

/// Begins to verify the signature of a request that this [`concerns`]. What has no body is done
/// here, all else at its [`end`].
pub(super) async fn begin(
    engine: &Engine,
    head: &RequestHead,
    is_body_over: bool,
    ctx: &mut RequestContext,
) -> Result<(), Problem> {
    let Some(identity) = &ctx.identity else {
        return Ok(());
    };
    let Credentials::Clear(x_matrix) = &identity.credentials else {
        return settle(Proof::Unclear, ctx);
    };
    let Some(key) = key(engine, x_matrix, ctx).await else {
        return settle(Proof::NoKey, ctx);
    };
    let signed = SignedRequest {
        method: head.method.as_str(),
        target: &head.target,
        destination: destination(x_matrix, ctx),
    };
    let verification = Verification::begin(&signed, x_matrix, &key, most_kept(head, ctx));
    if is_body_over || !signed.has_content() {
        return settle(verification.finish().into(), ctx);
    }
    let held = Bytes::new();
    ctx.proving = Some(Box::new(Proving { verification, held }));
    Ok(())
}

/// To be called when the body is over. Gives out what of it was held back.
pub(super) fn end(ctx: &mut RequestContext) -> Result<Bytes, Problem> {
    let Some(proving) = ctx.proving.take() else {
        return Ok(Bytes::new());
    };
    let Proving { verification, held } = *proving;
    settle(verification.finish().into(), ctx)?;
    Ok(held)
}

/// Bytes of the body that are kept: none of one that is too large for that anyway.
fn most_kept(head: &RequestHead, ctx: &RequestContext) -> usize {
    let most = ctx.snapshot.federation.most_kept;
    let announced = head.fields.first("content-length").and_then(syntax::length);
    let is_too_large = announced.is_some_and(|length| length > most as u64);
    if is_too_large { 0 } else { most }
}

/// The key that is said to have signed the request.
async fn key(engine: &Engine, x_matrix: &XMatrix, ctx: &RequestContext) -> Option<VerifyKey> {
    let identity = ctx.identity.as_ref()?;
    let site = identity.site.as_ref()?;
    let asking = Asking {
        origin: x_matrix.origin(),
        key_id: x_matrix.key_id(),
        client: identity.client.ip(),
        site: &site.name,
        host: &site.server_host,
        homeserver: ctx.snapshot.homeserver(site.homeserver)?,
        pool: &engine.pool,
        deadlines: &ctx.snapshot.deadlines,
        settings: &ctx.snapshot.keys,
    };
    let keys = &engine.door.keys;
    if ctx.snapshot.federation.signatures == Signatures::Enforce {
        keys.look_up(&asking).await.ok()
    } else {
        keys.find(&asking, ctx.time)
    }
}

/// The server name of the homeserver, as it is signed. Ours is written in lower case, and the
/// homeserver knows it by one spelling: the one that others use.
fn destination<'a>(x_matrix: &'a XMatrix, ctx: &'a RequestContext) -> &'a str {
    let site = ctx.identity.as_ref().and_then(|i| i.site.as_ref());
    let ours = site.map_or("", |site| &*site.name);
    let sent = x_matrix.destination();
    sent.filter(|sent| sent.eq_ignore_ascii_case(ours))
        .unwrap_or(ours)
}

/// What came of a signature.
enum Proof {
    /// The verdict on it.
    Judged(Verdict),
    /// There is none that can be read in one way.
    Unclear,
    /// The key is not known.
    NoKey,
}

impl From<Verdict> for Proof {
    fn from(verdict: Verdict) -> Self {
        Self::Judged(verdict)
    }
}

impl Proof {
    /// The name in metrics and in the access log.
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Judged(Verdict::Verified(_)) => "verified",
            Self::Judged(Verdict::Wrong) => "wrong",
            Self::Judged(Verdict::Unknown(WhyUnknown::TooLarge)) => "too_large",
            Self::Judged(Verdict::Unknown(WhyUnknown::NotJson | WhyUnknown::Target)) => "malformed",
            Self::Unclear => "unclear",
            Self::NoKey => "no_key",
        }
    }
}

/// Notes what came of a signature, and refuses what must not pass.
fn settle(proof: Proof, ctx: &mut RequestContext) -> Result<(), Problem> {
    ctx.signature = Some(proof.as_str());
    match proof {
        Proof::Judged(Verdict::Verified(origin)) => {
            if let Some(identity) = &mut ctx.identity {
                identity.verified_origin = Some(origin);
            }
            origin::judge_verified(ctx)?;
        }
        Proof::Judged(Verdict::Wrong) => ctx.refuse(Refusal::WrongSignature)?,
        Proof::Judged(Verdict::Unknown(_)) | Proof::Unclear | Proof::NoKey => {
            if ctx.snapshot.federation.signatures == Signatures::Enforce {
                ctx.refuse(Refusal::Unproven)?;
            }
        }
    }
    Ok(())
}
