//! Judges the certificates of a handshake as another homeserver would, and says what is wrong.

use std::fmt::Write;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error};
use x509_parser::oid_registry::{
    OID_PKCS1_SHA1WITHRSA, OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS, Oid,
};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate, X509Name};

use super::fault;
use super::findings::{Findings, Ledger, Names};
use super::report;
use super::text::printable;
use super::tls::subject;

const DAY: i64 = 24 * 3600;
/// Renewal should have happened so long before the end.
const EXPIRING: i64 = 14 * DAY;

/// What a chain is checked against.
pub(super) struct Standard<'a> {
    /// The name that it must be for.
    pub(super) name: &'a str,
    /// Who is trusted.
    pub(super) roots: &'a RootCertStore,
    pub(super) provider: &'a CryptoProvider,
    /// Seconds since 1970.
    pub(super) now: i64,
}

/// What is wrong with `chain`, as `at` sent it.
pub(super) fn judge(
    chain: &[CertificateDer<'_>],
    standard: &Standard<'_>,
    at: &str,
    names: &Names,
) -> Findings {
    let mut findings = Findings::default();
    let mut ledger = Ledger {
        at,
        names,
        findings: &mut findings,
    };
    match chain
        .first()
        .map(|leaf| (leaf, X509Certificate::from_der(leaf)))
    {
        Some((leaf, Ok((_, parsed)))) => {
            let chain = Chain {
                leaf,
                parsed,
                others: chain.get(1..).unwrap_or_default(),
            };
            chain.judge_name(standard, &mut ledger);
            let is_current = chain.judge_time(standard, &mut ledger);
            chain.judge_signatures(is_current, standard, &mut ledger);
            chain.judge_leaves(&mut ledger);
        }
        Some((_, Err(_))) => {
            ledger.add(
                &fault::TLS_CHAIN_BROKEN,
                format!("{at} sends a malformed certificate"),
            );
        }
        None => ledger.add(
            &fault::TLS_CHAIN_BROKEN,
            format!("{at} sends no certificate"),
        ),
    }
    findings
}

/// What a server sent.
struct Chain<'a> {
    leaf: &'a CertificateDer<'a>,
    parsed: X509Certificate<'a>,
    others: &'a [CertificateDer<'a>],
}

