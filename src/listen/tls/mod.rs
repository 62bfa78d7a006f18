//! TLS as it is spoken on every listener.
//!
//! Versions 1.2 and 1.3, with forward secrecy and authenticated encryption
//! only. rustls has no renegotiation and no compression to turn off, and logs
//! no keys unless told to.

mod secret_file;
mod tickets;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, Ticketer, cipher_suite, kx_group};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{Error, RootCertStore, ServerConfig, SupportedCipherSuite};

use super::certificates::CertificateStore;
use super::challenges::Challenges;

pub use secret_file::{NoSecret, SecretFile};
pub use tickets::{SharedTickets, ShortSecret};

/// Application protocols, the preferred one first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// AEAD with ECDHE. Listed here so that a release of rustls cannot add to it.
/// The client's order counts: phones without AES instructions want `ChaCha20`.
const CIPHER_SUITES: [SupportedCipherSuite; 9] = [
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// The cryptography of the process, for servers and clients alike:
/// aws-lc-rs with our cipher suites, and the post-quantum X25519MLKEM768
/// before the classical groups.
pub fn crypto_provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: CIPHER_SUITES.to_vec(),
        kx_groups: vec![
            kx_group::X25519MLKEM768,
            kx_group::X25519,
            kx_group::SECP256R1,
            kx_group::SECP384R1,
        ],
        ..aws_lc_rs::default_provider()
    }
}

/// What a listener with TLS offers to those who connect.
#[derive(Clone, Debug)]
pub struct Offer {
    /// How TLS is spoken, and with which certificates.
    pub config: Arc<ServerConfig>,
    /// What certificate authorities are answered that check our names.
    pub challenges: Option<Arc<Challenges>>,
    /// The names that are served, where others and none are refused.
    pub only_known: Option<Arc<CertificateStore>>,
}

/// The TLS settings of listeners whose certificates are chosen by `certificates`. Tickets are
/// sealed by `tickets`, else under keys of their own; who connects must show a certificate of one
/// of `clients`, where there are any.
///
/// Listeners that share the value resume each other's sessions; make a second
/// one where sessions must not cross, as between listeners that ask for client
/// certificates and those that do not.
///
/// Errors where the system has no randomness for the ticket keys.
pub fn server_config(
    certificates: Arc<dyn ResolvesServerCert>,
    tickets: Option<Arc<SharedTickets>>,
    clients: Option<Arc<RootCertStore>>,
) -> Result<Arc<ServerConfig>, Error> {
    let provider = Arc::new(crypto_provider());
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(verifier(clients, provider)?)
        .with_cert_resolver(certificates);
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).into();
    // Sessions live at the client, sealed with keys that change every six
    // hours and open tickets for twelve; we keep nothing for a client that left.
    config.ticketer = match tickets {
        Some(shared) => shared,
        None => Ticketer::new()?,
    };
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // One ticket, not the two of rustls: a resumed connection is given a fresh
    // one, so only clients that open several at once, which HTTP/2 spares
    // them, could use the second; each costs a sealing and some 250 bytes.
    config.send_tls13_tickets = 1;
    // Requests sent before the handshake is done could be replayed.
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// Who is let in: everybody, or those who show a certificate that one of `clients` signed.
fn verifier(
    clients: Option<Arc<RootCertStore>>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let Some(roots) = clients else {
        return Ok(WebPkiClientVerifier::no_client_auth());
    };
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider);
    builder
        .build()
        .map_err(|error| Error::General(error.to_string()))
}

#[cfg(test)]
mod tests;
