use rcgen::{CertificateParams, KeyPair};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::listen::certificates::{Certificate, CertificateSet, CertificateStore};

/// Settings of a server for `a.test`, and of a client that trusts it and offers `alpn`.
pub(super) fn pair(alpn: &[&str]) -> (Offer, Arc<ClientConfig>) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    let der = params.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let certificate = Certificate::new(vec![der.clone()], &key).unwrap();
    let store = CertificateStore::new(CertificateSet::new(certificate, []));
    let mut roots = RootCertStore::empty();
    roots.add(der).unwrap();
    let provider = Arc::new(crate::listen::tls::crypto_provider());
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    let server = Offer {
        config: crate::listen::tls::server_config(store, None, None).unwrap(),
        challenges: None,
        only_known: None,
    };
    (server, Arc::new(client))
}

pub(super) async fn dial(
    stream: TcpStream,
    client: &Arc<ClientConfig>,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::clone(client))
        .connect(name, stream)
        .await
}

#[tokio::test]
async fn serves_http1_and_tells_the_name() {
    let (server, client) = pair(&["http/1.1"]);
    let door = Door::open(Limits::default(), Some(server), &[]);
    let mut stream = dial(door.connect().await, &client, "a.test").await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(
        answer.ends_with("GET / a.test 127.0.0.1 a.test 0"),
        "{answer}"
    );
    let metrics = door.telemetry.render_metrics();
    assert!(metrics.contains(r#"version="TLSv1.3""#), "{metrics}");
}

#[tokio::test]
async fn serves_http2_by_alpn() {
    let (server, client) = pair(&["h2", "http/1.1"]);
    let door = Door::open(Limits::default(), Some(server), &[]);
    let stream = dial(door.connect().await, &client, "a.test").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://a.test/x").body(()).unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    let mut body = response.await.unwrap().into_body();
    let text = body.data().await.unwrap().unwrap();
    assert_eq!(text, "GET /x a.test 127.0.0.1 a.test 0");
}

#[tokio::test]
async fn plain_requests_on_a_tls_port_are_told_so_and_garbage_is_closed() {
    let (server, _) = pair(&[]);
    let door = Door::open(Limits::default(), Some(server), &[]);
    let answer = door.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("https only.\r\n"));
    for garbage in [
        b"\0\0\0\0".as_slice(),
        b"\x16\x03\x01\x00\x05garbage",
        b"{\"a\":1}",
    ] {
        let answer = door.ask(garbage).await;
        assert!(answer.len() < 16, "{answer}");
    }
    door.connections.drained().await;
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_cut() {
    let (server, _) = pair(&[]);
    let limits = Limits {
        handshake: millis(200),
        ..Limits::default()
    };
    let door = Door::open(limits, Some(server), &[]);
    assert_eq!(door.ask(b"").await, "");
    assert_eq!(door.ask(b"\x16\x03\x01\x02\x00\x01").await, "");
    let metrics = door.telemetry.render_metrics();
    let line = metrics.lines().find(|l| l.contains(r#"reason="timeout""#));
    assert!(line.is_some_and(|l| l.ends_with(" 2")), "{metrics}");
}

#[tokio::test]
async fn a_proxy_header_names_the_client() {
    let header = b"PROXY TCP4 192.0.2.7 127.0.0.1 5000 443\r\n";
    let request = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    let limits = Limits {
        connections_per_address: 1,
        ..Limits::default()
    };
    let door = Door::open(limits.clone(), None, &["127.0.0.0/8"]);
    let answer = door.ask(&[header.as_slice(), request].concat()).await;
    assert!(answer.ends_with(" 192.0.2.7 - 0"), "{answer}");
    assert_eq!(door.ask(request).await, "", "a header is required");
    // The cap counts the client, not the load balancer.
    let mut first = door.connect().await;
    first
        .write_all(&[header.as_slice(), b"GET /wait"].concat())
        .await
        .unwrap();
    tokio::time::sleep(millis(100)).await;
    assert_eq!(door.ask(&[header.as_slice(), request].concat()).await, "");

    let (server, client) = pair(&[]);
    let door = Door::open(limits, Some(server), &["127.0.0.0/8"]);
    let mut stream = door.connect().await;
    stream.write_all(header).await.unwrap();
    let mut stream = dial(stream, &client, "a.test").await.unwrap();
    stream.write_all(request).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.ends_with(" 192.0.2.7 a.test 0"), "{answer}");
}

#[tokio::test]
async fn a_header_from_others_is_no_header() {
    let door = Door::open(Limits::default(), None, &["192.0.2.0/24"]);
    let answer = door
        .ask(b"PROXY TCP4 192.0.2.7 127.0.0.1 5000 443\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}
