//! The CA itself: its constraints, making one, and judging one that is there.

use std::fmt;
use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::CLOCK_TOLERANCE;
use crate::listen::certificates::CertificateName;

/// Ten years: replacing it means going round all clients.
const LIFETIME: Duration = Duration::days(3652);

/// A CA certificate and its key.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    not_after: OffsetDateTime,
}

/// Why a CA that is there cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplaceReason {
    /// Its constraints do not permit a configured name.
    #[error("the old one may not sign for {name}")]
    NotPermitted {
        /// The first such name.
        name: CertificateName,
    },
    /// It ends too soon.
    #[error("the old one expires on {} (UTC)", at.date())]
    Expires {
        /// Its last moment.
        at: OffsetDateTime,
    },
    /// `ca.key` is missing.
    #[error("the key of the old one is missing")]
    KeyMissing,
    /// `ca.key` is no key, or that of another CA.
    #[error("the key of the old one is damaged or belongs to another")]
    KeyMismatch,
    /// `ca.pem` is no CA certificate.
    #[error("the old one is damaged")]
    Damaged,
}

impl Authority {
    /// Makes a CA for `names` and what lies below them.
    pub(super) fn generate(
        names: &[CertificateName],
        now: OffsetDateTime,
    ) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(&params.key_identifier(&key));
        params.not_before = now - CLOCK_TOLERANCE;
        params.not_after = now + LIFETIME;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.name_constraints = Some(constraints(names));
        Ok(Self {
            certificate_pem: params.self_signed(&key)?.pem(),
            not_after: params.not_after,
            issuer: Issuer::new(params, key),
        })
    }

    /// Takes a CA that is there, if it may sign for all `names` and is valid
    /// until `last`.
    pub(super) fn load(
        certificate_pem: &str,
        key_pem: Option<&str>,
        names: &[CertificateName],
        last: OffsetDateTime,
    ) -> Result<Self, ReplaceReason> {
        let der = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|_| ReplaceReason::Damaged)?;
        let (_, certificate) =
            X509Certificate::from_der(&der).map_err(|_| ReplaceReason::Damaged)?;
        if !certificate.is_ca() {
            return Err(ReplaceReason::Damaged);
        }
        let key = KeyPair::from_pem(key_pem.ok_or(ReplaceReason::KeyMissing)?)
            .map_err(|_| ReplaceReason::KeyMismatch)?;
        if key.subject_public_key_info() != certificate.public_key().raw {
            return Err(ReplaceReason::KeyMismatch);
        }
        let not_after = certificate.validity().not_after.to_datetime();
        if not_after < last {
            return Err(ReplaceReason::Expires { at: not_after });
        }
        if let Some(name) = names.iter().find(|name| !permits(&certificate, name)) {
            return Err(ReplaceReason::NotPermitted { name: name.clone() });
        }
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|_| ReplaceReason::Damaged)?;
        Ok(Self {
            issuer,
            certificate_pem: certificate_pem.to_owned(),
            not_after,
        })
    }

    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    pub(super) fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    pub(super) fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    pub(super) fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// Each CA has a name of its own: clients that trust two of them must be able
/// to tell which one signed.
fn subject(key_identifier: &[u8]) -> DistinguishedName {
    let short = key_identifier
        .first_chunk()
        .map_or(0, |bytes| u32::from_be_bytes(*bytes));
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "Vestibule");
    subject.push(
        DnType::CommonName,
        format!("Vestibule internal CA {short:08x}"),
    );
    subject
}

/// The configured names alone. A kind of name that has no permitted subtree is
/// unconstrained (RFC 5280 section 4.2.1.10), so it is excluded as a whole.
fn constraints(names: &[CertificateName]) -> NameConstraints {
    let mut excluded = Vec::new();
    if !names.iter().any(|n| matches!(n, CertificateName::Ip(_))) {
        excluded.push(GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])));
        excluded.push(GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])));
    }
    if names.iter().all(|n| matches!(n, CertificateName::Ip(_))) {
        excluded.push(GeneralSubtree::DnsName(String::new()));
    }
    NameConstraints {
        permitted_subtrees: names.iter().map(permitted_subtree).collect(),
        excluded_subtrees: excluded,
    }
}

fn permitted_subtree(name: &CertificateName) -> GeneralSubtree {
    match name {
        CertificateName::Dns(name) | CertificateName::Wildcard(name) => {
            GeneralSubtree::DnsName(name.to_string())
        }
        CertificateName::Ip(IpAddr::V4(v4)) => {
            GeneralSubtree::IpAddress(CidrSubnet::V4(v4.octets(), [0xff; 4]))
        }
        CertificateName::Ip(IpAddr::V6(v6)) => {
            GeneralSubtree::IpAddress(CidrSubnet::V6(v6.octets(), [0xff; 16]))
        }
    }
}

/// Whether a permitted subtree holds `name`. A CA without constraints is not
/// one of ours and permits nothing here.
fn permits(certificate: &X509Certificate<'_>, name: &CertificateName) -> bool {
    let Ok(Some(constraints)) = certificate.name_constraints() else {
        return false;
    };
    let permitted = constraints.value.permitted_subtrees.iter().flatten();
    permitted.into_iter().any(|subtree| match name {
        CertificateName::Dns(name) | CertificateName::Wildcard(name) => {
            matches!(subtree.base, GeneralName::DNSName(base) if is_below(name, base))
        }
        CertificateName::Ip(address) => {
            matches!(subtree.base, GeneralName::IPAddress(octets) if is_address(octets, *address))
        }
    })
}

/// Whether `name` is `base` or ends in `.base`.
fn is_below(name: &str, base: &str) -> bool {
    name.strip_suffix(base)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether a subtree (address, then mask) is exactly `address`, as ours are.
fn is_address(subtree: &[u8], address: IpAddr) -> bool {
    let exact = match address {
        IpAddr::V4(v4) => [&v4.octets()[..], &[0xff; 4]].concat(),
        IpAddr::V6(v6) => [&v6.octets()[..], &[0xff; 16]].concat(),
    };
    subtree == exact
}
