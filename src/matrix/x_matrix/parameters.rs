//! One `X-Matrix` header, as far as it has one meaning.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::GeneralPurpose;

use super::super::ServerName;
use super::super::unpadded_base64::{BASE64, LENIENT};
use super::{ClaimedOrigin, XMatrix};

/// The longest key id, as for all of Matrix' identifiers.
const LONGEST_KEY_ID: usize = 255;

/// Synapse and Dendrite take the other alphabet as well.
const BASE64_OF_URLS: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// A parameter that the protocol knows.
#[derive(Clone, Copy)]
struct Parameter<'h> {
    value: &'h str,
    /// Whether spaces stand before it, which older Dendrites take for a part of its name.
    is_indented: bool,
}

/// Reads a header; `None` where two readers might differ about it.
///
/// How they read, and what therefore does not pass:
///
/// - Synapse (`_parse_auth_header` of `synapse/federation/transport/server/_base.py`): case counts
///   in the scheme and not in names, commas split within quotes too, the last of two parameters
///   wins, a value that begins with `"` loses its last character whatever that is, `\` escapes.
/// - Dendrite (`ParseAuthorization` of gomatrixserverlib): case counts in names, quotes are cut off
///   however many there are, what has no `=` is skipped, the last wins, an empty value is none;
///   older ones take white space for a part of what it stands beside.
/// - ruma (`XMatrix::parse`): RFC 9110 with its quoted strings; any case; two of a kind are
///   refused; behind other schemes as well.
/// - mautrix-go (`ParseXMatrixAuth`): a parameter with a second `=` is skipped.
///
/// So: `X-Matrix` and spaces; pairs `name=value` with a comma and perhaps spaces between them;
/// values with both quotes or none, of visible ASCII without `"`, `\` and `,`; each of `origin`,
/// `key` and `sig` once, `destination` at most once, in lower case; valid server names; an Ed25519
/// key; 64 bytes of signature.
pub(super) fn read(header: &[u8]) -> Option<XMatrix> {
    let parameters = str::from_utf8(header).ok()?.strip_prefix("X-Matrix ")?;
    let (mut origin, mut destination, mut key, mut signature) = (None, None, None, None);
    for pair in parameters.split(',') {
        let bare = pair.trim_start_matches(' ');
        let (name, value) = bare.split_once('=')?;
        let parameter = Parameter {
            value: unquoted(value)?,
            is_indented: bare.len() < pair.len(),
        };
        let place = match name {
            "origin" => &mut origin,
            "destination" => &mut destination,
            "key" => &mut key,
            "sig" => &mut signature,
            _ if is_other_name(name) => continue,
            _ => return None,
        };
        if place.replace(parameter).is_some() {
            return None;
        }
    }
    let (origin, key, signature) = (origin?, key?, signature?);
    let is_read = [origin, key, signature].iter().all(|it| !it.is_indented);
    if is_read && destination.is_some_and(|it| it.is_indented) {
        // Older Dendrites would take the request for one that names no destination.
        return None;
    }
    Some(XMatrix {
        origin: ClaimedOrigin {
            name: origin.value.parse().ok()?,
            sent: origin.value.into(),
        },
        destination: match destination {
            Some(destination) => Some(server_name(destination.value)?.into()),
            None => None,
        },
        key_id: key_id(key.value)?.into(),
        signature: decoded(signature.value)?,
    })
}

/// A value without its quotes.
fn unquoted(value: &str) -> Option<&str> {
    let inner = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => value,
    };
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b',');
    inner.bytes().all(is_plain).then_some(inner)
}

/// Whether it names a parameter that the protocol does not know, and nothing else to anybody.
fn is_other_name(name: &str) -> bool {
    let is_of_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let known = ["origin", "destination", "key", "sig"];
    let is_known = known.iter().any(|known| name.eq_ignore_ascii_case(known));
    !name.is_empty() && name.bytes().all(is_of_name) && !is_known
}

fn server_name(text: &str) -> Option<&str> {
    text.parse::<ServerName>().ok()?;
    Some(text)
}

fn key_id(text: &str) -> Option<&str> {
    let version = text.strip_prefix("ed25519:")?;
    (!version.is_empty() && text.len() <= LONGEST_KEY_ID).then_some(text)
}

fn decoded(text: &str) -> Option<[u8; 64]> {
    let bytes = BASE64.decode(text);
    let bytes = bytes.or_else(|_| BASE64_OF_URLS.decode(text)).ok()?;
    bytes.try_into().ok()
}
