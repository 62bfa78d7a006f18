//! TLS that lets every certificate pass and keeps it, so that it can be judged afterwards.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, ProtocolVersion, SignatureScheme};
use rustls::{SupportedProtocolVersion, version};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A connection with TLS on it.
pub(super) type Stream = tokio_rustls::client::TlsStream<TcpStream>;

/// What is offered in a handshake.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    pub(super) versions: &'static [&'static SupportedProtocolVersion],
    pub(super) alpn: &'static [&'static str],
    /// Whether the name is sent.
    pub(super) has_sni: bool,
}

/// Both versions, and HTTP/1.1 as homeservers speak it.
impl Default for Offer {
    fn default() -> Self {
        Self {
            versions: BOTH_VERSIONS,
            alpn: &["http/1.1"],
            has_sni: true,
        }
    }
}

static BOTH_VERSIONS: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
/// TLS 1.2 alone.
pub(super) static ONLY_12: &[&SupportedProtocolVersion] = &[&version::TLS12];
/// TLS 1.3 alone.
pub(super) static ONLY_13: &[&SupportedProtocolVersion] = &[&version::TLS13];

/// What a handshake brought.
#[derive(Clone, Debug)]
pub(super) struct Handshake {
    pub(super) version: &'static str,
    pub(super) suite: String,
    pub(super) alpn: Option<Vec<u8>>,
    pub(super) chain: Vec<CertificateDer<'static>>,
}

/// Why a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// The other side does not speak TLS.
    #[error("what answers there does not speak TLS")]
    Plain,
    /// It ended the handshake with an alert.
    #[error("it ends the TLS handshake: {0}")]
    Alert(String),
    /// It closed the connection.
    #[error("it closes the connection in the TLS handshake")]
    Closed,
    /// It did not answer in time.
    #[error("it does not answer in the TLS handshake")]
    Silent,
    /// Something else.
    #[error("the TLS handshake fails: {0}")]
    Other(String),
}

/// The name as TLS knows it: an address is not sent, but the certificate must be for it.
pub(super) fn subject(name: &str) -> Option<ServerName<'static>> {
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    match bare.unwrap_or(name).parse::<IpAddr>() {
        Ok(address) => Some(ServerName::IpAddress(address.into())),
        Err(_) => ServerName::try_from(name.to_owned()).ok(),
    }
}

/// Shakes hands as a client.
pub(super) async fn handshake(
    stream: TcpStream,
    name: &str,
    offer: Offer,
    provider: Arc<CryptoProvider>,
) -> Result<(Stream, Handshake), Failure> {
    let name = subject(name).ok_or_else(|| Failure::Other("it has no name of use".to_owned()))?;
    let verifier = Arc::new(Witness(provider.clone()));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(offer.versions)
        .map_err(|error| Failure::Other(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = offer
        .alpn
        .iter()
        .map(|alpn| alpn.as_bytes().to_vec())
        .collect();
    config.enable_sni = offer.has_sni;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await;
    let stream = stream.map_err(|error| failure(&error))?;
    let (_, connection) = stream.get_ref();
    let certificates = connection.peer_certificates().unwrap_or_default();
    let suite = connection.negotiated_cipher_suite();
    let handshake = Handshake {
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "TLS 1.2",
        },
        suite: suite.map_or_else(String::new, |suite| format!("{:?}", suite.suite())),
        alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
        chain: certificates
            .iter()
            .map(|der| der.clone().into_owned())
            .collect(),
    };
    Ok((stream, handshake))
}

fn failure(error: &std::io::Error) -> Failure {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidMessage(_)) => Failure::Plain,
        Some(Error::AlertReceived(alert)) => Failure::Alert(format!("{alert:?}")),
        Some(other) => Failure::Other(super::text::printable(other.to_string())),
        None => Failure::Closed,
    }
}

/// Lets every certificate pass; that the server holds its key is still proven.
#[derive(Debug)]
struct Witness(Arc<CryptoProvider>);

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
