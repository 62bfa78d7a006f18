//! The CAs that an upstream's certificate is checked against.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use pingora::protocols::tls::CaType;
use pingora::utils::tls::{WrappedX509, parse_x509};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The certificates of a PEM file.
pub struct Ca {
    certificates: Vec<CertificateDer<'static>>,
    parsed: Arc<CaType>,
}

/// Why a file cannot be used as a CA.
#[derive(Debug, thiserror::Error)]
pub enum UnusableCa {
    /// It cannot be read, or is no PEM.
    #[error("{0}")]
    Pem(#[from] pem::Error),
    /// There is no certificate in it.
    #[error("there is no certificate in it")]
    Empty,
    /// One of its certificates cannot be parsed.
    #[error("a certificate in it is malformed")]
    Malformed,
}

impl Ca {
    /// Reads a PEM file of one or more certificates.
    pub fn read(path: &Path) -> Result<Self, UnusableCa> {
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?;
        if certificates.is_empty() {
            return Err(UnusableCa::Empty);
        }
        let wrapped = certificates.iter().map(|der| {
            // Checked here, because pingora's own reading panics on what it cannot parse.
            X509Certificate::from_der(der).map_err(|_| UnusableCa::Malformed)?;
            Ok(WrappedX509::new(der.to_vec(), parse_x509))
        });
        let parsed = wrapped.collect::<Result<Vec<_>, UnusableCa>>()?.into();
        Ok(Self {
            certificates,
            parsed,
        })
    }

    /// As pingora wants them.
    pub(super) fn certificates(&self) -> Arc<CaType> {
        self.parsed.clone()
    }
}

impl PartialEq for Ca {
    fn eq(&self, other: &Self) -> bool {
        self.certificates == other.certificates
    }
}

impl Eq for Ca {}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ca").field(&self.certificates.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_ca_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let file = |text: &str| {
            let path = folder.path().join("ca.pem");
            std::fs::write(&path, text).unwrap();
            Ca::read(&path)
        };
        assert!(matches!(file("nothing"), Err(UnusableCa::Empty)));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(file(broken), Err(UnusableCa::Malformed)));
        let key = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap();
        assert!(file(&key.cert.pem()).is_ok());
        assert!(Ca::read(&folder.path().join("absent.pem")).is_err());
    }
}
