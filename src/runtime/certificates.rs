//! Certificates for every name that is served, made or read at start and kept
//! fresh while the program runs.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::config::{self, Config, Tls};
use crate::listen::certificates::{
    CertificateError, CertificateName, CertificateStore, PemFiles, load,
};
use crate::listen::internal_ca::{InternalCa, InternalCaError};
use crate::matrix::ServerName;
use crate::telemetry::Telemetry;

/// How often it is looked whether a certificate of the internal CA is due.
const RENEWAL_CHECK: Duration = Duration::from_hours(1);

/// Why there are no certificates to serve.
#[derive(Debug, thiserror::Error)]
pub enum NoCertificates {
    /// Of certificate files, everything that is wrong with them.
    #[error("{}", lines(.0))]
    Files(Vec<CertificateError>),
    /// The internal CA cannot be used.
    #[error(transparent)]
    Internal(#[from] InternalCaError),
}

fn lines(errors: &[CertificateError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// The certificates in use, and where they come from.
pub(super) struct Certificates {
    /// What the handshakes choose from.
    pub(super) store: Arc<CertificateStore>,
    /// Kept for renewal.
    internal: Option<InternalCa>,
    /// One line for the start-up message.
    pub(super) source: String,
}

/// Reads or makes the certificates of a configuration; tells the log what an
/// operator should know of them.
pub(super) fn prepare(
    config: &Config,
    now: OffsetDateTime,
) -> Result<Certificates, NoCertificates> {
    let sites: Vec<Vec<CertificateName>> = config.sites.iter().map(names).collect();
    match &config.tls {
        Tls::Internal => {
            let opened = InternalCa::open(&config.state_folder, &sites, now)?;
            if let Some(note) = opened.note {
                tracing::warn!("{note}");
            }
            let store = CertificateStore::new(opened.ca.issue(now)?);
            let path = opened.ca.certificate_path().display();
            Ok(Certificates {
                store,
                source: format!("internal CA; give {path} to the clients that are to trust it"),
                internal: Some(opened.ca),
            })
        }
        Tls::Files { certificates } => {
            let files: Vec<PemFiles> = certificates.iter().map(pem_files).collect();
            let loaded = load(&files, now).map_err(NoCertificates::Files)?;
            for warning in &loaded.warnings {
                tracing::warn!("{warning}");
            }
            for name in loaded.set.uncovered(sites.iter().flatten()) {
                tracing::warn!(
                    "no certificate covers {name}: clients that ask for it get the first one and refuse it"
                );
            }
            Ok(Certificates {
                store: CertificateStore::new(loaded.set),
                source: format!("{} from files", files.len()),
                internal: None,
            })
        }
    }
}

/// Keeps the certificates of the internal CA fresh, and the metric of every
/// certificate's end in step, for as long as the program runs.
pub(super) async fn keep_fresh(certificates: Certificates, telemetry: Arc<Telemetry>) {
    loop {
        for (name, at) in certificates.store.expiries() {
            telemetry.certificate_expiry(&name.to_string(), at.unix_timestamp());
        }
        tokio::time::sleep(RENEWAL_CHECK).await;
        let Some(ca) = &certificates.internal else {
            continue;
        };
        match ca.renew(&certificates.store, OffsetDateTime::now_utc()) {
            Ok(true) => tracing::info!("certificates of the internal CA renewed"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "certificates of the internal CA not renewed"),
        }
    }
}

fn pem_files(written: &config::CertificateFiles) -> PemFiles {
    PemFiles {
        certificate: written.certificate.to_path_buf(),
        key: written.key.to_path_buf(),
    }
}

/// The names that a site's certificate must have.
fn names(site: &config::Site) -> Vec<CertificateName> {
    site.all_hosts()
        .filter_map(|host| host.parse::<ServerName>().ok())
        .map(|name| CertificateName::from(&name))
        .collect()
}
