//! Whether who says to send a federation request has proven to be the one.

use super::Engine;
use super::context::RequestContext;
use super::failure::Problem;
use crate::matrix::Credentials;
use crate::policy::{Refusal, Signatures};

/// What came of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// There is none that can be read in one way.
    Unclear,
    /// The key is not known.
    NoKey,
}

impl Proof {
    /// The name in metrics.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Unclear => "unclear",
            Self::NoKey => "no_key",
        }
    }
}

/// Begins to verify the signature of a request, as far as the configuration wants that. What has
/// no body is done here, all else as its body comes.
pub(super) fn begin(engine: &Engine, ctx: &mut RequestContext) -> Result<(), Problem> {
    let Some(identity) = &ctx.identity else {
        return Ok(());
    };
    let signatures = ctx.snapshot.federation.signatures;
    let is_signed = identity.endpoint.carries_x_matrix || identity.credentials != Credentials::None;
    if signatures < Signatures::Verify || !is_signed {
        return Ok(());
    }
    let proof = match &identity.credentials {
        Credentials::Clear(_) => Proof::NoKey,
        Credentials::Ambiguous | Credentials::None => Proof::Unclear,
    };
    settle(engine, proof, ctx)
}

/// Counts what came of a signature, and refuses what must not pass.
fn settle(engine: &Engine, proof: Proof, ctx: &mut RequestContext) -> Result<(), Problem> {
    engine.door.telemetry.signature(proof.as_str());
    if ctx.snapshot.federation.signatures == Signatures::Enforce {
        ctx.refuse(Refusal::Unproven)?;
    }
    Ok(())
}
