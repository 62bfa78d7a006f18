//! Certificates for every name that is served: ordered, made or read at start, and kept fresh
//! while the program runs.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tokio::task::AbortHandle;

use super::authorities::{self, NoAuthority};
use crate::acme::{Acme, AcmeError, ChallengeKind, KeyKind, Settings};
use crate::config::{self, AcmeChallenge, CertificateSource, Config, KeyType};
use crate::listen::certificates::{
    CertificateError, CertificateName, CertificateSet, CertificateStore, CertificateWarning,
    PemFiles, Watched,
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

/// The certificates in use, and the task that keeps them fresh.
pub(super) struct Certificates {
    pub(super) serving: Serving,
    wanted: Wanted,
    upkeep: AbortHandle,
}

/// What handshakes are made with.
#[derive(Clone)]
pub(super) struct Serving {
    /// What they choose from: the same for as long as the program runs, so that session tickets
    /// go on to be good.
    pub(super) store: Arc<CertificateStore>,
    /// What certificate authorities are answered, where any is asked.
    pub(super) challenges: Option<Arc<Challenges>>,
}

/// What certificates follow from. As long as it stays the same, so do they.
#[derive(PartialEq, Eq)]
struct Wanted {
    source: CertificateSource,
    files: Vec<config::CertificateFiles>,
    state_folder: PathBuf,
    names: Vec<Vec<CertificateName>>,
}

/// Certificates that are ready to be served.
pub(super) struct Prepared {
    pub(super) serving: Serving,
    /// What is to be put into the store, where there are others in it.
    set: Option<CertificateSet>,
    upkeep: Upkeep,
    wanted: Wanted,
    /// One line for the log.
    source: String,
}

/// What is to be done for certificates while the program runs.
enum Upkeep {
    Acme(Box<Acme>),
    Internal(Box<InternalCa>),
    Files(Watched),
    /// Names that no file has are ordered, into a store of their own.
    FilesAndAcme(Watched, Box<Acme>, Arc<CertificateStore>),
}

impl Prepared {
    /// Serves them from now on, in place of those before.
    pub(super) fn serve(self, telemetry: Arc<Telemetry>) -> Certificates {
        tracing::info!("certificates: {}", self.source);
        let store = self.serving.store.clone();
        store.leave_others_to(match &self.upkeep {
            Upkeep::FilesAndAcme(_, _, ordered) => Some(ordered.clone()),
            Upkeep::Acme(_) | Upkeep::Internal(_) | Upkeep::Files(_) => None,
        });
        if let Some(set) = self.set {
            store.replace(set);
        }
        let upkeep = tokio::spawn(keep_fresh(self.upkeep, store, telemetry));
        Certificates {
            serving: self.serving,
            wanted: self.wanted,
            upkeep: upkeep.abort_handle(),
        }
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        self.upkeep.abort();
    }
}

/// Keeps the certificates fresh, and the metric of every certificate's end in
/// step, for as long as they are wanted.
async fn keep_fresh(upkeep: Upkeep, store: Arc<CertificateStore>, telemetry: Arc<Telemetry>) {
    match upkeep {
        Upkeep::Acme(acme) => acme.keep(store).await,
        Upkeep::Internal(ca) => renew(&ca, &store, &telemetry).await,
        Upkeep::Files(watched) => watch(watched, &store, &telemetry).await,
        Upkeep::FilesAndAcme(watched, acme, ordered) => {
            tokio::join!(watch(watched, &store, &telemetry), acme.keep(ordered));
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
    let ends: Vec<_> = store.expiries().into_iter().collect();
    telemetry.keep_certificates(&ends.iter().map(|(name, _)| name.to_string()).collect());
    for (name, at) in ends {
        telemetry.certificate_expiry(&name.to_string(), at.unix_timestamp());
    }
}

/// Whether any listener of a configuration needs certificates.
pub(super) fn are_wanted(config: &Config) -> bool {
    config.listeners.iter().any(|listener| listener.tls)
}

/// Reads or makes the certificates of a configuration, and tells the log what an operator should
/// know of them. None where `current` are what it wants.
pub(super) fn prepare(
    config: &Config,
    current: Option<&Certificates>,
    telemetry: &Arc<Telemetry>,
    now: OffsetDateTime,
) -> Result<Option<Prepared>, NoCertificates> {
    let wanted = Wanted {
        source: config.tls.source.clone(),
        files: config.tls.certificates.clone(),
        state_folder: config.state_folder.clone(),
        names: config.sites.iter().map(names).collect(),
    };
    if current.is_some_and(|current| current.wanted == wanted) {
        return Ok(None);
    }
    let (set, upkeep, source) = gather(config, &wanted.names, telemetry, now)?;
    let challenges = match &upkeep {
        Upkeep::Acme(acme) | Upkeep::FilesAndAcme(_, acme, _) => Some(acme.challenges()),
        Upkeep::Internal(_) | Upkeep::Files(_) => None,
    };
    let (store, set) = match current {
        Some(current) => (current.serving.store.clone(), Some(set)),
        None => (CertificateStore::new(set), None),
    };
    Ok(Some(Prepared {
        serving: Serving { store, challenges },
        set,
        upkeep,
        wanted,
        source,
    }))
}

/// What is to be served at first, what keeps it, and as the log says it.
fn gather(
    config: &Config,
    sites: &[Vec<CertificateName>],
    telemetry: &Arc<Telemetry>,
    now: OffsetDateTime,
) -> Result<(CertificateSet, Upkeep, String), NoCertificates> {
    Ok(match &config.tls.source {
        CertificateSource::Acme(written) => {
            let order = |names| by_acme(config, written, names, telemetry, now);
            match read_files(&config.tls.certificates, now)? {
                None => {
                    let (set, acme, source) = order(certificate_names(config))?;
                    (set, Upkeep::Acme(acme), source)
                }
                Some(files) => mixed(files, &certificate_names(config), order)?,
            }
        }
        CertificateSource::Internal => {
            let opened = InternalCa::open(&config.state_folder, sites, now)?;
            if let Some(note) = opened.note {
                tracing::warn!("{note}");
            }
            let set = opened.ca.issue(now)?;
            let path = opened.ca.certificate_path().display();
            let source = format!("internal CA; give {path} to the clients that are to trust it");
            (set, Upkeep::Internal(Box::new(opened.ca)), source)
        }
        CertificateSource::Files => {
            let files = read_files(&config.tls.certificates, now)?;
            let files =
                files.ok_or_else(|| NoCertificates::Files(vec![CertificateError::NoFiles]))?;
            let set = files.set();
            for name in set.uncovered(sites.iter().flatten()) {
                tracing::warn!(
                    "no certificate covers {name}: clients that ask for it get the first one and refuse it"
                );
            }
            let source = from_files(&files);
            (set, Upkeep::Files(files), source)
        }
    })
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

/// As the log says it.
fn from_files(files: &Watched) -> String {
    format!("{} from files", files.certificates().count())
}

/// Those of `files`, and what `order` brings for those of `names` that they lack.
fn mixed(
    files: Watched,
    names: &[CertificateName],
    order: impl FnOnce(Vec<CertificateName>) -> Result<Ordered, NoCertificates>,
) -> Result<(CertificateSet, Upkeep, String), NoCertificates> {
    let (set, source) = (files.set(), from_files(&files));
    let names: Vec<_> = set.uncovered(names).into_iter().cloned().collect();
    if names.is_empty() {
        return Ok((set, Upkeep::Files(files), source));
    }
    let (ordered, acme, by_acme) = order(names)?;
    let upkeep = Upkeep::FilesAndAcme(files, acme, CertificateStore::new(ordered));
    Ok((set, upkeep, format!("{source}, and {by_acme}")))
}

/// What there is by ACME, what keeps it, and as the log says it.
type Ordered = (CertificateSet, Box<Acme>, String);

fn by_acme(
    config: &Config,
    written: &config::Acme,
    names: Vec<CertificateName>,
    telemetry: &Arc<Telemetry>,
    now: OffsetDateTime,
) -> Result<Ordered, NoCertificates> {
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
    let set = acme.certificates()?;
    let missing: Vec<String> = acme.missing().map(ToString::to_string).collect();
    let authority = written.authorities.first();
    let authority = authority.map_or_else(String::new, |first| first.directory.to_string());
    let source = if missing.is_empty() {
        format!("by ACME from {authority}; all there")
    } else {
        let missing = missing.join(", ");
        format!("by ACME from {authority}; self-signed until ordered: {missing}")
    };
    Ok((set, Box::new(acme), source))
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
