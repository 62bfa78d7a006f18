//! Certificate files that another program renews while we run.
//!
//! The contents are compared, not times or inodes, so it does not matter how many symbolic links
//! lead to them (certbot, Kubernetes), nor how they are replaced.

use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};

use time::OffsetDateTime;

use super::files::{load_pair, warnings_of};
use super::{
    Certificate, CertificateError, CertificateName, CertificateSet, CertificateWarning, PemFiles,
};
use crate::listen::settling::Settling;

/// Pairs of files, and what is served of them.
#[derive(Debug)]
pub struct Watched {
    first: Pair,
    others: Vec<Pair>,
}

#[derive(Debug)]
struct Pair {
    files: PemFiles,
    certificate: Certificate,
    settling: Settling,
}

/// What became of files with new contents.
#[derive(Debug)]
pub enum Change {
    /// They are served from now on.
    Replaced {
        /// The files.
        files: PemFiles,
        /// What an operator must look at all the same.
        warnings: Vec<CertificateWarning>,
    },
    /// They are not, and the old ones stay.
    Refused {
        /// What is wrong with the new ones.
        error: Unfit,
        /// When the old ones end.
        until: OffsetDateTime,
    },
}

/// Why new files do not take the place of the old ones.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// They make no certificate.
    #[error(transparent)]
    Bad(#[from] CertificateError),
    /// They would be refused by clients.
    #[error("{0}")]
    Expired(CertificateWarning),
}

