//! What the state folder knows of a name, for an operator to look at.

use std::io;
use std::path::Path;

use time::OffsetDateTime;

use super::folder::{self, Folder};
use super::schedule::{self, Validity};
use crate::listen::certificates::CertificateName;

/// What is known of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// The directory of the authority that signed the certificate.
    pub authority: Option<String>,
    /// The end of the certificate; none while there is none.
    pub expires: Option<OffsetDateTime>,
    /// When the next one is ordered, if nothing happens.
    pub renewal: Option<OffsetDateTime>,
    /// What went wrong last.
    pub last_error: Option<String>,
}

/// Reads what the state folder has of `name`. Works while another process keeps it.
pub fn report(state_folder: &Path, name: &CertificateName) -> io::Result<Reported> {
    let folder = Folder::of(state_folder);
    let record = folder.record(name)?;
    let certificate = folder.pem(name)?;
    let certificate = certificate.and_then(|pem| folder::certificate(&pem));
    let validity = certificate.map(|certificate| Validity {
        from: certificate.not_before(),
        until: certificate.not_after(),
    });
    Ok(Reported {
        expires: validity.map(|validity| validity.until),
        renewal: schedule::next(name, validity, &record),
        authority: record.authority,
        last_error: record.last_error,
    })
}
