//! A certificate for a name that has none yet.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::PrivateKeyDer;
use time::{Duration, OffsetDateTime};

use super::{Certificate, CertificateName, CertificateProblem};

/// Longer than any program runs without an operator who wonders.
const LIFETIME: Duration = Duration::days(365);

/// Why there is not even a certificate of our own.
#[derive(Debug, thiserror::Error)]
pub enum NotSelfSigned {
    /// It could not be signed.
    #[error("cannot sign a certificate: {0}")]
    Sign(#[from] rcgen::Error),
    /// What was signed cannot be served.
    #[error("cannot serve a certificate of our own: {0}")]
    Serve(#[from] CertificateProblem),
}

/// Makes a certificate for `name` that nobody trusts: whoever looks at it sees what is missing,
/// and a client that checks nothing is served.
pub fn self_signed(
    name: &CertificateName,
    now: OffsetDateTime,
) -> Result<Certificate, NotSelfSigned> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![name.alternative_name()?];
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(
        DnType::OrganizationName,
        "Vestibule: no certificate for this name yet",
    );
    params.not_before = now - Duration::hours(1);
    params.not_after = now + LIFETIME;
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    Ok(Certificate::new(vec![certificate.into()], &key)?)
}
