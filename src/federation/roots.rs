//! Whom to trust.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Why authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UnusableRoots {
    /// The file cannot be read, or holds no certificate that can be trusted.
    #[error("{}: there is no certificate of an authority in it", .0.display())]
    File(PathBuf),
    /// The system has none, and none were given.
    #[error(
        "the system has no certificate authorities (on Debian: apt-get install ca-certificates)"
    )]
    System,
}

/// The authorities of the system, and those of some PEM files.
///
/// # Errors
/// When a file is of no use, or there is no authority at all.
pub fn roots(files: &[PathBuf]) -> Result<RootCertStore, UnusableRoots> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs().unwrap_or_default();
    roots.add_parsable_certificates(system);
    for file in files {
        add(&mut roots, file)?;
    }
    if roots.is_empty() {
        return Err(UnusableRoots::System);
    }
    Ok(roots)
}

fn add(roots: &mut RootCertStore, file: &Path) -> Result<(), UnusableRoots> {
    let of_no_use = || UnusableRoots::File(file.to_owned());
    let certificates = CertificateDer::pem_file_iter(file).map_err(|_| of_no_use())?;
    let certificates: Result<Vec<_>, _> = certificates.collect();
    let (added, _) = roots.add_parsable_certificates(certificates.map_err(|_| of_no_use())?);
    if added == 0 { Err(of_no_use()) } else { Ok(()) }
}
