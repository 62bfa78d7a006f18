//! Certificates for every name that is served: ordered, made or read at start, and kept fresh
//! while the program runs.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use time::OffsetDateTime;

use super::authorities::{self, NoAuthority};
use crate::acme::{Acme, AcmeError, ChallengeKind, KeyKind, Settings};
use crate::config::{self, AcmeChallenge, CertificateSource, Config, KeyType};
use crate::listen::certificates::{
    CertificateError, CertificateName, CertificateStore, CertificateWarning, PemFiles, Watched,
};
use crate::listen::challenges::Challenges;
use crate::listen::internal_ca::{InternalCa, InternalCaError};
use crate::matrix::ServerName;
use crate::telemetry::Telemetry;

/// How often it is looked whether a certificate of the internal CA is due.
const RENEWAL_CHECK: Duration = Duration::from_hours(1);

/// How often it is looked whether files changed: certificates, and the secret of tickets.
pub(super) const FILES_CHECK: Duration = Duration::from_secs(2);

/// How often the log says of certificate files that they end soon, or have ended.
const ENDS_TOLD: Duration = Duration::from_hours(6);

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
    /// What keeps them fresh, each with the store of its own.
    upkeep: Vec<(Upkeep, Arc<CertificateStore>)>,
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
        self.upkeep.iter().find_map(|(upkeep, _)| match upkeep {
            Upkeep::Acme(acme) => Some(acme.challenges()),
            Upkeep::Internal(_) | Upkeep::Files(_) => None,
        })
    }

    /// Keeps the certificates fresh, and the metric of every certificate's end in
    /// step, for as long as the program runs.
    pub(super) async fn keep_fresh(self, telemetry: Arc<Telemetry>) {
        let keep = async |(upkeep, store): (Upkeep, Arc<CertificateStore>)| match upkeep {
            Upkeep::Acme(acme) => acme.keep(store).await,
            Upkeep::Internal(ca) => renew(&ca, &store, &telemetry).await,
            Upkeep::Files(watched) => watch(watched, &store, &telemetry).await,
        };
        join_all(self.upkeep.into_iter().map(keep)).await;
    }

    fn new(upkeep: Upkeep, store: Arc<CertificateStore>, source: String) -> Self {
        Self {
            upkeep: vec![(upkeep, store.clone())],
            store,
            source,
        }
    }

    /// From `files`, and from `others` where they lack a name.
    fn from_files(files: Watched, others: Option<Self>) -> Self {
        let count = files.certificates().count();
        let (set, source) = (files.set(), format!("{count} from files"));
        let Some(others) = others else {
            return Self::new(Upkeep::Files(files), CertificateStore::new(set), source);
        };
        let store = CertificateStore::before(set, others.store);
        let source = format!("{source}, and {}", others.source);
        let mut certificates = Self::new(Upkeep::Files(files), store, source);
        certificates.upkeep.extend(others.upkeep);
        certificates
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
    let mut told = Instant::now();
    loop {
        tokio::time::sleep(FILES_CHECK).await;
        if told.elapsed() > ENDS_TOLD {
            told = Instant::now();
            tell_ending(&watched);
        }
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

fn tell_ending(watched: &Watched) {
    for warning in watched.ending(OffsetDateTime::now_utc()) {
        match warning {
            CertificateWarning::Expired { .. } => tracing::error!("{warning}"),
            CertificateWarning::EndsSoon { .. }
            | CertificateWarning::NotYetValid { .. }
            | CertificateWarning::ChainMissing { .. } => tracing::warn!("{warning}"),
        }
    }
}

fn tell_ends(store: &CertificateStore, telemetry: &Telemetry) {
    for (name, at) in store.expiries() {
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
    let files = read_files(&config.tls.certificates, now)?;
    let certificates = match &config.tls.source {
        CertificateSource::Acme(written) => {
            let order = |names| by_acme(config, written, names, telemetry, now);
            let names = certificate_names(config);
            let Some(files) = files else {
                return Ok(Some(order(names)?));
            };
            let set = files.set();
            let names: Vec<_> = set.uncovered(&names).into_iter().cloned().collect();
            let ordered = (!names.is_empty()).then(|| order(names)).transpose()?;
            Certificates::from_files(files, ordered)
        }
        CertificateSource::Internal => {
            let sites: Vec<Vec<CertificateName>> = config.sites.iter().map(names).collect();
            let opened = InternalCa::open(&config.state_folder, &sites, now)?;
            if let Some(note) = opened.note {
                tracing::warn!("{note}");
            }
            let store = CertificateStore::new(opened.ca.issue(now)?);
            let path = opened.ca.certificate_path().display();
            let source = format!("internal CA; give {path} to the clients that are to trust it");
            Certificates::new(Upkeep::Internal(Box::new(opened.ca)), store, source)
        }
        CertificateSource::Files => {
            let files =
                files.ok_or_else(|| NoCertificates::Files(vec![CertificateError::NoFiles]))?;
            for name in files.set().uncovered(&certificate_names(config)) {
                tracing::warn!(
                    "no certificate covers {name}: clients that ask for it get the first one and refuse it"
                );
            }
            Certificates::from_files(files, None)
        }
    };
    Ok(Some(certificates))
}

/// The pairs of files, where there are any.
fn read_files(
    written: &[config::CertificateFiles],
    now: OffsetDateTime,
) -> Result<Option<Watched>, NoCertificates> {
    if written.is_empty() {
        return Ok(None);
    }
    let files: Vec<PemFiles> = written.iter().map(pem_files).collect();
    let (watched, warnings) = Watched::load(&files, now).map_err(NoCertificates::Files)?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    Ok(Some(watched))
}

fn by_acme(
    config: &Config,
    written: &config::Acme,
    names: Vec<CertificateName>,
    telemetry: &Arc<Telemetry>,
    now: OffsetDateTime,
) -> Result<Certificates, NoCertificates> {
    let settings = Settings {
        state_folder: config.state_folder.clone(),
        names,
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
    let upkeep = Upkeep::Acme(Box::new(acme));
    Ok(Certificates::new(upkeep, store, source))
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
