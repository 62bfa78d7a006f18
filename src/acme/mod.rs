//! Certificates by ACME (RFC 8555): ordered, renewed and kept for every name that is served.
//!
//! | step | where |
//! |---|---|
//! | which name is due, and when | [`schedule`] |
//! | one order after the other, under a lock that other processes see | [`keep`] |
//! | our account at an authority | [`authority`] |
//! | one order, from the wish to the chain | [`order`] |
//! | requests to the authority | [`client`] |
//! | what went wrong, and what to do about it | [`trouble`] |
//! | what outlives a restart | [`folder`] |
//!
//! The authority's questions are answered by [`crate::listen::challenges`].

mod authority;
mod client;
mod folder;
mod keep;
mod names;
mod order;
mod report;
mod schedule;
mod trouble;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::listen::certificates::{
    Certificate, CertificateName, CertificateSet, NotSelfSigned, self_signed,
};
use crate::listen::challenges::Challenges;
use crate::telemetry::Telemetry;
use folder::Folder;
use schedule::Validity;

pub use authority::Authority;
pub use report::{Reported, report};

/// What is ordered, from whom and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the accounts, keys and certificates are.
    pub state_folder: PathBuf,
    /// Each gets a certificate of its own, so that one that cannot be had costs no other. The
    /// first one's is the default. None twice.
    pub names: Vec<CertificateName>,
    /// Asked in this order.
    pub authorities: Vec<Authority>,
    /// How the authority may check a name; never empty.
    pub challenges: Vec<ChallengeKind>,
    /// What keys are made.
    pub key: KeyKind,
    /// A mail address for the authority.
    pub contact: Option<String>,
}

/// How an authority checks that a name is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeKind {
    /// A request to port 80.
    Http01,
    /// A handshake on port 443.
    TlsAlpn01,
}

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// P-256.
    Ecdsa,
    /// 2048 bits.
    Rsa,
}

/// Why certificates cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The state folder.
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
    /// There is nothing to make a certificate for.
    #[error("no site has a name to make a certificate for")]
    NoNames,
    /// Not even a certificate of our own.
    #[error(transparent)]
    SelfSigned(#[from] NotSelfSigned),
}

/// What keeps the certificates.
pub struct Acme {
    settings: Settings,
    folder: Folder,
    challenges: Arc<Challenges>,
    held: BTreeMap<CertificateName, Held>,
    telemetry: Arc<Telemetry>,
}

/// What is served for a name.
struct Held {
    certificate: Certificate,
    /// Its file, to see when another process wrote a new one; none where it is self-signed.
    pem: Option<Vec<u8>>,
}

impl Held {
    /// None where it is only ours.
    fn validity(&self) -> Option<Validity> {
        self.pem.as_ref().map(|_| Validity {
            from: self.certificate.not_before(),
            until: self.certificate.not_after(),
        })
    }
}

impl Acme {
    /// Reads what is there, and signs for itself what is missing. Nobody is asked yet.
    pub fn open(
        settings: Settings,
        telemetry: Arc<Telemetry>,
        now: OffsetDateTime,
    ) -> Result<Self, AcmeError> {
        let folder = Folder::of(&settings.state_folder);
        folder.create().map_err(|source| AcmeError::Folder {
            folder: settings.state_folder.clone(),
            source,
        })?;
        let challenges = Challenges::new(folder.challenges(), settings.names.iter().cloned());
        let mut acme = Self {
            settings,
            folder,
            challenges,
            held: BTreeMap::new(),
            telemetry,
        };
        for name in acme.settings.names.clone() {
            acme.read(&name);
            if !acme.held.contains_key(&name) {
                let certificate = self_signed(&name, now)?;
                let pem = None;
                acme.held.insert(name.clone(), Held { certificate, pem });
            }
            if !acme.is_orderable(&name) {
                tracing::warn!(
                    "no public authority signs for {name}: it gets a certificate that nobody trusts; \
                     write tls = \"internal\", or name a private authority in tls.authorities"
                );
            }
        }
        Ok(acme)
    }

    /// What answers the questions of authorities.
    pub fn challenges(&self) -> Arc<Challenges> {
        self.challenges.clone()
    }

    /// What is to be served now.
    pub fn certificates(&self) -> Result<CertificateSet, AcmeError> {
        let held = |name| self.held.get(name).map(|held| held.certificate.clone());
        let mut certificates = self.settings.names.iter().filter_map(held);
        let first = certificates.next().ok_or(AcmeError::NoNames)?;
        Ok(CertificateSet::new(first, certificates))
    }

    /// Names without a certificate that anybody trusts.
    pub fn missing(&self) -> impl Iterator<Item = &CertificateName> {
        let is_missing = |(name, held): (_, &Held)| held.pem.is_none().then_some(name);
        self.held.iter().filter_map(is_missing)
    }

    /// Takes up a certificate that lies in the folder, and was not there before; whether there
    /// was one.
    fn read(&mut self, name: &CertificateName) -> bool {
        let pem = match self.folder.pem(name) {
            Ok(Some(pem)) => pem,
            Ok(None) => return false,
            Err(error) => {
                tracing::warn!("cannot read the certificate of {name}: {error}");
                return false;
            }
        };
        let held = self.held.get(name);
        if held.is_some_and(|held| held.pem.as_ref() == Some(&pem)) {
            return false;
        }
        let certificate = folder::certificate(&pem).filter(|found| found.covers(name));
        let Some(certificate) = certificate else {
            tracing::warn!(
                "the file with the certificate of {name} is damaged, a new one is ordered"
            );
            return false;
        };
        let pem = Some(pem);
        self.held.insert(name.clone(), Held { certificate, pem });
        true
    }

    /// Whether any authority would sign for it.
    fn is_orderable(&self, name: &CertificateName) -> bool {
        let is_one = |authority: &Authority| !authority.is_public || names::is_public(name);
        self.settings.authorities.iter().any(is_one)
    }
}