impl Watched {
    /// Loads all `files`, in order; fails with every bad pair at once. `now` serves the warnings.
    pub fn load(
        files: &[PemFiles],
        now: OffsetDateTime,
    ) -> Result<(Self, Vec<CertificateWarning>), Vec<CertificateError>> {
        let (mut pairs, mut errors, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for files in files {
            let settling = Settling::new(contents(files));
            match load_pair(files) {
                Ok(certificate) => {
                    warnings.extend(warnings_of(&certificate, &files.certificate, now));
                    pairs.push(Pair {
                        files: files.clone(),
                        certificate,
                        settling,
                    });
                }
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut pairs = pairs.into_iter();
        let first = pairs
            .next()
            .ok_or_else(|| vec![CertificateError::NoFiles])?;
        let others = pairs.collect();
        Ok((Self { first, others }, warnings))
    }

    /// What is to be served; the first pair's is the default.
    pub fn set(&self) -> CertificateSet {
        let others = self.others.iter().map(|pair| pair.certificate.clone());
        CertificateSet::new(self.first.certificate.clone(), others)
    }

    /// Looks at all files, and says what changed.
    pub fn look(&mut self, now: OffsetDateTime) -> Vec<Change> {
        let pairs = std::iter::once(&mut self.first).chain(&mut self.others);
        pairs.filter_map(|pair| pair.look(now)).collect()
    }

    /// The certificates that have ended, or do before a tenth of their life is over.
    pub fn ending(&self, now: OffsetDateTime) -> Vec<CertificateWarning> {
        let pairs = std::iter::once(&self.first).chain(&self.others);
        let warnings =
            pairs.flat_map(|pair| warnings_of(&pair.certificate, &pair.files.certificate, now));
        let is_end = |warning: &CertificateWarning| {
            use CertificateWarning::{EndsSoon, Expired};
            matches!(warning, Expired { .. } | EndsSoon { .. })
        };
        warnings.filter(is_end).collect()
    }

    /// The names and the end of each certificate, with its files.
    pub fn certificates(&self) -> impl Iterator<Item = (&[CertificateName], OffsetDateTime)> {
        let pairs = std::iter::once(&self.first).chain(&self.others);
        pairs.map(|pair| (pair.certificate.names(), pair.certificate.not_after()))
    }
}

impl Pair {
    fn look(&mut self, now: OffsetDateTime) -> Option<Change> {
        if !self.settling.has_changed(contents(&self.files)) {
            return None;
        }
        Some(match self.judge(now) {
            Ok(warnings) => Change::Replaced {
                files: self.files.clone(),
                warnings,
            },
            Err(error) => Change::Refused {
                error,
                until: self.certificate.not_after(),
            },
        })
    }

    fn judge(&mut self, now: OffsetDateTime) -> Result<Vec<CertificateWarning>, Unfit> {
        let certificate = load_pair(&self.files)?;
        let warnings: Vec<_> = warnings_of(&certificate, &self.files.certificate, now).collect();
        let is_expired =
            |warning: &&CertificateWarning| matches!(warning, CertificateWarning::Expired { .. });
        if let Some(expired) = warnings.iter().find(is_expired) {
            return Err(Unfit::Expired(expired.clone()));
        }
        self.certificate = certificate;
        Ok(warnings)
    }
}

/// A fingerprint of both files; a file that cannot be read has one too.
fn contents(files: &PemFiles) -> u64 {
    let mut hasher = DefaultHasher::new();
    fs::read(&files.certificate).ok().hash(&mut hasher);
    fs::read(&files.key).ok().hash(&mut hasher);
    hasher.finish()
}

impl Change {
    /// Tells the log.
    pub fn tell(&self) {
        let Self::Replaced { warnings, .. } = self else {
            return tracing::error!("{self}");
        };
        tracing::info!("{self}");
        for warning in warnings {
            tracing::warn!("{warning}");
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced { files, .. } => {
                write!(f, "new certificate in {}", files.certificate.display())
            }
            Self::Refused { error, until } => {
                write!(f, "{error}; the old certificate stays, and ends at {until}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use rcgen::{CertificateParams, KeyPair};
    use time::Duration;

    use super::*;

    /// A pair for `name` that ends in `days`, as the two texts.
    fn pem(name: &str, days: i64) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = OffsetDateTime::now_utc() - Duration::days(90);
        params.not_after = OffsetDateTime::now_utc() + Duration::days(days);
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn write(folder: &Path, (certificate, key): &(String, String)) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("chain.pem"), certificate).unwrap();
        fs::write(folder.join("key.pem"), key).unwrap();
    }

    /// What is said after two looks.
    fn said(watched: &mut Watched) -> Option<String> {
        let now = OffsetDateTime::now_utc();
        assert!(watched.look(now).is_empty(), "judged at first sight");
        watched.look(now).pop().map(|change| change.to_string())
    }

    fn name_of(watched: &Watched) -> String {
        watched.set().certificates()[0].names()[0].to_string()
    }

    #[test]
    fn sound_files_replace_the_old_ones_and_others_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(folder, &pem("old.test", 5));
        let files = PemFiles {
            certificate: folder.join("chain.pem"),
            key: folder.join("key.pem"),
        };
        let now = OffsetDateTime::now_utc();
        let (mut watched, warnings) = Watched::load(&[files], now).unwrap();
        assert!(warnings[0].to_string().contains("nobody has renewed it"));
        assert_eq!(watched.ending(now), warnings);
        assert_eq!(watched.ending(now - Duration::days(30)), []);
        let later = &watched.ending(now + Duration::days(6))[0];
        assert!(matches!(later, CertificateWarning::Expired { .. }));
        assert_eq!(said(&mut watched), None);

        let (certificate, key) = pem("new.test", 90);
        for (bad, reason) in [
            ((certificate.clone(), pem("x.test", 1).1), "does not belong"),
            ((certificate[..200].to_owned(), key.clone()), "PEM"),
            ((String::new(), key.clone()), "holds no certificate"),
            (pem("expired.test", -1), "expired on"),
        ] {
            write(folder, &bad);
            let told = said(&mut watched).unwrap();
            assert!(told.contains(reason), "{told}");
            assert_eq!(said(&mut watched), None, "said once");
            assert_eq!(name_of(&watched), "old.test");
        }
        fs::remove_file(folder.join("key.pem")).unwrap();
        assert!(said(&mut watched).unwrap().contains("cannot read"));

        write(folder, &(certificate, key));
        assert!(said(&mut watched).unwrap().contains("new certificate"));
        assert_eq!(name_of(&watched), "new.test");
    }

    #[test]
    fn files_behind_links_are_seen_to_change() {
        // As Kubernetes does: one link is moved, and both files are others.
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(&folder.join("1"), &pem("old.test", 5));
        write(&folder.join("2"), &pem("new.test", 90));
        symlink("1", folder.join("..data")).unwrap();
        symlink("..data/chain.pem", folder.join("tls.crt")).unwrap();
        symlink("..data/key.pem", folder.join("tls.key")).unwrap();
        let files = PemFiles {
            certificate: folder.join("tls.crt"),
            key: folder.join("tls.key"),
        };
        let now = OffsetDateTime::now_utc();
        let (mut watched, _) = Watched::load(&[files], now).unwrap();
        symlink("2", folder.join("next")).unwrap();
        fs::rename(folder.join("next"), folder.join("..data")).unwrap();
        assert!(said(&mut watched).unwrap().contains("new certificate"));
        assert_eq!(name_of(&watched), "new.test");
    }
}
