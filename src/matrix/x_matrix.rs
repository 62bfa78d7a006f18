//! Which server a federation request says that it comes from.

use base64::Engine as _;

use super::ServerName;
use super::unpadded_base64::BASE64;

/// What the `Authorization` headers of a request say of who sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// No header of the scheme `X-Matrix`.
    #[default]
    None,
    /// One header, with one meaning for everybody who reads it.
    Clear(Box<XMatrix>),
    /// Headers in which two readers might find two senders, or none.
    Ambiguous,
}

/// An `Authorization: X-Matrix` header with one meaning. Nobody has verified what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XMatrix {
    origin: ClaimedOrigin,
    destination: Option<Box<str>>,
    key_id: Box<str>,
    signature: [u8; 64],
}

/// Who says to send a request. Nobody has verified the claim: it is good for keeping the requests
/// of a server together and for refusing who is not wanted, and for nothing that a stranger must
/// not choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedOrigin {
    name: ServerName,
    sent: Box<str>,
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

impl XMatrix {
    /// Who says to send the request.
    pub fn origin(&self) -> &ClaimedOrigin {
        &self.origin
    }

    /// Whom it is meant for, as sent; older servers do not say.
    pub fn destination(&self) -> Option<&str> {
        self.destination.as_deref()
    }

    /// The key that signed it, `ed25519:` and its version.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The signature.
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }
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

/// Reads the values of all `Authorization` headers of a request.
///
/// Synapse reads leniently, and where a header or a name comes twice the last
/// one counts (`authenticate_request` and `_parse_auth_header` of
/// `synapse/federation/transport/server/_base.py`). What is clear is a part
/// of that which has one meaning for everybody: `X-Matrix` and spaces, pairs
/// `name=value` with a comma and optional white space between them, values with
/// both quotes or none, nothing escaped, no name twice, one such header.
pub fn credentials<'r>(authorization: impl IntoIterator<Item = &'r [u8]>) -> Credentials {
    let headers = authorization.into_iter();
    let mut ours = headers.filter_map(|h| h.strip_prefix(b"X-Matrix"));
    let Some(parameters) = ours.next() else {
        return Credentials::None;
    };
    match x_matrix(parameters) {
        Some(x_matrix) if ours.next().is_none() => Credentials::Clear(Box::new(x_matrix)),
        _ => Credentials::Ambiguous,
    }
}

/// What follows the scheme.
fn x_matrix(parameters: &[u8]) -> Option<XMatrix> {
    let parameters = str::from_utf8(parameters).ok()?.strip_prefix(' ')?;
    let (mut origin, mut destination, mut key_id, mut signature) = (None, None, None, None);
    for pair in parameters.trim_start_matches(' ').split(',') {
        let (name, value) = pair.trim_matches([' ', '\t']).split_once('=')?;
        let value = unquoted(value)?;
        let is_token = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let name = name.to_ascii_lowercase();
        let known = match name.as_str() {
            "origin" => &mut origin,
            "destination" => &mut destination,
            "key" => &mut key_id,
            "sig" => &mut signature,
            _ if is_token => continue,
            _ => return None,
        };
        if known.replace(value).is_some() {
            return None;
        }
    }
    let sent = origin?;
    Some(XMatrix {
        origin: ClaimedOrigin {
            name: sent.parse().ok()?,
            sent: sent.into(),
        },
        destination: destination.map(Box::from),
        key_id: key_id?.into(),
        signature: BASE64.decode(signature?).ok()?.try_into().ok()?,
    })
}

