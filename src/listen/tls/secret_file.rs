//! The file with the secret of session tickets, which may be exchanged while we run.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{SharedTickets, ShortSecret};
use crate::listen::settling::Settling;

/// The file, and the tickets that follow from it.
#[derive(Debug)]
pub struct SecretFile {
    path: PathBuf,
    tickets: Arc<SharedTickets>,
    settling: Settling,
}

/// Why a file gives no secret.
#[derive(Debug, thiserror::Error)]
pub enum NoSecret {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It holds too little.
    #[error("{} is no secret for session tickets: {source}; make one with `openssl rand -out FILE 64`", path.display())]
    Short {
        /// The file.
        path: PathBuf,
        /// How short it is.
        source: ShortSecret,
    },
}

impl SecretFile {
    /// Reads `path`.
    pub fn read(path: &Path) -> Result<Self, NoSecret> {
        let secret = fs::read(path).map_err(|source| unreadable(path, source))?;
        let tickets = SharedTickets::new(&secret).map_err(|source| short(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            tickets: Arc::new(tickets),
            settling: Settling::new(fingerprint(Some(&secret))),
        })
    }

    /// What seals and opens tickets.
    pub fn tickets(&self) -> Arc<SharedTickets> {
        self.tickets.clone()
    }

    /// Looks at the file: `None` while it is as it was, else whether its new secret is in use. A
    /// new one that is none leaves the old one in use.
    pub fn look(&mut self) -> Option<Result<(), NoSecret>> {
        let found = fs::read(&self.path);
        let fingerprint = fingerprint(found.as_deref().ok());
        if !self.settling.has_changed(fingerprint) {
            return None;
        }
        let secret = found.map_err(|source| unreadable(&self.path, source));
        let replace = |secret: Vec<u8>| {
            let replaced = self.tickets.replace(&secret);
            replaced.map_err(|source| short(&self.path, source))
        };
        Some(secret.and_then(replace))
    }
}

fn fingerprint(secret: Option<&[u8]>) -> u64 {
    let mut hasher = DefaultHasher::new();
    secret.hash(&mut hasher);
    hasher.finish()
}

fn unreadable(path: &Path, source: io::Error) -> NoSecret {
    let path = path.to_owned();
    NoSecret::Unreadable { path, source }
}

fn short(path: &Path, source: ShortSecret) -> NoSecret {
    let path = path.to_owned();
    NoSecret::Short { path, source }
}

#[cfg(test)]
mod tests {
    use rustls::server::ProducesTickets;

    use super::*;

    #[test]
    fn a_new_secret_seals_and_the_old_one_opens_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, [1; 64]).unwrap();
        let mut file = SecretFile::read(&path).unwrap();
        let tickets = file.tickets();
        let old = tickets.encrypt(b"session").unwrap();
        assert!(file.look().is_none());

        for (bad, reason) in [(Some([2; 31]), "31 bytes"), (None, "cannot read")] {
            match bad {
                Some(secret) => fs::write(&path, secret).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            assert!(file.look().is_none(), "judged at first sight");
            let said = file.look().unwrap().unwrap_err().to_string();
            assert!(said.contains(reason), "{said}");
            assert!(file.look().is_none(), "said once");
        }
        let other = SharedTickets::new(&[3; 64]).unwrap();
        assert_eq!(other.decrypt(&old), None);

        fs::write(&path, [3; 64]).unwrap();
        assert!(file.look().is_none());
        file.look().unwrap().unwrap();
        let new = tickets.encrypt(b"session").unwrap();
        assert_eq!(other.decrypt(&new).as_deref(), Some(&b"session"[..]));
        for ticket in [old, new] {
            assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        }
    }
}
