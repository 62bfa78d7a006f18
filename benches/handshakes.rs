//! What a TLS handshake costs the server with either crypto provider that rustls has:
//! `cargo bench --bench handshakes`. In memory, and only the server's part is timed.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench that cannot run ends, and its result is what it prints"
)]

use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig,
    ServerConnection, SupportedProtocolVersion,
};

const NAME: &str = "matrix.example.com";
const CLIENT_SUITES: [CipherSuite; 2] = [
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
];

/// What a client asks for.
struct Case {
    title: &'static str,
    version: &'static SupportedProtocolVersion,
    group: &'static dyn SupportedKxGroup,
    kind: HandshakeKind,
}

/// A certificate on P-256 with its key, for server and clients.
struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

fn main() {
    // `cargo test --benches` wants to see that it works.
    let is_bench = env::args().any(|argument| argument == "--bench");
    let (rounds, handshakes) = if is_bench { (40, 100) } else { (1, 2) };
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    let identity = Identity {
        certificate: params.self_signed(&key).unwrap().der().clone(),
        key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
    };
    println!("handshakes per CPU second    aws-lc-rs       ring  ratio");
    for case in cases() {
        let rate = |provider, ticketer| {
            let server = server(provider, ticketer, &identity);
            rate(
                &server,
                &client(&case, &identity),
                &case,
                rounds,
                handshakes,
            )
        };
        let ours = rate(
            aws_lc_rs::default_provider(),
            aws_lc_rs::Ticketer::new().unwrap(),
        );
        let provider = ring::default_provider();
        let groups = provider.kx_groups.iter().map(|group| group.name());
        if groups.into_iter().any(|name| name == case.group.name()) {
            let other = rate(provider, ring::Ticketer::new().unwrap());
            let ratio = ours / other;
            println!("{:27} {ours:10.0} {other:10.0} {ratio:6.2}", case.title);
        } else {
            println!("{:27} {ours:10.0}          -      -", case.title);
        }
    }
}

fn cases() -> Vec<Case> {
    use aws_lc_rs::kx_group::{SECP256R1, X25519, X25519MLKEM768};
    let case = |title, version, group, kind| Case {
        title,
        version,
        group,
        kind,
    };
    let (full, resumed) = (HandshakeKind::Full, HandshakeKind::Resumed);
    vec![
        case("TLS 1.3, X25519", &TLS13, X25519, full),
        case("TLS 1.3, P-256", &TLS13, SECP256R1, full),
        case("TLS 1.3, X25519MLKEM768", &TLS13, X25519MLKEM768, full),
        case("TLS 1.3, X25519, resumed", &TLS13, X25519, resumed),
        case("TLS 1.2, X25519", &TLS12, X25519, full),
        case("TLS 1.2, resumed", &TLS12, X25519, resumed),
    ]
}

/// A server as ours is set up, with any provider.
fn server(
    provider: CryptoProvider,
    ticketer: Arc<dyn ProducesTickets>,
    identity: &Identity,
) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate.clone()], identity.key.clone_key())
        .unwrap();
    config.ticketer = ticketer;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    Arc::new(config)
}

/// The same client for both.
fn client(case: &Case, identity: &Identity) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(identity.certificate.clone()).unwrap();
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![case.group];
    let is_wanted = |suite: CipherSuite| CLIENT_SUITES.contains(&suite);
    provider
        .cipher_suites
        .retain(|suite| is_wanted(suite.suite()));
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[case.version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    if case.kind == HandshakeKind::Full {
        config.resumption = Resumption::disabled();
    }
    Arc::new(config)
}

/// Handshakes per second of the server's time, in the best round: what else runs on the machine
/// makes a round longer, never shorter.
fn rate(
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
    case: &Case,
    rounds: u32,
    handshakes: u32,
) -> f64 {
    if case.kind == HandshakeKind::Resumed {
        handshake(server, client);
    }
    let round = |_| -> Duration {
        let timed = (0..handshakes).map(|_| {
            let (took, kind) = handshake(server, client);
            assert_eq!(kind, Some(case.kind), "{}", case.title);
            took
        });
        timed.sum()
    };
    let best = (0..rounds).map(round).min().expect("a round");
    f64::from(handshakes) / best.as_secs_f64()
}

/// One handshake with the session ticket after it: the server's time, and what kind it was.
fn handshake(
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
) -> (Duration, Option<HandshakeKind>) {
    let name = ServerName::try_from(NAME).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let begun = Instant::now();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    let mut took = begun.elapsed();
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    while client.wants_write() || server.wants_write() {
        while client.wants_write() {
            client.write_tls(&mut to_server).unwrap();
        }
        let begun = Instant::now();
        let mut unread = to_server.as_slice();
        while !unread.is_empty() {
            server.read_tls(&mut unread).unwrap();
            server.process_new_packets().unwrap();
        }
        while server.wants_write() {
            server.write_tls(&mut to_client).unwrap();
        }
        took += begun.elapsed();
        to_server.clear();
        let mut unread = to_client.as_slice();
        while !unread.is_empty() {
            client.read_tls(&mut unread).unwrap();
            client.process_new_packets().unwrap();
        }
        to_client.clear();
    }
    (took, server.handshake_kind())
}
