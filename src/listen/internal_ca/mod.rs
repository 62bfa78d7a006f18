//! `tls = "internal"`: certificates signed by a CA of our own.
//!
//! For a laptop, a test, or a network of one's own: whoever is to trust it is
//! given `ca.pem` from the state folder; no system store is ever touched. The
//! CA can sign for the configured names and what lies below them, and for
//! nothing else, so trusting it costs little. Its key is the only secret that
//! is kept; those of the certificates live in memory.

mod authority;
mod folder;

use std::io;
use std::path::{Path, PathBuf};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls_pki_types::PrivateKeyDer;
use time::{Duration, OffsetDateTime};

use super::certificates::{
    Certificate, CertificateName, CertificateProblem, CertificateSet, CertificateStore,
};
use authority::Authority;
use folder::Folder;

pub use authority::ReplaceReason;

/// How long a certificate is valid.
const CERTIFICATE_LIFETIME: Duration = Duration::days(90);

/// Certificates are valid from a little before they are made: clocks differ.
const CLOCK_TOLERANCE: Duration = Duration::hours(1);

/// The CA, ready to sign for its sites.
#[derive(Debug)]
pub struct InternalCa {
    authority: Authority,
    path: PathBuf,
    /// The names of each certificate.
    certificates: Vec<Vec<CertificateName>>,
}

/// An opened CA, and what happened on the way.
#[derive(Debug)]
pub struct Opened {
    /// The CA.
    pub ca: InternalCa,
    /// What an operator is told at start.
    pub note: Option<InternalCaNote>,
}

/// What happened to the CA's files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InternalCaNote {
    /// The first CA in this folder was made.
    #[error("made an internal CA; clients that are to trust it need {}", path.display())]
    Created {
        /// Its certificate.
        path: PathBuf,
    },
    /// A new CA took the place of another: clients must be given the new one.
    #[error(
        "made a new internal CA because {reason}; give {} to the clients that trusted the old one, \
         which is kept as {}",
        path.display(), kept.display()
    )]
    Replaced {
        /// The new CA's certificate.
        path: PathBuf,
        /// The old one's certificate; its key is gone.
        kept: PathBuf,
        /// Why the old one could not be used.
        reason: ReplaceReason,
    },
}

