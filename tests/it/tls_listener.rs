//! TLS towards clients: the own authority, certificate files, names and protocols.

use crate::support::authority::Authority;
use crate::support::curl::curl;
use crate::support::{Door, Homeserver, Raw, Request, Vestibule, tls, within};

const TARGET: &str = "/_matrix/client/versions";

#[tokio::test(flavor = "multi_thread")]
async fn the_own_authority_survives_a_restart() {
    let homeserver = Homeserver::start().await;
    let state = tempfile::tempdir().unwrap();
    let shared = format!("state_folder = \"{}\"", state.path().display());
    let read = || std::fs::read_to_string(state.path().join("ca.pem")).unwrap();
    let first = Vestibule::start(&homeserver, &shared).await;
    let authority = read();
    first.stop();
    first.ended().await;
    let second = Vestibule::start(&homeserver, &shared).await;
    assert_eq!(read(), authority);
    let tcp = second.tcp(Door::Tls).await;
    tls::connect(tcp, &authority, "matrix.example.com", &["http/1.1"])
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_protocol_is_chosen_by_alpn() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let stream = vestibule
            .try_handshake(Door::Tls, "matrix.example.com", offered)
            .await
            .unwrap();
        let alpn = stream.get_ref().1.alpn_protocol();
        assert_eq!(alpn, chosen.map(str::as_bytes), "{offered:?}");
        if chosen != Some("h2") {
            assert_eq!(
                Raw::new(stream).ask(&Request::get(TARGET)).await.status,
                200
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_is_content_with_either_protocol_and_tls_version() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for (arguments, version) in [
        (&["--http1.1", "--tls-max", "1.2"][..], "1.1"),
        (&["--http1.1", "--tlsv1.3"], "1.1"),
        (&["--http2", "--tls-max", "1.2"], "2"),
        (&["--http2", "--tlsv1.3"], "2"),
    ] {
        let got = curl(&vestibule, Door::Tls, "/_matrix/a%2Fb/../c?d", arguments).await;
        assert_eq!(
            (got.exit, got.status, got.version.as_str()),
            (Some(0), 200, version),
            "{got:?}"
        );
        assert_eq!(homeserver.last_request().target(), "/_matrix/a%2Fb/../c?d");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_file_is_chosen_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let pair = |names: &[&str]| {
        let (certificate, key) = authority.write_certificate(folder.path(), names);
        format!(
            "{{ certificate = \"{}\", key = \"{}\" }}",
            certificate.display(),
            key.display()
        )
    };
    let certificates = [
        pair(&["example.com"]),
        pair(&["matrix.example.com", "chat.example.com"]),
    ];
    let config = format!(
        "[tls]\nsource = \"files\"\ncertificates = [{}]",
        certificates.join(", ")
    );
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, &config).await;
    for name in ["example.com", "matrix.example.com", "chat.example.com"] {
        let tcp = vestibule.tcp(Door::Tls).await;
        let stream = within(
            "a handshake",
            tls::connect(tcp, authority.pem(), name, &["http/1.1"]),
        )
        .await;
        assert!(stream.is_ok(), "{name}: {:?}", stream.err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_speak_tls_is_closed_with_hardly_a_word() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    for bytes in [
        &b"GET /_matrix/client/versions HTTP/1.1\r\nHost: matrix.example.com\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x00\x05hello",
        b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10",
        &[0; 100],
        &[0xff; 2000],
    ] {
        let mut client = vestibule.raw_without_tls(Door::Tls).await;
        client.send(bytes).await;
        let said = client.closed().await;
        assert!(said.len() < 1024, "{} bytes", said.len());
    }
    homeserver.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_resumes_is_served() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let connector = tls::connector(&vestibule.authority(), &["http/1.1"]);
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let tcp = vestibule.tcp(Door::Tls).await;
        let name = "matrix.example.com".try_into().unwrap();
        let stream = within("a handshake", connector.connect(name, tcp))
            .await
            .unwrap();
        kinds.push(stream.get_ref().1.handshake_kind());
        assert_eq!(
            Raw::new(stream).ask(&Request::get(TARGET)).await.status,
            200
        );
    }
    assert_eq!(kinds[1], Some(rustls::HandshakeKind::Resumed));
}
