//! Which server says to send a federation request, and by which signature.
//!
//! `Authorization: X-Matrix` is read leniently by homeservers, and by each in its own way. What is
//! read here is the part that means the same to all of them; the rest is [`Credentials::Ambiguous`],
//! so that nobody passes a rule under one name here and acts under another one there.

mod parameters;

#[cfg(test)]
mod readers;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use super::ServerName;

/// What the `Authorization` headers of a request say of who sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// None of them has an `X-Matrix` in it.
    #[default]
    None,
    /// One header, with one meaning for everybody who takes it at all.
    Clear(Box<XMatrix>),
    /// Headers in which two readers might find two senders, or one of them a sender and the other
    /// none.
    Ambiguous,
}

impl Credentials {
    /// Who says to send the request, where that is clear.
    pub fn claimed_origin(&self) -> Option<&ClaimedOrigin> {
        match self {
            Self::Clear(x_matrix) => Some(&x_matrix.origin),
            Self::None | Self::Ambiguous => None,
        }
    }
}

/// Who says to send a request. Nobody has verified the claim: it is good for keeping the requests
/// of a server together and for refusing who is not wanted, and for nothing that a stranger must
/// not choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedOrigin {
    name: ServerName,
    sent: Box<str>,
}

impl ClaimedOrigin {
    /// The name, in lower case.
    pub fn as_str(&self) -> &str {
        self.name.as_str()
    }

    /// The name.
    pub fn server_name(&self) -> &ServerName {
        &self.name
    }

    /// The name as it was sent, which is how it was signed, and how keys are asked for: server
    /// names differ by case (appendices, "Server Name").
    pub fn as_sent(&self) -> &str {
        &self.sent
    }
}

/// An `Authorization: X-Matrix` header with one meaning (server-server API, "Request
/// Authentication"). Nobody has verified what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XMatrix {
    origin: ClaimedOrigin,
    destination: Option<Box<str>>,
    key_id: Box<str>,
    signature: [u8; 64],
}

impl XMatrix {
    /// Who says to send the request.
    pub fn origin(&self) -> &ClaimedOrigin {
        &self.origin
    }

    /// Whom it is meant for, as sent: a valid server name. Older servers do not say.
    pub fn destination(&self) -> Option<&str> {
        self.destination.as_deref()
    }

    /// The key that signed it: `ed25519:` and its version, 255 bytes at most.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The signature.
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }
}

/// Reads the values of all `Authorization` headers of a request.
///
/// Several headers of which one has an `X-Matrix` in it are ambiguous, also where the others are
/// of another scheme: Synapse takes the last `X-Matrix`, others the first, and whoever joins the
/// values with commas, as RFC 9110 (5.3) lets everybody, may find parameters in what follows.
pub fn credentials<'r>(authorization: impl IntoIterator<Item = &'r [u8]>) -> Credentials {
    let mut headers = authorization.into_iter();
    let Some(first) = headers.next() else {
        return Credentials::None;
    };
    let mut is_ours = has_x_matrix(first);
    let mut is_alone = true;
    for header in headers {
        is_alone = false;
        is_ours |= has_x_matrix(header);
    }
    if !is_ours {
        return Credentials::None;
    }
    let clear = is_alone.then(|| parameters::read(first)).flatten();
    clear.map_or(Credentials::Ambiguous, |clear| {
        Credentials::Clear(Box::new(clear))
    })
}

/// Whether any reader might find the scheme in a header: some do not look at the case, and some
/// look behind another scheme.
fn has_x_matrix(header: &[u8]) -> bool {
    let scheme = b"X-Matrix";
    let mut places = header.windows(scheme.len());
    places.any(|place| place.eq_ignore_ascii_case(scheme))
}
