//! Certificates for every name that is served: ordered, made or read at start, and kept fresh
//! while the program runs.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::authorities::{self, NoAuthority};
use crate::acme::{Acme, AcmeError, ChallengeKind, KeyKind, Settings};
use crate::config::{self, AcmeChallenge, CertificateSource, Config, KeyType};
use crate::listen::certificates::{
    CertificateError, CertificateName, CertificateStore, PemFiles, Watched,
};
use crate::listen::challenges::Challenges;
use crate::listen::internal_ca::{InternalCa, InternalCaError};
use crate::matrix::ServerName;
use crate::telemetry::Telemetry;

/// How often it is looked whether a certificate of the internal CA is due.
const RENEWAL_CHECK: Duration = Duration::from_hours(1);

/// How often it is looked whether certificate files changed.
const FILES_CHECK: Duration = Duration::from_secs(2);

/// Why there are no certificates to serve.
#[derive(Debug, thiserror::Error)]
pub enum NoCertificates {
    /// Of certificate files, everything that is wrong with them.
    #[error("{}", lines(.0))]
    Files(Vec<CertificateError>),
    /// The internal CA cannot be used.
    #[error(transparent)]
    Internal(#[from] InternalCaError),
    /// ACME cannot be used.
    #[error(transparent)]
    Acme(#[from] AcmeError),
    /// An authority cannot be asked safely.
    #[error(transparent)]
    Authority(#[from] NoAuthority),
}

fn lines(errors: &[CertificateError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// The certificates in use, and where they come from.
pub(super) struct Certificates {
    /// What the handshakes choose from.
    pub(super) store: Arc<CertificateStore>,
    upkeep: Upkeep,
    /// One line for the start-up message.
    pub(super) source: String,
}

/// What is to be done for certificates while the program runs.
enum Upkeep {
    Acme(Box<Acme>),
    Internal(Box<InternalCa>),
    Files(Watched),
}

impl Certificates {
    /// What certificate authorities are answered, where any is asked.
    pub(super) fn challenges(&self) -> Option<Arc<Challenges>> {
        match &self.upkeep {
            Upkeep::Acme(acme) => Some(acme.challenges()),
            Upkeep::Internal(_) | Upkeep::Files(_) => None,
        }
    }

    /// Keeps the certificates fresh, and the metric of every certificate's end in
    /// step, for as long as the program runs.
    pub(super) async fn keep_fresh(self, telemetry: Arc<Telemetry>) {
        let store = self.store;
        match self.upkeep {
            Upkeep::Acme(acme) => acme.keep(store).await,
            Upkeep::Internal(ca) => renew(&ca, &store, &telemetry).await,
            Upkeep::Files(watched) => watch(watched, &store, &telemetry).await,
        }
    }
}

async fn renew(ca: &InternalCa, store: &CertificateStore, telemetry: &Telemetry) {
    loop {
        tell_ends(store, telemetry);
        tokio::time::sleep(RENEWAL_CHECK).await;
        match ca.renew(store, OffsetDateTime::now_utc()) {
            Ok(true) => tracing::info!("certificates of the internal CA renewed"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "certificates of the internal CA not renewed"),
        }
    }
}

async fn watch(mut watched: Watched, store: &CertificateStore, telemetry: &Telemetry) {
    tell_ends(store, telemetry);
    loop {
        tokio::time::sleep(FILES_CHECK).await;
        let changes = watched.look(OffsetDateTime::now_utc());
        for change in &changes {
            change.tell();
        }
        if !changes.is_empty() {
            store.replace(watched.set());
            tell_ends(store, telemetry);
        }
    }
}

fn tell_ends(store: &CertificateStore, telemetry: &Telemetry) {
    let ends: Vec<_> = store.expiries().into_iter().collect();
    telemetry.keep_certificates(&ends.iter().map(|(name, _)| name.to_string()).collect());
    for (name, at) in ends {
        telemetry.certificate_expiry(&name.to_string(), at.unix_timestamp());
    }
}

/// Reads or makes the certificates of a configuration, or none where no listener needs any;
/// tells the log what an operator should know of them.
pub(super) fn prepare(
    config: &Config,
    telemetry: &Arc<Telemetry>,
    now: OffsetDateTime,
) -> Result<Option<Certificates>, NoCertificates> {
    if !config.listeners.iter().any(|listener| listener.tls) {
        return Ok(None);
    }
    let sites: Vec<Vec<CertificateName>> = config.sites.iter().map(names).collect();
    let certificates = match &config.tls.source {
        CertificateSource::Acme(written) => by_acme(config, written, telemetry, now)?,
        CertificateSource::Internal => {
            let opened = InternalCa::open(&config.state_folder, &sites, now)?;
            if let Some(note) = opened.note {
                tracing::warn!("{note}");
            }
            let store = CertificateStore::new(opened.ca.issue(now)?);
            let path = opened.ca.certificate_path().display();
            Certificates {
                store,
                source: format!("internal CA; give {path} to the clients that are to trust it"),
                upkeep: Upkeep::Internal(Box::new(opened.ca)),
            }
        }
        CertificateSource::Files { certificates } => {
            let files: Vec<PemFiles> = certificates.iter().map(pem_files).collect();
            let loaded = Watched::load(&files, now).map_err(NoCertificates::Files)?;
            let (watched, warnings) = loaded;
            for warning in &warnings {
                tracing::warn!("{warning}");
            }
            let set = watched.set();
            for name in set.uncovered(sites.iter().flatten()) {
                tracing::warn!(
                    "no certificate covers {name}: clients that ask for it get the first one and refuse it"
                );
            }
            Certificates {
                store: CertificateStore::new(set),
                source: format!("{} from files", files.len()),
                upkeep: Upkeep::Files(watched),
            }
        }
    };
    Ok(Some(certificates))
}

fn by_acme(
    config: &Config,
    written: &config::Acme,
    telemetry: &Arc<Telemetry>,
    now: OffsetDateTime,
) -> Result<Certificates, NoCertificates> {
    let settings = Settings {
        state_folder: config.state_folder.clone(),
        names: certificate_names(config),
        authorities: authorities::of(written)?,
        challenges: written.challenges.iter().copied().map(challenge).collect(),
        key: match written.key_type {
            KeyType::Ecdsa => KeyKind::Ecdsa,
            KeyType::Rsa => KeyKind::Rsa,
        },
        contact: written.contact.clone(),
    };
    let acme = Acme::open(settings, telemetry.clone(), now)?;
    let store = CertificateStore::new(acme.certificates()?);
    let missing: Vec<String> = acme.missing().map(ToString::to_string).collect();
    let authority = written.authorities.first();
    let authority = authority.map_or_else(String::new, |first| first.directory.to_string());
    let source = if missing.is_empty() {
        format!("by ACME from {authority}; all there")
    } else {
        let missing = missing.join(", ");
        format!("by ACME from {authority}; self-signed until ordered: {missing}")
    };
    Ok(Certificates {
        store,
        source,
        upkeep: Upkeep::Acme(Box::new(acme)),
    })
}

fn challenge(written: AcmeChallenge) -> ChallengeKind {
    match written {
        AcmeChallenge::TlsAlpn01 => ChallengeKind::TlsAlpn01,
        AcmeChallenge::Http01 => ChallengeKind::Http01,
    }
}

/// A pair of files as configured.
pub fn pem_files(written: &config::CertificateFiles) -> PemFiles {
    PemFiles {
        certificate: written.certificate.to_path_buf(),
        key: written.key.to_path_buf(),
    }
}

/// Every name that certificates are needed for, in the order of the configuration.
pub fn certificate_names(config: &Config) -> Vec<CertificateName> {
    let mut names: Vec<_> = config.sites.iter().flat_map(names).collect();
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// The names that a site's certificate must have.
fn names(site: &config::Site) -> Vec<CertificateName> {
    site.all_hosts()
        .filter_map(|host| host.parse::<ServerName>().ok())
        .map(|name| CertificateName::from(&name))
        .collect()
}
