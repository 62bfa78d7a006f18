//! Certificate authorities as configured, with what vouches for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pingora::tls::{RootCertStore, load_platform_certs_incl_env_into_store};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::acme::Authority;
use crate::config::{self, AcmeAuthority};

/// Why an authority cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum NoAuthority {
    /// The file that vouches for it.
    #[error("{} holds no certificate that vouches for an authority: {reason}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The system's certificates.
    #[error(
        "the system's CA certificates cannot be loaded: {0}; \
         check SSL_CERT_FILE and SSL_CERT_DIR, or install ca-certificates"
    )]
    SystemRoots(String),
}

/// The authorities of a configuration, in its order.
pub(super) fn of(acme: &config::Acme) -> Result<Vec<Authority>, NoAuthority> {
    acme.authorities.iter().map(authority).collect()
}

fn authority(written: &AcmeAuthority) -> Result<Authority, NoAuthority> {
    let roots = match &written.ca {
        Some(path) => private_roots(path)?,
        None => system_roots()?,
    };
    let external = written.external_account.as_ref();
    Ok(Authority {
        directory: written.directory.as_str().to_owned(),
        roots: Arc::new(roots),
        profile: written.profile.clone(),
        external_account: external.map(|it| (it.id.clone(), it.key_file.to_path_buf())),
        is_public: written.ca.is_none(),
    })
}

/// The authorities of a PEM file, and no others.
pub(super) fn private_roots(path: &Path) -> Result<RootCertStore, NoAuthority> {
    let bad = |reason: String| NoAuthority::Ca {
        path: path.to_owned(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|e| bad(e.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|e| bad(e.to_string()))?;
        roots.add(certificate).map_err(|e| bad(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(bad("it is empty".to_owned()));
    }
    Ok(roots)
}

/// Those that the system trusts.
pub(super) fn system_roots() -> Result<RootCertStore, NoAuthority> {
    let mut roots = RootCertStore::empty();
    load_platform_certs_incl_env_into_store(&mut roots)
        .map_err(|error| NoAuthority::SystemRoots(error.to_string()))?;
    Ok(roots)
}
