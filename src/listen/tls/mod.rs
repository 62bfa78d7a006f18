//! TLS as it is spoken on every listener.
//!
//! Versions 1.2 and 1.3, with forward secrecy and authenticated encryption
//! only. rustls has no renegotiation and no compression to turn off, and logs
//! no keys unless told to.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, Ticketer, cipher_suite, kx_group};
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::version::{TLS12, TLS13};
use rustls::{Error, ServerConfig, SupportedCipherSuite};

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

/// The TLS settings of listeners whose certificates are chosen by `certificates`.
///
/// Listeners that share the value resume each other's sessions; make a second
/// one where sessions must not cross, as between listeners that ask for client
/// certificates and those that do not.
///
/// Errors where the system has no randomness for the ticket keys.
pub fn server_config(
    certificates: Arc<dyn ResolvesServerCert>,
) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(crypto_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).into();
    // Sessions live at the client, sealed with keys that change every six
    // hours and open tickets for twelve; we keep nothing for a client that left.
    config.ticketer = Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // One ticket, not the two of rustls: a resumed connection is given a fresh
    // one, so only clients that open several at once, which HTTP/2 spares
    // them, could use the second; each costs a sealing and some 250 bytes.
    config.send_tls13_tickets = 1;
    // Requests sent before the handshake is done could be replayed.
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
