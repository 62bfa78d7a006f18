use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, CustomExtension, KeyPair, PKCS_RSA_SHA256, SanType};
use rustls::SignatureAlgorithm;
use rustls_pki_types::PrivateKeyDer;
use time::Duration;

use super::*;

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    CertificateParams::new(names).unwrap()
}

fn certificate(names: &[&str], key: &KeyPair) -> Certificate {
    let der = params(names).self_signed(key).unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    Certificate::new(vec![der.into()], &key).unwrap()
}

fn ecdsa(names: &[&str]) -> Certificate {
    certificate(names, &KeyPair::generate().unwrap())
}

/// What is served of files, and what is said of them.
#[derive(Debug)]
struct Loaded {
    set: CertificateSet,
    warnings: Vec<CertificateWarning>,
}

fn load(files: &[PemFiles], now: OffsetDateTime) -> Result<Loaded, Vec<CertificateError>> {
    let (watched, warnings) = Watched::load(files, now)?;
    let set = watched.set();
    Ok(Loaded { set, warnings })
}

fn name(text: &str) -> CertificateName {
    text.parse().unwrap()
}

/// Which of the set's certificates is served, by its position.
fn served(set: &CertificateSet, name: Option<&str>) -> usize {
    let key = set.select(name, |_| true).unwrap();
    let is_it = |c: &Certificate| Arc::ptr_eq(c.key(), &key);
    set.certificates().iter().position(is_it).unwrap()
}

#[test]
fn exact_name_is_served_before_wildcard_before_default() {
    let set = CertificateSet::new(
        ecdsa(&["default.test"]),
        [
            ecdsa(&["*.example.com"]),
            ecdsa(&["matrix.example.com", "192.0.2.1"]),
        ],
    );
    for (name, expected) in [
        (Some("matrix.example.com"), 2),
        (Some("other.example.com"), 1),
        (Some("a.b.example.com"), 0),
        (Some("example.com"), 0),
        (Some("default.test"), 0),
        (Some("unknown"), 0),
        // Who asks for no name connects to an address.
        (None, 2),
    ] {
        assert_eq!(served(&set, name), expected, "{name:?}");
    }
    let without_address = CertificateSet::new(ecdsa(&["a.test"]), [ecdsa(&["b.test"])]);
    assert_eq!(served(&without_address, None), 0);
}

#[test]
fn of_two_kinds_of_key_the_client_gets_one_it_can_verify() {
    let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let set = CertificateSet::new(
        ecdsa(&["example.com"]),
        [certificate(&["example.com"], &rsa), ecdsa(&["ecdsa.test"])],
    );
    let only = |algorithm| move |key: &CertifiedKey| key.key.algorithm() == algorithm;
    let algorithm = |name, usable| {
        let key = set.select(name, only(usable)).unwrap();
        key.key.algorithm()
    };
    for wanted in [SignatureAlgorithm::ECDSA, SignatureAlgorithm::RSA] {
        assert_eq!(algorithm(Some("example.com"), wanted), wanted);
        assert_eq!(algorithm(None, wanted), wanted);
    }
    // Never the certificate of another name.
    let ecdsa_only = algorithm(Some("ecdsa.test"), SignatureAlgorithm::RSA);
    assert_eq!(ecdsa_only, SignatureAlgorithm::ECDSA);
}

#[test]
fn names_without_certificate_are_listed() {
    let set = CertificateSet::new(ecdsa(&["example.com", "*.example.com", "192.0.2.1"]), []);
    let names = [
        "example.com",
        "a.example.com",
        "192.0.2.1",
        "a.b.example.com",
        "192.0.2.2",
        "example.org",
    ]
    .map(name);
    let uncovered: Vec<_> = set
        .uncovered(&names)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(uncovered, ["a.b.example.com", "192.0.2.2", "example.org"]);
}

#[test]
fn expiry_of_a_name_is_the_first_of_its_certificates() {
    let key = KeyPair::generate().unwrap();
    let at = |days: i64| {
        let mut params = params(&["example.com"]);
        params.not_after = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000 + days);
        let der = params.self_signed(&key).unwrap();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Certificate::new(vec![der.into()], &key).unwrap()
    };
    let store = CertificateStore::new(CertificateSet::new(at(9), [at(3), at(5)]));
    let expected = OffsetDateTime::UNIX_EPOCH + Duration::days(20_003);
    assert_eq!(
        store.expiries(),
        BTreeMap::from([(name("example.com"), expected)])
    );
}

/// PEM files in a folder of their own.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(file);
        fs::write(&path, text).unwrap();
        path
    }

    /// A certificate by `params` and its key, as `name.pem` and `name.key`.
    fn pair(&self, name: &str, params: &CertificateParams) -> PemFiles {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        PemFiles {
            certificate: self.write(&format!("{name}.pem"), &certificate.pem()),
            key: self.write(&format!("{name}.key"), &key.serialize_pem()),
        }
    }
}

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
}

fn load_one(pair: &PemFiles) -> Result<Loaded, CertificateError> {
    load(std::slice::from_ref(pair), now()).map_err(|mut errors| errors.remove(0))
}

