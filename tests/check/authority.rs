//! Certificates: a root, an intermediate, and servers' certificates as public authorities make
//! them.

use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use super::program::find;

/// Where the certificate of the issuer is to be had: an `AuthorityInfoAccess` with the URL
/// `http://ca.test/i.crt`.
const ISSUER_ACCESS: &[u8] =
    b"\x30\x22\x30\x20\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02\x86\x14http://ca.test/i.crt";

/// Signs for one test.
pub(crate) struct Authority {
    root: Issuer<'static, KeyPair>,
    root_pem: String,
    intermediate: Issuer<'static, KeyPair>,
    intermediate_pem: String,
}

/// A certificate to be made.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) names: Vec<&'static str>,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    pub(crate) purpose: ExtendedKeyUsagePurpose,
}

impl Wanted {
    /// A good one.
    pub(crate) fn new(names: &[&'static str]) -> Self {
        Self {
            names: names.to_vec(),
            from: Duration::days(-1),
            until: Duration::days(89),
            purpose: ExtendedKeyUsagePurpose::ServerAuth,
        }
    }
}

/// PEM: the certificate alone, its intermediate, and the key.
pub(crate) struct Made {
    pub(crate) leaf: String,
    pub(crate) intermediate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let (root, root_pem) = authority(&format!("{name} Root"), None);
        let (intermediate, intermediate_pem) =
            authority(&format!("{name} Intermediate"), Some(&root));
        Self {
            root,
            root_pem,
            intermediate,
            intermediate_pem,
        }
    }

    /// Writes the root into `folder`.
    pub(crate) fn write_root(&self, folder: &Path) -> PathBuf {
        let path = folder.join("root.pem");
        std::fs::write(&path, &self.root_pem).unwrap();
        path
    }

    /// Makes a certificate that the root signs with SHA-1, which only OpenSSL still does.
    pub(crate) fn make_with_sha1(&self, wanted: &Wanted, folder: &Path) -> Option<Made> {
        let openssl = find("openssl")?;
        let key = KeyPair::generate().unwrap();
        let request = params(wanted).serialize_request(&key).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write("request.csr", &request.pem().unwrap());
        write("root.pem", &self.root_pem);
        write("root.key", &self.root.key().serialize_pem());
        let output = Command::new(openssl)
            .current_dir(folder)
            .args(["x509", "-req", "-sha1", "-days", "30", "-set_serial", "7"])
            .args([
                "-in",
                "request.csr",
                "-CA",
                "root.pem",
                "-CAkey",
                "root.key",
            ])
            .args(["-copy_extensions", "copy"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        Some(Made {
            leaf: String::from_utf8(output.stdout).unwrap(),
            intermediate: String::new(),
            key: key.serialize_pem(),
        })
    }

    /// Makes a certificate, signed by the intermediate.
    pub(crate) fn make(&self, wanted: &Wanted) -> Made {
        self.signed_by(wanted, &self.intermediate, true)
    }

    /// Makes one that is signed by the root, and says nothing of its issuer.
    pub(crate) fn make_without_intermediate(&self, wanted: &Wanted) -> Made {
        self.signed_by(wanted, &self.root, false)
    }

    fn signed_by(&self, wanted: &Wanted, issuer: &Issuer<'_, KeyPair>, has_access: bool) -> Made {
        let key = KeyPair::generate().unwrap();
        let mut params = params(wanted);
        if has_access {
            let access = CustomExtension::from_oid_content(
                &[1, 3, 6, 1, 5, 5, 7, 1, 1],
                ISSUER_ACCESS.to_vec(),
            );
            params.custom_extensions = vec![access];
        }
        Made {
            leaf: params.signed_by(&key, issuer).unwrap().pem(),
            intermediate: self.intermediate_pem.clone(),
            key: key.serialize_pem(),
        }
    }
}

/// A certificate that signs itself.
pub(crate) fn self_signed(wanted: &Wanted) -> Made {
    let key = KeyPair::generate().unwrap();
    Made {
        leaf: params(wanted).self_signed(&key).unwrap().pem(),
        intermediate: String::new(),
        key: key.serialize_pem(),
    }
}

fn params(wanted: &Wanted) -> CertificateParams {
    let names: Vec<String> = wanted.names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, wanted.names[0]);
    let now = OffsetDateTime::now_utc();
    params.extended_key_usages = vec![wanted.purpose.clone()];
    params.not_before = now + wanted.from;
    params.not_after = now + wanted.until;
    params
}

fn authority(
    name: &str,
    issuer: Option<&Issuer<'static, KeyPair>>,
) -> (Issuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().unwrap();
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    (Issuer::new(params, key), certificate.pem())
}