impl Chain<'_> {
    fn judge_name(&self, standard: &Standard<'_>, ledger: &mut Ledger<'_>) {
        let is_valid = ParsedCertificate::try_from(self.leaf).is_ok_and(|certificate| {
            subject(standard.name)
                .is_some_and(|name| verify_server_name(&certificate, &name).is_ok())
        });
        if !is_valid {
            let own = alternative_names(&self.parsed).join(", ");
            let (at, name) = (ledger.at, standard.name);
            let seen = format!("the certificate at {at} is for {own}, not for {name}");
            ledger.add(&fault::TLS_NAME, seen);
        }
    }

    /// Seconds since 1970 between which the certificate is valid.
    fn span(&self) -> (i64, i64) {
        let validity = self.parsed.validity();
        (
            validity.not_before.timestamp(),
            validity.not_after.timestamp(),
        )
    }

    /// Whether the certificate is valid now.
    fn judge_time(&self, standard: &Standard<'_>, ledger: &mut Ledger<'_>) -> bool {
        let (at, validity) = (ledger.at, self.parsed.validity());
        let (begin, end) = self.span();
        if standard.now > end {
            let days = (standard.now - end) / DAY;
            let until = validity.not_after;
            let seen = format!("the certificate at {at} expired {days} days ago ({until})");
            ledger.add(&fault::TLS_EXPIRED, seen);
            return false;
        }
        if standard.now < begin {
            let from = validity.not_before;
            let seen = format!("the certificate at {at} is valid from {from} on");
            ledger.add(&fault::TLS_NOT_YET, seen);
            return false;
        }
        // Certificates that live for days are renewed in days.
        if end - standard.now < EXPIRING.min((end - begin) / 4) {
            let hours = (end - standard.now) / 3600;
            let (days, hours) = (hours / 24, hours % 24);
            let seen = format!("the certificate at {at} expires in {days} days and {hours} h");
            ledger.add(&fault::TLS_EXPIRING, seen);
        }
        true
    }

    fn judge_signatures(&self, is_current: bool, standard: &Standard<'_>, ledger: &mut Ledger<'_>) {
        // One fault at a time: out of its time, the chain is judged as it was within it.
        let (begin, end) = self.span();
        let now = if is_current {
            standard.now
        } else {
            standard.now.clamp(begin, end)
        };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now.unsigned_abs()));
        let verified = ParsedCertificate::try_from(self.leaf).and_then(|certificate| {
            let algorithms = standard.provider.signature_verification_algorithms.all;
            let (roots, others) = (standard.roots, self.others);
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, others, now, algorithms)
        });
        let Err(error) = verified else { return };
        let at = ledger.at;
        if is_sha1(&self.parsed) {
            let seen = format!("the certificate at {at} is signed with SHA-1");
            ledger.add(&fault::TLS_CHAIN_SHA1, seen);
        } else if error == Error::InvalidCertificate(CertificateError::UnknownIssuer) {
            self.unknown_issuer(ledger);
        } else if is_current && is_expiry(&error) {
            let seen = format!("an intermediate certificate that {at} sends has expired");
            ledger.add(&fault::TLS_EXPIRED, seen);
        } else {
            let why = printable(error.to_string());
            let seen = format!("the certificate at {at} is not accepted: {why}");
            ledger.add(&fault::TLS_CHAIN_BROKEN, seen);
        }
    }

    fn judge_leaves(&self, ledger: &mut Ledger<'_>) {
        let others = self.others.iter().filter(|der| *der != self.leaf);
        let is_leaf = |der: &&CertificateDer<'_>| {
            X509Certificate::from_der(der).is_ok_and(|(_, other)| !other.is_ca())
        };
        let count = others.filter(is_leaf).count();
        if count > 0 {
            let (at, count) = (ledger.at, count + 1);
            let seen = format!("{at} sends {count} server certificates in one chain");
            ledger.add(&fault::TLS_CHAIN_LEAVES, seen);
        }
    }

    /// Nobody that is trusted signed the last certificate of the chain: one is missing, or its
    /// authority is unknown.
    fn unknown_issuer(&self, ledger: &mut Ledger<'_>) {
        let (at, leaf) = (ledger.at, &self.parsed);
        if leaf.issuer() == leaf.subject() {
            let seen = format!("the certificate at {at} is signed by itself");
            ledger.add(&fault::TLS_CHAIN_SELF_SIGNED, seen);
            return;
        }
        let parsed = self
            .others
            .iter()
            .filter_map(|der| X509Certificate::from_der(der).ok());
        let others: Vec<_> = parsed.map(|(_, parsed)| parsed).collect();
        let mut last = leaf;
        // No further than there are certificates: they may sign each other.
        for _ in &others {
            let next = others.iter().find(|other| other.subject() == last.issuer());
            last = next.unwrap_or(last);
        }
        let issuer = common_name(last.issuer());
        if last.issuer() != last.subject() && says_where_its_issuer_is(last) {
            let seen = format!("{at} does not send the intermediate certificate {issuer}");
            ledger.add(&fault::TLS_CHAIN_INCOMPLETE, seen);
        } else {
            let seen = format!("the certificate at {at} comes from {issuer}, which is not trusted");
            ledger.add(&fault::TLS_CHAIN_UNKNOWN, seen);
        }
    }
}

fn is_expiry(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. }
        )
    )
}

/// Public authorities say in each certificate but the last where the next one is to be had.
fn says_where_its_issuer_is(certificate: &X509Certificate<'_>) -> bool {
    certificate.extensions().iter().any(|extension| {
        let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() else {
            return false;
        };
        let mut descriptions = access.accessdescs.iter();
        descriptions.any(|one| one.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS)
    })
}

fn is_sha1(certificate: &X509Certificate<'_>) -> bool {
    // ecdsa-with-SHA1 of RFC 5758.
    let ecdsa: Oid<'_> = x509_parser::der_parser::oid!(1.2.840.10045.4.1);
    let algorithm = &certificate.signature_algorithm.algorithm;
    *algorithm == OID_PKCS1_SHA1WITHRSA || *algorithm == ecdsa
}

fn common_name(name: &X509Name<'_>) -> String {
    let found = name
        .iter_common_name()
        .next()
        .and_then(|name| name.as_str().ok());
    printable(found.map_or_else(|| name.to_string(), str::to_owned))
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let name = |name: &GeneralName<'_>| {
        if let GeneralName::DNSName(name) = name {
            Some(printable(name))
        } else if let GeneralName::IPAddress(bytes) = name {
            address(bytes)
        } else {
            None
        }
    };
    extension
        .value
        .general_names
        .iter()
        .filter_map(name)
        .take(20)
        .collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(std::net::IpAddr::from);
    let v6 = <[u8; 16]>::try_from(bytes).map(std::net::IpAddr::from);
    v4.or(v6).ok().map(|address| address.to_string())
}

/// A chain as the report shows it.
pub(super) fn described(chain: &[CertificateDer<'_>]) -> Vec<report::Certificate> {
    let one = |der: &CertificateDer<'_>| {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
        Some(report::Certificate {
            subject: common_name(parsed.subject()),
            issuer: common_name(parsed.issuer()),
            names: alternative_names(&parsed),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            sha256: hexadecimal(digest.as_ref()),
        })
    };
    chain.iter().take(10).filter_map(one).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
