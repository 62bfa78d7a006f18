//! Session tickets under keys that several processes have in common.
//!
//! The keys follow from one secret and the time, so nobody has to hand them round: each lasts six
//! hours, and tickets of the one before are still taken. A ticket is the number of its six hours,
//! then what AES-256-GCM makes of the session, its nonce first. When the secret is exchanged, the
//! old one opens tickets for as long as they last.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use rustls::server::ProducesTickets;

/// How long one key seals.
const SEALS: u64 = 6 * 3600;
/// How long a ticket can be used, in seconds.
const LIFETIME: u32 = 12 * 3600;
/// The shortest secret that is taken, in bytes.
const SHORTEST_SECRET: usize = 32;

const KEY: usize = 32;
const NUMBER: usize = 8;

/// Seals and opens tickets.
pub struct SharedTickets {
    secrets: ArcSwap<Secrets>,
    now: fn() -> SystemTime,
}

/// What the keys follow from.
struct Secrets {
    current: Prk,
    /// The one before, and the Unix time until which it opens tickets.
    previous: Option<(Prk, u64)>,
}

/// A secret that is too short to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has {0} bytes, and {SHORTEST_SECRET} are the least")]
pub struct ShortSecret(pub usize);

impl SharedTickets {
    /// Tickets under keys that follow from `secret`.
    pub fn new(secret: &[u8]) -> Result<Self, ShortSecret> {
        let secrets = Secrets {
            current: extract(secret)?,
            previous: None,
        };
        Ok(Self {
            secrets: ArcSwap::from_pointee(secrets),
            now: SystemTime::now,
        })
    }

    /// Seals under keys that follow from another `secret` from now on.
    pub fn replace(&self, secret: &[u8]) -> Result<(), ShortSecret> {
        let until = self.seconds() + u64::from(LIFETIME);
        let secrets = Secrets {
            current: extract(secret)?,
            previous: Some((self.secrets.load().current.clone(), until)),
        };
        self.secrets.store(Arc::new(secrets));
        Ok(())
    }

    /// The Unix time.
    fn seconds(&self) -> u64 {
        let since_1970 = (self.now)().duration_since(UNIX_EPOCH);
        since_1970.map_or(0, |time| time.as_secs())
    }
}

fn extract(secret: &[u8]) -> Result<Prk, ShortSecret> {
    if secret.len() < SHORTEST_SECRET {
        return Err(ShortSecret(secret.len()));
    }
    let salt = Salt::new(HKDF_SHA256, b"vestibule session tickets");
    Ok(salt.extract(secret))
}

/// The key of the six hours with that number.
fn key(root: &Prk, number: u64) -> Option<RandomizedNonceKey> {
    let number = number.to_be_bytes();
    let info = [&number[..]];
    let mut key = [0; KEY];
    root.expand(&info, KeyLength)
        .and_then(|expanded| expanded.fill(&mut key))
        .ok()?;
    RandomizedNonceKey::new(&AES_256_GCM, &key).ok()
}

fn open(root: &Prk, number: u64, nonce: &[u8; NONCE_LEN], sealed: &[u8]) -> Option<Vec<u8>> {
    let mut sealed = sealed.to_vec();
    let aad = Aad::from(number.to_be_bytes());
    let plain = key(root, number)?.open_in_place(Nonce::from(nonce), aad, &mut sealed);
    Some(plain.ok()?.to_vec())
}

struct KeyLength;

impl KeyType for KeyLength {
    fn len(&self) -> usize {
        KEY
    }
}

impl ProducesTickets for SharedTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let number = self.seconds() / SEALS;
        let mut sealed = plain.to_vec();
        let number_bytes = number.to_be_bytes();
        let nonce = key(&self.secrets.load().current, number)?
            .seal_in_place_append_tag(Aad::from(number_bytes), &mut sealed)
            .ok()?;
        Some([&number_bytes[..], nonce.as_ref(), &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (number_bytes, rest) = ticket.split_first_chunk::<NUMBER>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let number = u64::from_be_bytes(*number_bytes);
        // Others' clocks may be a little ahead.
        let now = self.seconds();
        let current = now / SEALS;
        if !(current.saturating_sub(1)..=current.saturating_add(1)).contains(&number) {
            return None;
        }
        let secrets = self.secrets.load();
        let previous = secrets.previous.as_ref();
        let previous = previous.filter(|(_, until)| now < *until);
        open(&secrets.current, number, nonce, sealed)
            .or_else(|| open(&previous?.0, number, nonce, sealed))
    }
}

impl fmt::Debug for SharedTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedTickets")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECRET: [u8; SHORTEST_SECRET] = [7; SHORTEST_SECRET];

    fn at(now: fn() -> SystemTime) -> SharedTickets {
        SharedTickets {
            now,
            ..SharedTickets::new(&SECRET).unwrap()
        }
    }

    fn begin() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(100 * SEALS)
    }

    #[test]
    fn whoever_has_the_secret_opens_what_is_not_old() {
        let ticket = at(begin).encrypt(b"session").unwrap();
        assert_ne!(at(begin).encrypt(b"session").unwrap(), ticket);
        for (now, expected) in [
            (begin as fn() -> SystemTime, true),
            (|| begin() + Duration::from_secs(2 * SEALS - 1), true),
            (|| begin() + Duration::from_secs(2 * SEALS), false),
            // A clock that is behind.
            (|| begin() - Duration::from_secs(1), true),
            (|| begin() - Duration::from_secs(SEALS + 1), false),
        ] {
            let opened = at(now).decrypt(&ticket);
            assert_eq!(opened.as_deref(), expected.then_some(&b"session"[..]));
        }
        let stranger = SharedTickets::new(&[8; 64]).unwrap();
        let stranger = SharedTickets {
            now: begin,
            ..stranger
        };
        assert_eq!(stranger.decrypt(&ticket), None);
    }

    #[test]
    fn changed_or_short_tickets_are_none() {
        let tickets = at(begin);
        let ticket = tickets.encrypt(b"session").unwrap();
        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert_eq!(tickets.decrypt(&changed), None, "byte {at}");
            assert_eq!(tickets.decrypt(&ticket[..at]), None, "{at} bytes");
        }
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert_eq!(SharedTickets::new(&[1; 31]).unwrap_err(), ShortSecret(31));
    }
}
