//! The CA's files in the state folder: one writer at a time, and never half a file.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::InternalCaError;

const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";
const LOCK: &str = "ca.lock";

/// The state folder, locked until it is dropped.
pub(super) struct Folder {
    path: PathBuf,
    /// Closing it gives the lock to the next.
    _lock: File,
}

/// What the files hold.
pub(super) struct CaFiles {
    pub(super) certificate: String,
    pub(super) key: Option<String>,
}

impl Folder {
    /// Makes the folder (mode 0700) where it is missing, and waits for its lock.
    pub(super) fn lock(path: &Path) -> Result<Self, InternalCaError> {
        let locked = || {
            DirBuilder::new().recursive(true).mode(0o700).create(path)?;
            let lock = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path.join(LOCK))?;
            lock.lock()?;
            Ok(lock)
        };
        let lock = locked().map_err(|source| InternalCaError::Folder {
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
        self.write_file(KEY, 0o600, key)
            .and_then(|()| self.write_file(CERTIFICATE, 0o644, certificate))
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
        match fs::read(&path) {
            // What is not text is not PEM either, and found out when it is parsed.
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(InternalCaError::Unreadable { path, source }),
        }
    }

    /// Writes beside the file, then renames: readers see the old or the new one.
    fn write_file(&self, name: &str, mode: u32, text: &str) -> io::Result<()> {
        let unfinished = self.path.join(format!("{name}.new"));
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, self.path.join(name))?;
        // The rename itself is on disk when the folder is.
        File::open(&self.path)?.sync_all()
    }

    fn not_writable(&self, source: io::Error) -> InternalCaError {
        InternalCaError::Folder {
            folder: self.path.clone(),
            source,
        }
    }
}
