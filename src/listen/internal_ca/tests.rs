use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::{Error, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::listen::tls::crypto_provider;

fn names(texts: &[&str]) -> Vec<CertificateName> {
    texts.iter().map(|t| t.parse().unwrap()).collect()
}

fn now() -> OffsetDateTime {
    // Whole seconds, as certificates hold them.
    OffsetDateTime::now_utc().replace_nanosecond(0).unwrap()
}

fn open(folder: &Path, sites: &[&[&str]]) -> Opened {
    let sites: Vec<_> = sites.iter().map(|site| names(site)).collect();
    InternalCa::open(folder, &sites, now()).unwrap()
}

/// What a client that trusts `ca_pem` says to `certificate` as that of `name`.
fn verify(ca_pem: &str, certificate: &Certificate, name: &str) -> Result<(), Error> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap();
    roots.add(root).unwrap();
    let provider = Arc::new(crypto_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap();
    let name = ServerName::try_from(name).unwrap();
    let leaf = &certificate.chain()[0];
    verifier
        .verify_server_cert(leaf, &[], &name, &[], UnixTime::now())
        .map(|_| ())
}

#[test]
fn clients_of_the_ca_accept_every_name_of_every_site() {
    let folder = tempfile::tempdir().unwrap();
    let sites: &[&[&str]] = &[
        &["example.com", "matrix.example.com", "127.0.0.1"],
        &["example.org", "*.example.org", "::1"],
    ];
    let ca = open(folder.path(), sites).ca;
    let set = ca.issue(now()).unwrap();
    let [first, second] = set.certificates() else {
        panic!("one certificate per site");
    };
    for name in ["example.com", "matrix.example.com", "127.0.0.1", "::1"] {
        verify(ca.certificate_pem(), first, name).unwrap();
    }
    for name in ["example.org", "below.example.org"] {
        verify(ca.certificate_pem(), second, name).unwrap();
        verify(ca.certificate_pem(), first, name).unwrap_err();
    }
    assert!(
        set.uncovered(names(sites.concat().as_slice()).iter())
            .is_empty()
    );
}

#[test]
fn ca_is_worthless_for_other_names() {
    for (own, foreign) in [
        (
            &["example.com"][..],
            &["example.org", "127.0.0.1", "::1"][..],
        ),
        (
            &["example.com", "127.0.0.1"],
            &["other", "127.0.0.2", "::1"],
        ),
        (&["127.0.0.1"], &["example.com", "localhost", "127.0.0.2"]),
        (&["::1"], &["example.com", "127.0.0.1", "::2"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let ca = open(folder.path(), &[own]).ca;
        for name in foreign {
            let forged = ca.sign(&names(&[name]), now()).unwrap();
            let error = verify(ca.certificate_pem(), &forged, name).unwrap_err();
            assert!(
                error.to_string().to_lowercase().contains("nameconstraint"),
                "{own:?} {name}: {error}"
            );
        }
    }
}

#[test]
fn ca_says_that_it_signs_servers_alone_and_no_other_ca() {
    let folder = tempfile::tempdir().unwrap();
    let ca = open(folder.path(), &[&["example.com"]]).ca;
    let der = CertificateDer::from_pem_slice(ca.certificate_pem().as_bytes()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let basic = certificate.basic_constraints().unwrap().unwrap();
    assert_eq!(basic.value.path_len_constraint, Some(0));
    assert!(basic.critical && basic.value.ca);
    assert!(certificate.name_constraints().unwrap().unwrap().critical);
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert!(usage.key_cert_sign() && !usage.digital_signature());
    let extended = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && !extended.client_auth && !extended.any);
}

#[test]
fn ca_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/vestibule");
    let first = open(&path, &[&["example.com", "192.0.2.1"]]);
    let created = InternalCaNote::Created {
        path: path.join("ca.pem"),
    };
    assert_eq!(first.note, Some(created));

    // What lies below a name is permitted already, and fewer names are fine.
    let second = open(&path, &[&["example.com", "matrix.example.com"]]);
    assert_eq!(second.note, None);
    assert_eq!(first.ca.certificate_pem(), second.ca.certificate_pem());
    let set = second.ca.issue(now()).unwrap();
    let certificate = &set.certificates()[0];
    verify(first.ca.certificate_pem(), certificate, "example.com").unwrap();
}

#[test]
fn secrets_are_for_the_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    open(&path, &[&["example.com"]]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("ca.key")), 0o600);
    let mut files: Vec<_> = fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    files.sort();
    assert_eq!(files, ["ca.key", "ca.lock", "ca.pem"]);
}

