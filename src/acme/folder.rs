//! What of ACME is kept in the state folder, so that a restart orders nothing twice, and so that
//! several processes can share it.
//!
//! ```text
//! acme/lock                     held by the process that orders
//! acme/accounts/AUTHORITY.json  the account at an authority, with its key
//! acme/certificates/NAME.pem    chain and key in one file, so that they cannot part
//! acme/names/NAME.json          the order on its way, failures, when to try again
//! acme/challenges/NAME.json     what the authority is to be shown
//! ```

use std::io;
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use super::schedule::Window;
use crate::listen::certificates::{Certificate, CertificateName};
use crate::listen::state_folder::{self, Lock, SECRET};

/// The folder of ACME in the state folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

/// What is known of one name besides its certificate. Times are Unix times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    /// The directory of the authority that signed the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) authority: Option<String>,
    /// Failures since the last success.
    pub(super) failures: u32,
    /// Nothing is tried before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_attempt: Option<i64>,
    /// What went wrong last; gone with the next success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_error: Option<String>,
    /// When the authority wants the certificate to be renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) window: Option<Window>,
    /// When to ask the authority for that again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ask_window: Option<i64>,
    /// An order that may still bring a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) order: Option<PendingOrder>,
}

/// An order on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PendingOrder {
    /// The directory of the authority.
    pub(super) authority: String,
    /// Where the order is.
    pub(super) url: String,
    /// The key that the certificate will be for, PKCS#8 in PEM.
    pub(super) key: String,
}

impl Folder {
    /// The folder in `state_folder`, whether or not it is there.
    pub(super) fn of(state_folder: &Path) -> Self {
        Self {
            path: state_folder.join("acme"),
        }
    }

    /// Makes what is missing.
    pub(super) fn create(&self) -> io::Result<()> {
        for name in ["accounts", "certificates", "names", "challenges"] {
            state_folder::create(&self.path.join(name))?;
        }
        // That it can be written to is to be known now, and not in two months.
        state_folder::write(&self.path.join("writable"), SECRET, b"")
    }

    pub(super) fn challenges(&self) -> PathBuf {
        self.path.join("challenges")
    }

    /// The right to order; `None` while another process has it.
    pub(super) fn lock(&self) -> io::Result<Option<Lock>> {
        Lock::take(&self.path.join("lock"))
    }

    pub(super) fn record(&self, name: &CertificateName) -> io::Result<Record> {
        let text = state_folder::read(&self.file("names", name, "json"))?;
        // One that is damaged, or of another version, costs one order at most.
        Ok(text
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default())
    }

    pub(super) fn set_record(&self, name: &CertificateName, record: &Record) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(record)?;
        state_folder::write(&self.file("names", name, "json"), SECRET, &text)
    }

    /// Chain and key as they lie there.
    pub(super) fn pem(&self, name: &CertificateName) -> io::Result<Option<Vec<u8>>> {
        state_folder::read(&self.file("certificates", name, "pem"))
    }

    pub(super) fn set_pem(&self, name: &CertificateName, pem: &str) -> io::Result<()> {
        let file = self.file("certificates", name, "pem");
        state_folder::write(&file, SECRET, pem.as_bytes())
    }

    pub(super) fn account(&self, authority: &str) -> io::Result<Option<AccountCredentials>> {
        let text = state_folder::read(&self.account_file(authority))?;
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    pub(super) fn set_account(
        &self,
        authority: &str,
        account: &AccountCredentials,
    ) -> io::Result<()> {
        let text = serde_json::to_vec(account)?;
        state_folder::write(&self.account_file(authority), SECRET, &text)
    }

    pub(super) fn forget_account(&self, authority: &str) -> io::Result<()> {
        state_folder::remove(&self.account_file(authority))
    }

    fn file(&self, kind: &str, name: &CertificateName, ending: &str) -> PathBuf {
        self.path.join(kind).join(format!("{name}.{ending}"))
    }

    fn account_file(&self, authority: &str) -> PathBuf {
        let bare = authority.strip_prefix("https://").unwrap_or(authority);
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        };
        let name: String = bare.chars().map(plain).collect();
        self.path.join("accounts").join(format!("{name}.json"))
    }
}

/// A certificate from one file with chain and key.
pub(super) fn certificate(pem: &[u8]) -> Option<Certificate> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .ok()?;
    let key = PrivateKeyDer::from_pem_slice(pem).ok()?;
    Certificate::new(chain, &key).ok()
}