/// Why there is no internal CA.
#[derive(Debug, thiserror::Error)]
pub enum InternalCaError {
    /// There is nothing to sign for.
    #[error("no site has a name to make a certificate for")]
    NoNames,
    /// The state folder cannot be made or written.
    #[error(
        "cannot write to the state folder {}: {source}; make it writable for the user vestibule runs as \
         (with systemd: `StateDirectory=vestibule`), or set `state_folder` to one that is",
        folder.display()
    )]
    Folder {
        /// The state folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file of the CA is there and cannot be read.
    #[error(
        "cannot read {}: {source}; it must belong to the user vestibule runs as",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A certificate could not be signed.
    #[error("cannot sign a certificate: {0}")]
    Sign(#[from] rcgen::Error),
    /// What was signed cannot be served.
    #[error("cannot serve a certificate of the internal CA: {0}")]
    Serve(#[from] CertificateProblem),
}

impl InternalCa {
    /// Opens the CA in `folder`, or makes one there, for the names of each of `sites`.
    ///
    /// A CA that may not sign for all of the names, or that ends before a
    /// certificate of today would, is replaced. Blocks while another process
    /// does the same in the same folder.
    pub fn open(
        folder: &Path,
        sites: &[Vec<CertificateName>],
        now: OffsetDateTime,
    ) -> Result<Opened, InternalCaError> {
        let certificates = certificate_names(sites);
        let mut names: Vec<_> = certificates.iter().flatten().cloned().collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            return Err(InternalCaError::NoNames);
        }
        let folder = Folder::lock(folder)?;
        let path = folder.certificate();
        let found = folder.read()?.map(|files| {
            let last = now + CERTIFICATE_LIFETIME;
            Authority::load(&files.certificate, files.key.as_deref(), &names, last)
        });
        let (authority, note) = match found {
            Some(Ok(authority)) => (authority, None),
            Some(Err(reason)) => {
                let authority = Authority::generate(&names, now)?;
                let kept = folder.replace(authority.certificate_pem(), &authority.key_pem())?;
                let path = path.clone();
                (
                    authority,
                    Some(InternalCaNote::Replaced { path, kept, reason }),
                )
            }
            None => {
                let authority = Authority::generate(&names, now)?;
                folder.write(authority.certificate_pem(), &authority.key_pem())?;
                let path = path.clone();
                (authority, Some(InternalCaNote::Created { path }))
            }
        };
        Ok(Opened {
            ca: Self {
                authority,
                path,
                certificates,
            },
            note,
        })
    }

    /// The file with the CA's certificate, for those who are to trust it.
    pub fn certificate_path(&self) -> &Path {
        &self.path
    }

    /// The CA's certificate, as that file holds it.
    pub fn certificate_pem(&self) -> &str {
        self.authority.certificate_pem()
    }

    /// Makes a new certificate for every site, each with a new key.
    pub fn issue(&self, now: OffsetDateTime) -> Result<CertificateSet, InternalCaError> {
        let mut certificates = self.certificates.iter().map(|names| self.sign(names, now));
        let default = certificates.next().ok_or(InternalCaError::NoNames)??;
        let others = certificates.collect::<Result<Vec<_>, _>>()?;
        Ok(CertificateSet::new(default, others))
    }

    /// Puts new certificates into `store` if two thirds of the life of one
    /// there are over; whether it did.
    ///
    /// Cheap while nothing is due: call it by the wall clock, every hour or so.
    pub fn renew(
        &self,
        store: &CertificateStore,
        now: OffsetDateTime,
    ) -> Result<bool, InternalCaError> {
        let current = store.current();
        let is_due = current.certificates().iter().any(|c| c.renew_at() <= now);
        if is_due {
            store.replace(self.issue(now)?);
        }
        Ok(is_due)
    }

    fn sign(
        &self,
        names: &[CertificateName],
        now: OffsetDateTime,
    ) -> Result<Certificate, InternalCaError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.subject_alt_names = names
            .iter()
            .map(CertificateName::alternative_name)
            .collect::<Result<_, _>>()?;
        // No common name: clients would hold it against the CA's constraints too.
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Vestibule internal");
        params.not_before = now - CLOCK_TOLERANCE;
        params.not_after = (now + CERTIFICATE_LIFETIME).min(self.authority.not_after());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, self.authority.issuer())?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Ok(Certificate::new(vec![certificate.into()], &key)?)
    }
}

/// Where the CA of a state folder has its certificate, whether or not there is one.
pub fn certificate_path(state_folder: &Path) -> PathBuf {
    state_folder.join(folder::CERTIFICATE)
}

/// The names of each certificate: one per site, and every address on the first.
///
/// Clients that connect to an address send no server name (RFC 6066 section 3)
/// and are given the first certificate, so that is the one to hold them all.
fn certificate_names(sites: &[Vec<CertificateName>]) -> Vec<Vec<CertificateName>> {
    let is_address = |name: &&CertificateName| matches!(name, CertificateName::Ip(_));
    let names = |site: &[CertificateName]| -> Vec<_> {
        site.iter().filter(|n| !is_address(n)).cloned().collect()
    };
    let mut certificates: Vec<Vec<_>> = sites.iter().map(|site| names(site)).collect();
    if let Some(first) = certificates.first_mut() {
        first.extend(sites.iter().flatten().filter(is_address).cloned());
    }
    for names in &mut certificates {
        names.sort();
        names.dedup();
    }
    certificates.retain(|names| !names.is_empty());
    certificates
}

#[cfg(test)]
mod tests;