#[test]
fn unfit_ca_is_replaced_and_kept_aside() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage, &str); 4] = [
        ("other.example", |_| (), "may not sign for other.example"),
        (
            "example.com",
            |f| fs::remove_file(f.join("ca.key")).unwrap(),
            "is missing",
        ),
        (
            "example.com",
            |f| fs::write(f.join("ca.pem"), "x").unwrap(),
            "is damaged",
        ),
        (
            "example.com",
            |f| {
                fs::write(
                    f.join("ca.key"),
                    KeyPair::generate().unwrap().serialize_pem(),
                )
                .unwrap();
            },
            "belongs to another",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (number, (name, damage, reason)) in cases.into_iter().enumerate() {
        let _ = fs::remove_file(folder.join("ca.pem"));
        open(folder, &[&["example.com"]]);
        damage(folder);
        let old = fs::read(folder.join("ca.pem")).unwrap();
        let opened = open(folder, &[&[name]]);
        let note = opened.note.unwrap();
        let InternalCaNote::Replaced { kept, .. } = &note else {
            panic!("{note}");
        };
        assert_eq!(*kept, folder.join(format!("ca.pem.{}", number + 1)));
        assert!(note.to_string().contains(reason), "{note}");
        assert_eq!(fs::read(kept).unwrap(), old);
        assert_eq!(open(folder, &[&[name]]).note, None);
    }
}

#[test]
fn ca_that_ends_before_its_certificates_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), &[&["example.com"]]);
    let sites = [names(&["example.com"])];
    let later = now() + Duration::days(3652 - 89);
    let note = InternalCa::open(folder.path(), &sites, later).unwrap().note;
    assert!(note.unwrap().to_string().contains("expires on"));
}

#[test]
fn certificates_are_renewed_after_two_thirds_of_their_life() {
    let folder = tempfile::tempdir().unwrap();
    let ca = open(folder.path(), &[&["example.com"]]).ca;
    let start = now();
    let store = CertificateStore::new(ca.issue(start).unwrap());
    assert!(!ca.renew(&store, start + Duration::days(59)).unwrap());
    assert!(ca.renew(&store, start + Duration::days(60)).unwrap());
    let (_, expiry) = store.expiries().pop_first().unwrap();
    assert_eq!(expiry, start + Duration::days(150));
}

#[test]
fn processes_that_start_at_once_share_one_ca() {
    let folder = tempfile::tempdir().unwrap();
    let pems: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| open(folder.path(), &[&["example.com"]])))
            .collect();
        let opened = threads.into_iter().map(|t| t.join().unwrap());
        opened.map(|o| o.ca.certificate_pem().to_owned()).collect()
    });
    assert!(pems.iter().all(|pem| *pem == pems[0]));
}

#[test]
fn folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = InternalCa::open(&file.join("state"), &[names(&["a.test"])], now()).unwrap_err();
    let text = error.to_string();
    let InternalCaError::Folder { folder, source } = error else {
        panic!("{text}");
    };
    assert_eq!(folder, file.join("state"));
    assert_eq!(source.kind(), ErrorKind::NotADirectory);
    assert!(text.contains("StateDirectory=vestibule"));
}

#[test]
fn no_name_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = InternalCa::open(folder.path(), &[vec![]], now()).unwrap_err();
    assert!(matches!(error, InternalCaError::NoNames));
}