/// A value without its quotes.
fn unquoted(value: &str) -> Option<&str> {
    let inner = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => value,
    };
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\');
    inner.bytes().all(is_plain).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 64 bytes of zero.
    const SIGNATURE: &str =
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    /// Reads headers in which `SIG` stands for a signature.
    fn read(headers: &[&str]) -> Credentials {
        let headers: Vec<String> = headers
            .iter()
            .map(|h| h.replace("SIG", SIGNATURE))
            .collect();
        credentials(headers.iter().map(|h| h.as_bytes()))
    }

    fn origin_of(headers: &[&str]) -> Option<String> {
        Some(read(headers).claimed_origin()?.as_str().to_owned())
    }

    #[test]
    fn headers_as_servers_write_them_name_the_origin() {
        for header in [
            // Synapse, ruma, and the specification's leave
            r#"X-Matrix origin="a.example",key="ed25519:k",sig="SIG",destination="b.example""#,
            r#"X-Matrix destination=b.example,key="ed25519:k",origin=a.example,sig=SIG"#,
            "X-Matrix  ORIGIN=A.Example ,\tkey=ed25519:k , sig=SIG==",
            "X-Matrix origin=a.example,key=ed25519:k,sig=SIG,new=1",
        ] {
            assert_eq!(
                origin_of(&[header]).as_deref(),
                Some("a.example"),
                "{header}"
            );
        }
        let header = r#"X-Matrix origin="[::1]:8448",key=k,sig=SIG,destination=B.example"#;
        let Credentials::Clear(x_matrix) = read(&["Bearer t", header]) else {
            panic!("{header} is clear");
        };
        assert_eq!(x_matrix.origin().as_sent(), "[::1]:8448");
        assert_eq!(x_matrix.destination(), Some("B.example"));
        assert_eq!(x_matrix.key_id(), "k");
        assert_eq!(x_matrix.signature(), &[0; 64]);
    }

    #[test]
    fn several_headers_are_ambiguous_and_none_is_none() {
        let header = "X-Matrix origin=a.example,key=k,sig=SIG";
        assert_eq!(read(&[header, header]), Credentials::Ambiguous);
        assert_eq!(read(&[header, "X-Matrix"]), Credentials::Ambiguous);
        assert_eq!(read(&["Bearer t"]), Credentials::None);
        assert_eq!(read(&[]), Credentials::None);
        assert_eq!(
            read(&["x-matrix origin=a.example,key=k,sig=SIG"]),
            Credentials::None
        );
    }

    #[test]
    fn what_two_readers_may_read_differently_is_ambiguous() {
        for header in [
            "X-Matrix",
            "X-Matrix ",
            "X-Matrix key=k",
            "X-Matrixorigin=a.example,key=k,sig=SIG",
            "X-Matrix\torigin=a.example,key=k,sig=SIG",
            "X-Matrix key=k,sig=SIG,origin=a.example,origin=b.example",
            "X-Matrix key=k,sig=SIG,origin=a.example,Origin=a.example",
            "X-Matrix key=k,sig=SIG,origin=a.example,",
            "X-Matrix key=k,sig=SIG,origin = a.example",
            "X-Matrix key=k,sig=SIG,origin=a.example x=b",
            "X-Matrix key=k,sig=SIG,origin=\"a.example",
            "X-Matrix key=k,sig=SIG,origin=a.example\"",
            "X-Matrix key=k,sig=SIG,origin=\"",
            "X-Matrix key=k,sig=SIG,origin=\"a\\.example\"",
            "X-Matrix key=k,sig=SIG,foo=\"x,origin=b.example,y\",origin=a.example",
            "X-Matrix key=k,sig=SIG,origin=",
            "X-Matrix key=k,sig=SIG,origin=a_b",
            "X-Matrix key=k\u{e9},sig=SIG,origin=a.example",
            "X-Matrix key=k,sig=SIG,origin=a.example\0",
            "X-Matrix key=k,sig=AAAA,origin=a.example",
            "X-Matrix key=k,sig=SIG,sig=SIG,origin=a.example",
            "X-Matrix sig=SIG,origin=a.example",
        ] {
            assert_eq!(read(&[header]), Credentials::Ambiguous, "{header:?}");
        }
    }
}
