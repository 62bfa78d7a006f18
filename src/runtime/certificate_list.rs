//! What there is of certificates, name by name: for `vestibule certs` and the admin listener.

use time::OffsetDateTime;

use super::certificates::{certificate_names, pem_files};
use crate::acme;
use crate::admin::CertificateRow;
use crate::config::{CertificateFiles, CertificateSource, Config};
use crate::listen::certificates::{
    Certificate, CertificateName, CertificateStore, PemFiles, Watched,
};

/// Every name that needs a certificate. Read from the configuration and the state folder, so
/// nothing has to run; what the internal CA signed lives in memory and has no end here.
/// An error is for people.
pub fn certificate_rows(config: &Config) -> Result<Vec<CertificateRow>, String> {
    let files = files(&config.tls.certificates)?;
    let names = certificate_names(config);
    let row = |name: &CertificateName| {
        let file = files.iter().find(|file| file.covers(name));
        match (&config.tls.source, file) {
            (_, Some(file)) => Ok(from_file(name, Some(file))),
            (CertificateSource::Acme(_), None) => by_acme(config, name),
            (CertificateSource::Internal, None) => Ok(internal(name)),
            (CertificateSource::Files, None) => Ok(from_file(name, None)),
        }
    };
    names.iter().map(row).collect()
}

/// The same of a process that runs, which knows when the certificates in memory end.
pub(super) fn ends_from(
    store: &CertificateStore,
    mut rows: Vec<CertificateRow>,
) -> Vec<CertificateRow> {
    let ends = store.expiries();
    for row in rows.iter_mut().filter(|row| row.source == "internal") {
        let end = ends.iter().find(|(name, _)| name.to_string() == row.name);
        row.expires = end.map(|(_, at)| text(*at));
    }
    rows
}

fn by_acme(config: &Config, name: &CertificateName) -> Result<CertificateRow, String> {
    let folder = &config.state_folder;
    let known = acme::report(folder, name)
        .map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    Ok(CertificateRow {
        name: name.to_string(),
        source: "acme",
        authority: known.authority,
        expires: known.expires.map(text),
        next_renewal: known.renewal.map(text),
        last_error: known.last_error,
    })
}

fn internal(name: &CertificateName) -> CertificateRow {
    CertificateRow {
        name: name.to_string(),
        source: "internal",
        ..CertificateRow::default()
    }
}

/// The certificates in files, where there are any.
fn files(written: &[CertificateFiles]) -> Result<Vec<Certificate>, String> {
    if written.is_empty() {
        return Ok(Vec::new());
    }
    let files: Vec<PemFiles> = written.iter().map(pem_files).collect();
    let (watched, _) = Watched::load(&files, OffsetDateTime::now_utc()).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        errors.join("; ")
    })?;
    Ok(watched.set().certificates().to_vec())
}

fn from_file(name: &CertificateName, certificate: Option<&Certificate>) -> CertificateRow {
    let uncovered = || "no certificate has this name".to_owned();
    CertificateRow {
        name: name.to_string(),
        source: "files",
        expires: certificate.map(|it| text(it.not_after())),
        last_error: certificate.is_none().then(uncovered),
        ..CertificateRow::default()
    }
}

/// As RFC 3339 has it, in whole seconds.
fn text(at: OffsetDateTime) -> String {
    format!(
        "{}T{:02}:{:02}:{:02}Z",
        at.date(),
        at.hour(),
        at.minute(),
        at.second()
    )
}
