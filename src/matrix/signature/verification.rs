//! Whether a request is signed by the server that says to send it.

use ed25519_dalek::StreamVerifier;

use super::{VerifiedOrigin, VerifyKey};
use crate::matrix::canonical_json::{
    CanonicalCheck, NotCanonicalisable, canonicalised, write_string,
};
use crate::matrix::{ServerName, XMatrix};

/// What is signed of a request beside its body.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    /// The method, as the homeserver gets it.
    pub method: &'a str,
    /// Path and query, byte for byte as the homeserver gets them.
    pub target: &'a [u8],
    /// The server name of the homeserver, as it is written there.
    pub destination: &'a str,
}

/// What has been found out of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This server has signed the request.
    Verified(VerifiedOrigin),
    /// The homeserver would answer 401: the signature is not one of this request by this key, or the request is meant
    /// for another server.
    Wrong,
    /// It cannot be said here.
    Unknown(WhyUnknown),
}

/// Why nothing can be said of a signature. Nothing of it is the signature's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyUnknown {
    /// The body is not in canonical JSON, and larger than what is kept to be written anew.
    TooLarge,
    /// The body is no JSON object that the homeserver reads and writes, which it says itself; or one that is deeper
    /// than is looked at here.
    NotJson,
    /// The target is not ASCII, which the homeserver does not read.
    Target,
}

/// The verification of one signature, to which the body is shown while it passes.
///
/// It answers as Synapse does, with its parser, its encoder of canonical JSON and libsodium: see
/// `synapse/federation/transport/server/_base.py` and `verify_signed_json` of signedjson. A body in canonical JSON costs
/// no memory beyond that of its names; up to a limit each body is kept nevertheless until its end, where it can turn out
/// to be written otherwise.
pub struct Verification {
    progress: Progress,
    origin: ServerName,
}

enum Progress {
    /// The head suffices for a verdict other than that it is verified.
    Decided(Verdict),
    Bodiless(Box<StreamVerifier>),
    Body(Box<Body>),
}

struct Body {
    key: VerifyKey,
    signature: [u8; 64],
    /// What follows the body in what is signed.
    end: String,
    /// Has hashed what came as it is; `None` once that is not canonical JSON.
    canonical: Option<(CanonicalCheck, StreamVerifier)>,
    /// All that came, while it is within the limit.
    kept: Option<Vec<u8>>,
    limit: usize,
}

const BEGINNING: &str = "{\"content\":";

impl SignedRequest<'_> {
    /// Whether the body is signed; otherwise nothing depends on it.
    pub fn has_content(&self) -> bool {
        matches!(self.method, "PUT" | "POST")
    }
}

impl Verification {
    /// Begins to verify. Of the body, `slow_path_limit` bytes are kept at most.
    pub fn begin(
        request: &SignedRequest<'_>,
        x_matrix: &XMatrix,
        key: &VerifyKey,
        slow_path_limit: usize,
    ) -> Self {
        Self {
            progress: Progress::begin(request, x_matrix, key, slow_path_limit),
            origin: x_matrix.origin().server_name().clone(),
        }
    }

    /// Looks at the next piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        if let Progress::Body(body) = &mut self.progress {
            body.update(piece);
        }
    }

    /// What has been found out, when the body is over.
    pub fn finish(self) -> Verdict {
        let is_right = match self.progress {
            Progress::Decided(verdict) => return verdict,
            Progress::Bodiless(stream) => stream.finalize_and_verify().is_ok(),
            Progress::Body(body) => match body.finish() {
                Ok(is_right) => is_right,
                Err(why) => return Verdict::Unknown(why),
            },
        };
        if is_right {
            Verdict::Verified(VerifiedOrigin(self.origin))
        } else {
            Verdict::Wrong
        }
    }
}

impl Progress {
    fn begin(
        request: &SignedRequest<'_>,
        x_matrix: &XMatrix,
        key: &VerifyKey,
        limit: usize,
    ) -> Self {
        let SignedRequest {
            method,
            target,
            destination,
        } = *request;
        let Some(uri) = str::from_utf8(target).ok().filter(|uri| uri.is_ascii()) else {
            return Self::Decided(Verdict::Unknown(WhyUnknown::Target));
        };
        let is_for_another = x_matrix
            .destination()
            .is_some_and(|other| other != destination);
        let signature = *x_matrix.signature();
        let Some(mut stream) = key.stream(&signature).filter(|_| !is_for_another) else {
            return Self::Decided(Verdict::Wrong);
        };
        let mut end = String::new();
        for (name, value) in [
            ("\"destination\":", destination),
            (",\"method\":", method),
            (",\"origin\":", x_matrix.origin().as_sent()),
            (",\"uri\":", uri),
        ] {
            end.push_str(name);
            write_string(value, &mut end);
        }
        end.push('}');
        if !request.has_content() {
            stream.update("{");
            stream.update(end);
            return Self::Bodiless(Box::new(stream));
        }
        stream.update(BEGINNING);
        Self::Body(Box::new(Body {
            key: key.clone(),
            signature,
            end,
            canonical: Some((CanonicalCheck::default(), stream)),
            kept: Some(Vec::new()),
            limit,
        }))
    }
}

impl Body {
    fn update(&mut self, piece: &[u8]) {
        if let Some((check, stream)) = &mut self.canonical {
            if check.accepts(piece) {
                stream.update(piece);
            } else {
                self.canonical = None;
            }
        }
        if let Some(kept) = &mut self.kept {
            if kept.len() + piece.len() <= self.limit {
                kept.extend_from_slice(piece);
            } else {
                self.kept = None;
            }
        }
    }

    /// Whether the signature is right, if that can be said.
    fn finish(self) -> Result<bool, WhyUnknown> {
        if let Some((check, mut stream)) = self.canonical
            && check.is_complete()
        {
            stream.update(",");
            stream.update(self.end);
            return Ok(stream.finalize_and_verify().is_ok());
        }
        let kept = self.kept.ok_or(WhyUnknown::TooLarge)?;
        let content = canonicalised(&kept).map_err(|why| match why {
            NotCanonicalisable::NotJson
            | NotCanonicalisable::TooDeep
            | NotCanonicalisable::Unwritable => WhyUnknown::NotJson,
        })?;
        if !content.starts_with('{') {
            return Err(WhyUnknown::NotJson);
        }
        let message = [BEGINNING, &content, ",", &self.end].concat();
        Ok(self.key.verifies(message.as_bytes(), &self.signature))
    }
}
