//! Certificates and keys from PEM files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;

use super::{Certificate, CertificateProblem};

/// A chain and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemFiles {
    /// The certificate, then those of the intermediate CAs in order (`fullchain.pem`).
    pub certificate: PathBuf,
    /// The key of the first; may be the same file.
    pub key: PathBuf,
}

/// A pair of files that gives no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// No files are configured.
    #[error("no certificate files are given; name at least one certificate and its key")]
    NoFiles,
    /// A file cannot be read.
    #[error(
        "cannot read {}: {source}; check that it is there and that the user vestibule runs as may read it",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is damaged.
    #[error("{} is not sound PEM: {source}; write it anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls_pki_types::pem::Error,
    },
    /// A file holds no certificate.
    #[error(
        "{} holds no certificate; it must hold PEM sections \"BEGIN CERTIFICATE\", \
         the server's first, then its chain (certbot: fullchain.pem)",
        path.display()
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file holds no key.
    #[error(
        "{} holds no private key; it must hold a PEM section \"BEGIN PRIVATE KEY\" (certbot: privkey.pem)",
        path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key has a passphrase.
    #[error(
        "the key in {path} is encrypted; store it without passphrase: `openssl pkey -in {path} -out KEY`",
        path = path.display()
    )]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// The certificate is not X.509.
    #[error("the first certificate in {} is malformed; write the file anew", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The certificate names no host.
    #[error(
        "the certificate in {} names no host; clients read only the subject alternative names, \
         have it issued with them",
        path.display()
    )]
    NoName {
        /// The file.
        path: PathBuf,
    },
    /// The key is of a kind that is not supported.
    #[error(
        "the key in {} is of an unknown kind; use ECDSA (P-256, P-384, P-521), Ed25519, or RSA of 2048 bits or more",
        path.display()
    )]
    UnsupportedKey {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key are not a pair.
    #[error(
        "the key in {} does not belong to the certificate in {}; name the two files that were made together",
        key.display(), certificate.display()
    )]
    KeyMismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
}

/// A certificate that is served and that clients may refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateWarning {
    /// Its time is over.
    #[error(
        "the certificate in {} expired on {} (UTC); clients refuse it, renew it",
        path.display(), at.date()
    )]
    Expired {
        /// The file.
        path: PathBuf,
        /// Its last moment.
        at: OffsetDateTime,
    },
    /// Its time is nearly over, and nobody renewed it.
    #[error(
        "the certificate in {} ends on {} (UTC), and nobody has renewed it; what renews it?",
        path.display(), at.date()
    )]
    EndsSoon {
        /// The file.
        path: PathBuf,
        /// Its last moment.
        at: OffsetDateTime,
    },
    /// Its time has not come.
    #[error(
        "the certificate in {} is not valid before {} (UTC); clients refuse it, is this machine's clock right?",
        path.display(), at.date()
    )]
    NotYetValid {
        /// The file.
        path: PathBuf,
        /// Its first moment.
        at: OffsetDateTime,
    },
    /// The intermediate CA is missing.
    #[error(
        "{} lacks the certificate of the CA that issued it; many clients and federation peers refuse it, \
         append the chain (certbot: use fullchain.pem, not cert.pem)",
        path.display()
    )]
    ChainMissing {
        /// The file.
        path: PathBuf,
    },
}

/// Loads one pair.
pub(super) fn load_pair(files: &PemFiles) -> Result<Certificate, CertificateError> {
    let chain = read_chain(&files.certificate)?;
    let key = read_key(&files.key)?;
    let (path, key_path) = (files.certificate.clone(), files.key.clone());
    Certificate::new(chain, &key).map_err(|problem| match problem {
        CertificateProblem::Empty => CertificateError::NoCertificate { path },
        CertificateProblem::Malformed => CertificateError::Malformed { path },
        CertificateProblem::NoName => CertificateError::NoName { path },
        CertificateProblem::UnsupportedKey => CertificateError::UnsupportedKey { path: key_path },
        CertificateProblem::KeyMismatch => CertificateError::KeyMismatch {
            certificate: path,
            key: key_path,
        },
    })
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let pem = read(path)?;
    CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| CertificateError::Damaged {
            path: path.to_owned(),
            source,
        })
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let pem = read(path)?;
    let path = || path.to_owned();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(&pem) {
        let (kind, der) = section.map_err(|source| CertificateError::Damaged {
            path: path(),
            source,
        })?;
        if let Some(key) = PrivateKeyDer::from_pem(kind, der) {
            return Ok(key);
        }
    }
    let is_encrypted = String::from_utf8_lossy(&pem).contains("BEGIN ENCRYPTED PRIVATE KEY");
    Err(if is_encrypted {
        CertificateError::EncryptedKey { path: path() }
    } else {
        CertificateError::NoKey { path: path() }
    })
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|source| CertificateError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// What an operator must look at though the certificate can be served.
pub(super) fn warnings_of(
    certificate: &Certificate,
    path: &Path,
    now: OffsetDateTime,
) -> impl Iterator<Item = CertificateWarning> {
    let path = || path.to_owned();
    let at = certificate.not_after();
    let time = if now > at {
        Some(CertificateWarning::Expired { path: path(), at })
    } else if at - now < (at - certificate.not_before()) / 10 {
        Some(CertificateWarning::EndsSoon { path: path(), at })
    } else if now < certificate.not_before() {
        Some(CertificateWarning::NotYetValid {
            path: path(),
            at: certificate.not_before(),
        })
    } else {
        None
    };
    let chain = certificate
        .lacks_chain()
        .then(|| CertificateWarning::ChainMissing { path: path() });
    time.into_iter().chain(chain)
}
