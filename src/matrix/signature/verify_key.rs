//! The public keys of servers.

use std::fmt;

use ed25519_dalek::{Signature, StreamVerifier, VerifyingKey};

/// A key whose private half was published (CVE-2026-24044); Synapse refuses it.
const BANNED: [u8; 32] = [
    0x97, 0xf3, 0xbd, 0x87, 0x13, 0x15, 0x28, 0x1e, 0x8b, 0x83, 0xed, 0xc7, 0xa9, 0xfd, 0x05, 0x41,
    0x06, 0x61, 0x54, 0x44, 0x90, 0x70, 0xcc, 0xdb, 0x3c, 0xdd, 0x42, 0xcf, 0x69, 0xcc, 0xde, 0x88,
];

/// One public key of a server (ed25519), with which nobody but its owner can have signed.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyKey(VerifyingKey);

/// Why bytes are no key that proves anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsoundKey {
    /// They are no point of the curve, one that is written in another way than the only one, or one of small order,
    /// under which anything may verify. Synapse verifies with none of them (libsodium).
    #[error("it is no sound key")]
    Point,
    /// Its private half was published (CVE-2026-24044).
    #[error("its private half was published")]
    Banned,
}

impl VerifyKey {
    /// Takes a key as it is published.
    pub fn new(bytes: &[u8; 32]) -> Result<Self, UnsoundKey> {
        if *bytes == BANNED {
            return Err(UnsoundKey::Banned);
        }
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| UnsoundKey::Point)?;
        if key.is_weak() || !is_reduced(bytes) {
            return Err(UnsoundKey::Point);
        }
        Ok(Self(key))
    }

    /// The key as it is published.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Whether a message has this signature.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.stream(signature).is_some_and(|mut stream| {
            stream.update(message);
            stream.finalize_and_verify().is_ok()
        })
    }

    /// Begins to verify a message that comes in pieces; `None` where no message can have the signature.
    pub(super) fn stream(&self, signature: &[u8; 64]) -> Option<StreamVerifier> {
        let (point, _) = signature.split_first_chunk()?;
        if SMALL_ORDER.contains(point) {
            return None;
        }
        self.0.verify_stream(&Signature::from_bytes(signature)).ok()
    }
}

impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifyKey").finish_non_exhaustive()
    }
}

/// Whether the coordinate is below the prime of the field, as each one can be written.
fn is_reduced(bytes: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = bytes;
    *first < 0xed || last & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

/// The points of small order, in the one way in which a signature that verifies writes them (RFC 8032). libsodium takes
/// none of them as the first half of a signature.
const SMALL_ORDER: [[u8; 32]; 8] = [
    with_ends(0x01, 0, 0x00),
    with_ends(0xec, 0xff, 0x7f),
    with_ends(0x00, 0, 0x00),
    with_ends(0x00, 0, 0x80),
    EIGHTH,
    with_sign(EIGHTH),
    OTHER_EIGHTH,
    with_sign(OTHER_EIGHTH),
];

const EIGHTH: [u8; 32] = [
    0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
    0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
];

const OTHER_EIGHTH: [u8; 32] = [
    0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
    0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
];

const fn with_ends(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    let [one, .., other] = &mut bytes;
    *one = first;
    *other = last;
    bytes
}

const fn with_sign(mut bytes: [u8; 32]) -> [u8; 32] {
    let [.., last] = &mut bytes;
    *last |= 0x80;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_small_order_are_neither_keys_nor_halves_of_signatures() {
        // The base point itself: a key like any other.
        let key = VerifyKey::new(&with_ends(0x58, 0x66, 0x66)).unwrap();
        for point in SMALL_ORDER {
            assert_eq!(VerifyKey::new(&point), Err(UnsoundKey::Point));
            assert!(VerifyingKey::from_bytes(&point).unwrap().is_weak());
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&point);
            assert!(key.stream(&signature).is_none());
        }
        assert!(key.stream(&[1; 64]).is_some());
    }

    #[test]
    fn a_key_that_is_written_otherwise_or_has_no_point_is_refused() {
        // The coordinate 3 plus the prime, which decoders take for 3.
        let other = with_ends(0xf0, 0xff, 0x7f);
        assert!(VerifyingKey::from_bytes(&other).is_ok());
        assert_eq!(VerifyKey::new(&other), Err(UnsoundKey::Point));
        assert_eq!(VerifyKey::new(&with_ends(2, 0, 0)), Err(UnsoundKey::Point));
        assert_eq!(VerifyKey::new(&BANNED), Err(UnsoundKey::Banned));
    }
}