#[test]
fn files_are_loaded_in_order_and_read_by_their_alternative_names() {
    let files = Files::new();
    let mut first = params(&["Example.com", "2001:db8::1"]);
    let mail = SanType::Rfc822Name("admin@example.com".try_into().unwrap());
    first.subject_alt_names.push(mail);
    let first = files.pair("first", &first);
    let second = files.pair("second", &params(&["*.example.org"]));
    let loaded = load(&[first, second], now()).unwrap();
    assert_eq!(loaded.warnings, []);
    let [first, second] = loaded.set.certificates() else {
        panic!("two certificates");
    };
    assert_eq!(first.names(), [name("example.com"), name("2001:db8::1")]);
    assert_eq!(second.names(), [name("*.example.org")]);
}

#[test]
fn key_and_chain_may_share_a_file() {
    let files = Files::new();
    let pair = files.pair("a", &params(&["example.com"]));
    let both = [&pair.key, &pair.certificate, &pair.certificate]
        .map(|path| fs::read_to_string(path).unwrap())
        .concat();
    let both = files.write("both.pem", &both);
    let loaded = load_one(&PemFiles {
        certificate: both.clone(),
        key: both,
    });
    assert_eq!(loaded.unwrap().set.certificates()[0].chain().len(), 2);
}

#[test]
fn every_bad_pair_is_told_with_file_and_remedy() {
    let files = Files::new();
    let good = files.pair("good", &params(&["example.com"]));
    let other = files.pair("other", &params(&["example.com"]));
    let nameless = files.pair("nameless", &params(&[]));
    let encrypted = files.write(
        "encrypted.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let nonsense = files.write(
        "nonsense.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n\
         -----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    );
    let cut = files.write("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let empty = files.write("empty.pem", "");
    let missing = files.folder.path().join("missing.pem");
    let cases: [(&Path, &Path, &Path, &str); 10] = [
        (&missing, &good.key, &missing, "check that it is there"),
        (
            &good.certificate,
            &missing,
            &missing,
            "check that it is there",
        ),
        (&empty, &good.key, &empty, "fullchain.pem"),
        (&good.key, &good.key, &good.key, "fullchain.pem"),
        (&cut, &good.key, &cut, "not sound PEM"),
        (&good.certificate, &empty, &empty, "privkey.pem"),
        (&good.certificate, &encrypted, &encrypted, "openssl pkey"),
        (&nonsense, &good.key, &nonsense, "malformed"),
        (&good.certificate, &nonsense, &nonsense, "use ECDSA"),
        (&good.certificate, &other.key, &other.key, "made together"),
    ];
    let pairs: Vec<_> = cases
        .iter()
        .map(|(certificate, key, ..)| PemFiles {
            certificate: certificate.to_path_buf(),
            key: key.to_path_buf(),
        })
        .collect();
    let errors = load(&pairs, now()).unwrap_err();
    assert_eq!(errors.len(), cases.len());
    for (error, (.., file, remedy)) in errors.iter().zip(cases) {
        let text = error.to_string();
        assert!(text.contains(&file.display().to_string()), "{text}");
        assert!(text.contains(remedy), "{text}");
    }
    assert!(matches!(errors[9], CertificateError::KeyMismatch { .. }));
    let error = load_one(&nameless).unwrap_err();
    assert!(matches!(error, CertificateError::NoName { .. }), "{error}");
    let error = load(&[], now()).unwrap_err();
    assert!(matches!(error[..], [CertificateError::NoFiles]));
}

#[test]
fn certificate_out_of_its_time_is_served_with_a_warning() {
    let files = Files::new();
    let mut early = params(&["early.test"]);
    early.not_before = now() + Duration::days(1);
    let mut late = params(&["late.test"]);
    late.not_after = now() - Duration::days(1);
    let (early, late) = (files.pair("early", &early), files.pair("late", &late));
    let loaded = load(&[early.clone(), late.clone()], now()).unwrap();
    assert_eq!(loaded.set.certificates().len(), 2);
    assert_eq!(
        loaded.warnings,
        [
            CertificateWarning::NotYetValid {
                path: early.certificate,
                at: now() + Duration::days(1),
            },
            CertificateWarning::Expired {
                path: late.certificate,
                at: now() - Duration::days(1),
            },
        ]
    );
}

#[test]
fn missing_intermediate_is_told() {
    // Authority information access with one caIssuers URL, http://a/.
    let access = [
        &[0x30, 0x17, 0x30, 0x15, 0x06, 0x08][..],
        &[0x2b, 6, 1, 5, 5, 7, 0x30, 2, 0x86, 9],
        b"http://a/",
    ]
    .concat();
    let mut params = params(&["example.com"]);
    let oid = [1, 3, 6, 1, 5, 5, 7, 1, 1];
    params.custom_extensions = vec![CustomExtension::from_oid_content(&oid, access)];
    let files = Files::new();
    let pair = files.pair("cert", &params);
    let loaded = load_one(&pair).unwrap();
    let path = pair.certificate.clone();
    assert_eq!(loaded.warnings, [CertificateWarning::ChainMissing { path }]);

    let chain = fs::read_to_string(&pair.certificate).unwrap().repeat(2);
    fs::write(&pair.certificate, chain).unwrap();
    assert_eq!(load_one(&pair).unwrap().warnings, []);
}
