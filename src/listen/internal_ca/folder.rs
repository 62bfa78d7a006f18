//! The CA's files in the state folder: one writer at a time, and never half a file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::InternalCaError;
use crate::listen::state_folder::{self, Lock, PUBLIC, SECRET};

pub(super) const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";
const LOCK: &str = "ca.lock";

/// The state folder, locked until it is dropped.
pub(super) struct Folder {
    path: PathBuf,
    _lock: Lock,
}

/// What the files hold.
pub(super) struct CaFiles {
    pub(super) certificate: String,
    pub(super) key: Option<String>,
}

impl Folder {
    /// Makes the folder (mode 0700) where it is missing, and waits for its lock.
    pub(super) fn lock(path: &Path) -> Result<Self, InternalCaError> {
        let lock = state_folder::create(path)
            .and_then(|()| Lock::wait(&path.join(LOCK)))
            .map_err(|source| InternalCaError::Folder {
                folder: path.to_owned(),
                source,
            })?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Where the CA's certificate is.
    pub(super) fn certificate(&self) -> PathBuf {
        self.path.join(CERTIFICATE)
    }

    /// Reads the files, if there is a certificate.
    pub(super) fn read(&self) -> Result<Option<CaFiles>, InternalCaError> {
        let Some(certificate) = self.read_file(CERTIFICATE)? else {
            return Ok(None);
        };
        let key = self.read_file(KEY)?;
        Ok(Some(CaFiles { certificate, key }))
    }

    /// Writes key and certificate. The key comes first: a crash in between
    /// leaves no certificate, and the next start begins anew.
    pub(super) fn write(&self, certificate: &str, key: &str) -> Result<(), InternalCaError> {
        let write = |name, mode, text: &str| {
            state_folder::write(&self.path.join(name), mode, text.as_bytes())
        };
        write(KEY, SECRET, key)
            .and_then(|()| write(CERTIFICATE, PUBLIC, certificate))
            .map_err(|source| self.not_writable(source))
    }

    /// As [`Folder::write`], with the old certificate kept as `ca.pem.N`,
    /// which is returned. The old key is overwritten: nobody needs it any more.
    pub(super) fn replace(&self, certificate: &str, key: &str) -> Result<PathBuf, InternalCaError> {
        let numbered = (1..).map(|n: u32| self.path.join(format!("{CERTIFICATE}.{n}")));
        let kept = numbered
            .into_iter()
            .find(|path| !path.exists())
            .unwrap_or_else(|| self.path.join(format!("{CERTIFICATE}.old")));
        fs::rename(self.certificate(), &kept).map_err(|source| self.not_writable(source))?;
        self.write(certificate, key)?;
        Ok(kept)
    }

    fn read_file(&self, name: &str) -> Result<Option<String>, InternalCaError> {
        let path = self.path.join(name);
        match state_folder::read(&path) {
            // What is not text is not PEM either, and found out when it is parsed.
            Ok(bytes) => Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())),
            Err(source) => Err(InternalCaError::Unreadable { path, source }),
        }
    }

    fn not_writable(&self, source: io::Error) -> InternalCaError {
        InternalCaError::Folder {
            folder: self.path.clone(),
            source,
        }
    }
}
