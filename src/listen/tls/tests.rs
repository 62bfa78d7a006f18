use std::net::{IpAddr, Ipv4Addr};

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, NamedGroup, RootCertStore, ServerConnection,
    SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::listen::certificates::{Certificate, CertificateSet, CertificateStore};
use crate::listen::socket::{Address, Kind, bind};

/// A self-signed certificate, for servers and as the root of clients.
fn self_signed(names: &[&str]) -> (Certificate, CertificateDer<'static>) {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let key = KeyPair::generate().unwrap();
    let root = CertificateParams::new(names).unwrap();
    let der = root.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    (Certificate::new(vec![der.clone()], &key).unwrap(), der)
}

/// A server with certificates for `a.test` (default) and `b.test`, and a client that trusts them.
fn pair(versions: &[&'static SupportedProtocolVersion]) -> (Arc<ServerConfig>, ClientConfig) {
    let (a, a_root) = self_signed(&["a.test", "127.0.0.1"]);
    let (b, b_root) = self_signed(&["b.test"]);
    let store = CertificateStore::new(CertificateSet::new(a, [b]));
    let mut roots = RootCertStore::empty();
    roots.add(a_root).unwrap();
    roots.add(b_root).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(crypto_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (server_config(store, None, None).unwrap(), client)
}

/// Shakes hands in memory; what the server sends after it has reached the client too.
fn handshake(
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
    name: &str,
) -> Result<(ServerConnection, ClientConnection), Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name)?;
    let mut server = ServerConnection::new(Arc::clone(server))?;
    while client.wants_write() || server.wants_write() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut bytes = bytes.as_slice();
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok((server, client))
}

#[test]
fn both_versions_resume_by_ticket() {
    for version in [&TLS12, &TLS13] {
        let (server, client) = pair(&[version]);
        let client = Arc::new(client);
        let (_, first) = handshake(&server, &client, "a.test").unwrap();
        assert_eq!(first.handshake_kind(), Some(HandshakeKind::Full));
        for _ in 0..3 {
            let (_, next) = handshake(&server, &client, "a.test").unwrap();
            assert_eq!(next.protocol_version(), Some(version.version));
            assert_eq!(next.handshake_kind(), Some(HandshakeKind::Resumed));
        }
    }
}

#[test]
fn another_configuration_does_not_resume() {
    let (server, _) = pair(&[&TLS13]);
    let (other, _) = pair(&[&TLS13]);
    let client = careless_client(crypto_provider(), &TLS13);
    handshake(&server, &client, "a.test").unwrap();
    let (_, second) = handshake(&other, &client, "a.test").unwrap();
    assert_eq!(second.handshake_kind(), Some(HandshakeKind::Full));
}

#[test]
fn one_ticket_is_given_and_no_early_data_allowed() {
    let (server, mut client) = pair(&[&TLS13]);
    client.enable_early_data = true;
    let client = Arc::new(client);
    let (_, first) = handshake(&server, &client, "a.test").unwrap();
    assert_eq!(first.tls13_tickets_received(), 1);
    let name = ServerName::try_from("a.test").unwrap();
    let mut second = ClientConnection::new(client, name).unwrap();
    assert!(second.early_data().is_none());
}

#[test]
fn key_exchange_is_post_quantum_where_the_client_can() {
    let (server, client) = pair(&[&TLS13]);
    let (_, connection) = handshake(&server, &Arc::new(client), "a.test").unwrap();
    let group = connection.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
}

#[test]
fn classical_clients_are_served() {
    let (server, _) = pair(&[&TLS13]);
    for group in [kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1] {
        for version in [&TLS12, &TLS13] {
            let mut provider = crypto_provider();
            provider.kx_groups = vec![group];
            let client = careless_client(provider, version);
            let (_, connection) = handshake(&server, &client, "a.test").unwrap();
            assert_eq!(connection.protocol_version(), Some(version.version));
        }
    }
}

#[test]
fn protocol_is_chosen_by_alpn() {
    for (offered, expected) in [
        (vec!["http/1.1", "h2"], Some("h2")),
        (vec!["http/1.1"], Some("http/1.1")),
        (vec![], None),
    ] {
        let (server, mut client) = pair(&[&TLS13]);
        client.alpn_protocols = offered.iter().map(|p| p.as_bytes().to_vec()).collect();
        let (server, _) = handshake(&server, &Arc::new(client), "a.test").unwrap();
        assert_eq!(server.alpn_protocol(), expected.map(str::as_bytes));
    }
    let (server, mut client) = pair(&[&TLS13]);
    client.alpn_protocols = vec![b"spdy/1".to_vec()];
    handshake(&server, &Arc::new(client), "a.test").unwrap_err();
}

/// A client that accepts any certificate.
fn careless_client(
    provider: CryptoProvider,
    version: &'static SupportedProtocolVersion,
) -> Arc<ClientConfig> {
    let client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    Arc::new(client)
}

/// The certificate that a client is shown for `name`.
fn shown(server: &Arc<ServerConfig>, name: &str) -> CertificateDer<'static> {
    let client = careless_client(crypto_provider(), &TLS13);
    let (_, connection) = handshake(server, &client, name).unwrap();
    connection.peer_certificates().unwrap()[0].clone()
}

#[test]
fn unknown_and_absent_names_get_the_default_certificate() {
    let (a, a_root) = self_signed(&["a.test"]);
    let (b, b_root) = self_signed(&["b.test"]);
    let store = CertificateStore::new(CertificateSet::new(a, [b]));
    let server = server_config(Arc::<CertificateStore>::clone(&store), None, None).unwrap();
    for (name, expected) in [
        ("a.test", &a_root),
        ("b.test", &b_root),
        ("B.TEST", &b_root),
        ("c.test", &a_root),
        ("127.0.0.1", &a_root),
        ("::1", &a_root),
    ] {
        assert_eq!(&shown(&server, name), expected, "{name}");
    }

    let (c, c_root) = self_signed(&["c.test"]);
    store.replace(CertificateSet::new(c, []));
    assert_eq!(shown(&server, "a.test"), c_root);
}

#[tokio::test]
async fn bound_listener_speaks_tls() {
    let (server, client) = pair(&[&TLS13]);
    let address = Address::Tcp((Ipv4Addr::LOCALHOST, 0).into());
    let bound = bind("test", &address).unwrap().sockets.remove(0);
    let address = bound.socket_address().unwrap();
    let Kind::Tcp(listener) = bound.kind else {
        panic!("not TCP");
    };
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(server).accept(stream).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
    };
    let connect = async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into());
        let connector = TlsConnector::from(Arc::new(client));
        let mut stream = connector.connect(name, stream).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    };
    let ((), text) = tokio::join!(serve, connect);
    assert_eq!(text, "hello");
}

/// A client that looks at no certificate.
#[derive(Debug)]
struct Anyone;

impl rustls::client::danger::ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        crypto_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
