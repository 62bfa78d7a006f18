//! Answers to a certificate authority that checks whether a name is ours, over HTTP (RFC 8555,
//! 8.3) and over TLS (RFC 8737).
//!
//! They are read from the state folder each time: whoever shares the folder answers for whoever
//! ordered, whichever of them the authority reaches. That happens a few times in two months, and
//! only for names of ours is a file looked for.

use std::collections::HashSet;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rcgen::{CertificateParams, CustomExtension, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::PrivateKeyDer;
use serde::{Deserialize, Serialize};

use super::certificates::CertificateName;
use super::state_folder::{self, SECRET};
use super::tls::crypto_provider;

/// What a handshake is for that offers this protocol alone.
pub const ALPN: &[u8] = b"acme-tls/1";

const PATH: &[u8] = b"/.well-known/acme-challenge/";

/// What is to be shown for one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What the path of the request ends in.
    pub token: String,
    /// The body of its answer.
    pub key_authorization: String,
    /// The SHA-256 of that, for the certificate of the handshake.
    pub digest: [u8; 32],
}

/// The answers of a state folder.
#[derive(Debug)]
pub struct Challenges {
    folder: PathBuf,
    /// For no others is a file looked for: what a client asks for names no file.
    names: ArcSwap<HashSet<CertificateName>>,
}

impl Challenges {
    /// Answers for `names`, kept in `folder`, which must be there when one is set.
    pub fn new(folder: PathBuf, names: impl IntoIterator<Item = CertificateName>) -> Arc<Self> {
        Arc::new(Self {
            folder,
            names: ArcSwap::from_pointee(names.into_iter().collect()),
        })
    }

    /// Begins to answer for `name`.
    pub fn set(&self, name: &CertificateName, answer: &Answer) -> io::Result<()> {
        let text = serde_json::to_vec(answer)?;
        state_folder::write(&self.file(name), SECRET, &text)
    }

    /// Ends it.
    pub fn clear(&self, name: &CertificateName) -> io::Result<()> {
        state_folder::remove(&self.file(name))
    }

    /// The body for a request to `path` of `host`, which is in lower case and without port.
    pub fn over_http(&self, host: &str, path: &[u8]) -> Option<String> {
        let token = path.strip_prefix(PATH)?;
        let answer = self.answer(&host.parse().ok()?)?;
        (answer.token.as_bytes() == token).then_some(answer.key_authorization)
    }

    /// The settings for a handshake that asks for `sni`.
    pub(super) fn over_tls(&self, sni: &str) -> Option<Arc<ServerConfig>> {
        let name = named_by(sni)?;
        let answer = self.answer(&name)?;
        let config = server_config(&name, &answer.digest);
        config
            .inspect_err(|error| {
                tracing::warn!("no certificate for the challenge of {name}: {error}");
            })
            .ok()
    }

    fn answer(&self, name: &CertificateName) -> Option<Answer> {
        if !self.names.load().contains(name) {
            return None;
        }
        let text = state_folder::read(&self.file(name)).ok()??;
        serde_json::from_slice(&text).ok()
    }

    fn file(&self, name: &CertificateName) -> PathBuf {
        self.folder.join(Path::new(&format!("{name}.json")))
    }
}

/// The name behind a server name indication, where an address is a reverse name (RFC 8738, 6).
fn named_by(sni: &str) -> Option<CertificateName> {
    if let Some(reversed) = sni.strip_suffix(".in-addr.arpa") {
        let parts: Vec<&str> = reversed.split('.').rev().collect();
        let address: Ipv4Addr = parts.join(".").parse().ok()?;
        return Some(CertificateName::Ip(address.into()));
    }
    if let Some(reversed) = sni.strip_suffix(".ip6.arpa") {
        let digits: Vec<u8> = reversed
            .split('.')
            .rev()
            .map(|digit| u8::from_str_radix(digit, 16).ok().filter(|d| *d < 16))
            .collect::<Option<_>>()?;
        let bytes: Vec<u8> = digits
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |sum, d| sum << 4 | d))
            .collect();
        let octets: [u8; 16] = bytes.try_into().ok()?;
        return Some(CertificateName::Ip(octets.into()));
    }
    sni.parse().ok()
}

#[derive(Debug, thiserror::Error)]
enum Unmade {
    #[error(transparent)]
    Certificate(#[from] rcgen::Error),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

fn server_config(name: &CertificateName, digest: &[u8; 32]) -> Result<Arc<ServerConfig>, Unmade> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![name.alternative_name()?];
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    // Not through `with_single_cert`, which knows no critical extension.
    let certified = CertifiedKey::new(vec![certificate.into()], any_supported_type(&key)?);
    let mut config = ServerConfig::builder_with_provider(Arc::new(crypto_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn name(text: &str) -> CertificateName {
        text.parse().unwrap()
    }

    #[test]
    fn a_token_is_answered_for_its_own_name_only_and_while_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let challenges = Challenges::new(folder.path().into(), [name("a.test"), name("b.test")]);
        let answer = Answer {
            token: "abc".to_owned(),
            key_authorization: "abc.key".to_owned(),
            digest: [7; 32],
        };
        challenges.set(&name("a.test"), &answer).unwrap();
        // Whoever has the folder, but does not serve the name.
        fs::copy(
            folder.path().join("a.test.json"),
            folder.path().join("c.test.json"),
        )
        .unwrap();
        let path = b"/.well-known/acme-challenge/abc";
        for (host, path, expected) in [
            ("a.test", &path[..], Some("abc.key")),
            ("b.test", path, None),
            ("c.test", path, None),
            ("../a.test", path, None),
            ("a.test", b"/.well-known/acme-challenge/ab", None),
            ("a.test", b"/.well-known/acme-challenge/abc/", None),
            ("a.test", b"/.well-known/acme-challenge", None),
        ] {
            assert_eq!(
                challenges.over_http(host, path).as_deref(),
                expected,
                "{host}"
            );
        }
        assert!(challenges.over_tls("a.test").is_some());
        assert!(challenges.over_tls("b.test").is_none());
        challenges.clear(&name("a.test")).unwrap();
        assert_eq!(challenges.over_http("a.test", path), None);
        assert!(challenges.over_tls("a.test").is_none());
    }

    #[test]
    fn reverse_names_are_addresses() {
        let six = "1.".to_owned() + &"0.".repeat(23) + "8.b.d.0.1.0.0.2.ip6.arpa";
        for (sni, expected) in [
            ("a.test", Some("a.test")),
            ("1.2.0.192.in-addr.arpa", Some("192.0.2.1")),
            (&six, Some("2001:db8::1")),
            ("1.2.0.in-addr.arpa", None),
            ("x.ip6.arpa", None),
        ] {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(named_by(sni), expected, "{sni}");
        }
    }
}
