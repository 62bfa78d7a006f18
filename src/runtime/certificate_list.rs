//! What there is of certificates, name by name: for `vestibule certs` and the admin listener.

use time::OffsetDateTime;

use super::certificates::{certificate_names, pem_files};
use crate::acme;
use crate::admin::CertificateRow;
use crate::config::{CertificateSource, Config};
use crate::listen::certificates::{CertificateName, CertificateStore, PemFiles, Watched};

/// Every name that needs a certificate. Read from the configuration and the state folder, so
/// nothing has to run; what the internal CA signed lives in memory and has no end here.
/// An error is for people.
pub fn certificate_rows(config: &Config) -> Result<Vec<CertificateRow>, String> {
    let names = certificate_names(config);
    match &config.tls.source {
        CertificateSource::Acme(_) => names.iter().map(|name| by_acme(config, name)).collect(),
        CertificateSource::Internal => Ok(names.iter().map(internal).collect()),
        CertificateSource::Files { certificates } => {
            let files: Vec<PemFiles> = certificates.iter().map(pem_files).collect();
            from_files(&files, &names)
        }
    }
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

fn from_files(
    files: &[PemFiles],
    names: &[CertificateName],
) -> Result<Vec<CertificateRow>, String> {
    let now = OffsetDateTime::now_utc();
    let (watched, _) = Watched::load(files, now).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        errors.join("; ")
    })?;
    let set = watched.set();
    let row = |name: &CertificateName| {
        let certificate = set.certificates().iter().find(|it| it.covers(name));
        let uncovered = || "no certificate has this name".to_owned();
        CertificateRow {
            name: name.to_string(),
            source: "files",
            expires: certificate.map(|it| text(it.not_after())),
            last_error: certificate.is_none().then(uncovered),
            ..CertificateRow::default()
        }
    };
    Ok(names.iter().map(row).collect())
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
