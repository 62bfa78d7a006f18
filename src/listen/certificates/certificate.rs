//! One certificate with its chain and key.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;
use x509_parser::oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use super::CertificateName;

/// A certificate that can be served: its chain, its key, and what it says.
#[derive(Clone)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    names: Vec<CertificateName>,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    lacks_chain: bool,
}

/// Why a chain and a key make no certificate that can be served.
#[derive(Debug, thiserror::Error)]
pub enum CertificateProblem {
    /// The chain is empty.
    #[error("there is no certificate")]
    Empty,
    /// The first certificate is not X.509.
    #[error("the first certificate is malformed")]
    Malformed,
    /// Without subject alternative names no client accepts it.
    #[error("the certificate names no host (it has no subject alternative name of use)")]
    NoName,
    /// The key is of a kind that is not supported.
    #[error("the key is of an unknown or unsupported kind")]
    UnsupportedKey,
    /// The key belongs to another certificate.
    #[error("the key does not belong to the certificate")]
    KeyMismatch,
}

impl Certificate {
    /// Reads what the first certificate of `chain` says, and checks that `key` is its key.
    ///
    /// Its time is not checked: a certificate that has expired is still better
    /// than none, and the clock may be wrong.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'_>,
    ) -> Result<Self, CertificateProblem> {
        let first = chain.first().ok_or(CertificateProblem::Empty)?;
        let (_, parsed) =
            X509Certificate::from_der(first).map_err(|_| CertificateProblem::Malformed)?;
        let names = subject_alternative_names(&parsed)?;
        if names.is_empty() {
            return Err(CertificateProblem::NoName);
        }
        let (not_before, not_after) = (
            parsed.validity().not_before.to_datetime(),
            parsed.validity().not_after.to_datetime(),
        );
        let lacks_chain = chain.len() == 1 && has_issuer_to_fetch(&parsed);
        let key = any_supported_type(key).map_err(|_| CertificateProblem::UnsupportedKey)?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            // Some keys cannot tell their public half; the first handshake will.
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => return Err(CertificateProblem::KeyMismatch),
            Err(_) => return Err(CertificateProblem::Malformed),
        }
        Ok(Self {
            key: Arc::new(key),
            names,
            not_before,
            not_after,
            lacks_chain,
        })
    }

    /// The names it is good for; never empty.
    pub fn names(&self) -> &[CertificateName] {
        &self.names
    }

    /// Whether it is good for `name`.
    pub fn covers(&self, name: &CertificateName) -> bool {
        self.names.iter().any(|own| own.covers(name))
    }

    /// When it begins to be valid.
    pub fn not_before(&self) -> OffsetDateTime {
        self.not_before
    }

    /// The last moment at which it is valid.
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// When two thirds of its life are over and a new one is due.
    pub fn renew_at(&self) -> OffsetDateTime {
        self.not_before + (self.not_after - self.not_before) * 2 / 3
    }

    /// Whether it was signed by an intermediate CA, which clients need and
    /// which is not in the chain.
    pub fn lacks_chain(&self) -> bool {
        self.lacks_chain
    }

    /// The chain, its own certificate first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.key.cert
    }

    /// Chain and key as rustls takes them.
    pub(super) fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }
}

/// DNS names and addresses; names that no client looks for, such as e-mail
/// addresses and partial wildcards, are left out.
fn subject_alternative_names(
    certificate: &X509Certificate<'_>,
) -> Result<Vec<CertificateName>, CertificateProblem> {
    let extension = certificate
        .subject_alternative_name()
        .map_err(|_| CertificateProblem::Malformed)?;
    let names = extension.map_or(&[][..], |e| &e.value.general_names);
    Ok(names.iter().filter_map(certificate_name).collect())
}

fn certificate_name(name: &GeneralName<'_>) -> Option<CertificateName> {
    if let GeneralName::IPAddress(octets) = name {
        let address = match octets.len() {
            4 => octets.first_chunk::<4>().copied().map(IpAddr::from),
            16 => octets.first_chunk::<16>().copied().map(IpAddr::from),
            _ => None,
        };
        return address.map(CertificateName::Ip);
    }
    if let GeneralName::DNSName(text) = name {
        // An address written as a DNS name is none to any client.
        let name = text.parse().ok();
        return name.filter(|name| !matches!(name, CertificateName::Ip(_)));
    }
    None
}

/// Only public CAs say where the issuer's certificate can be fetched; it is
/// then an intermediate that belongs into the chain (RFC 5280 section 4.2.2.1).
fn has_issuer_to_fetch(certificate: &X509Certificate<'_>) -> bool {
    certificate.extensions().iter().any(|extension| {
        let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() else {
            return false;
        };
        let mut descriptions = access.accessdescs.iter();
        descriptions.any(|d| d.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS)
    })
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("names", &self.names)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}
