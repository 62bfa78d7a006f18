//! TLS towards clients: the own authority, certificate files, names and protocols.

use std::io::Write;
use std::process::{Command, Stdio};

use tokio_rustls::TlsConnector;

use crate::support::authority::Authority;
use crate::support::curl::curl;
use crate::support::{Door, Homeserver, Raw, Request, Vestibule, eventually, tls, within};

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

#[tokio::test(flavor = "multi_thread")]
async fn unknown_names_get_the_first_certificate_or_an_alert() {
    let homeserver = Homeserver::start().await;
    for (config, is_refused) in [
        ("", false),
        (
            "[tls]\nsource = \"internal\"\nunknown_names = \"refuse\"",
            true,
        ),
    ] {
        let vestibule = Vestibule::start(&homeserver, config).await;
        // An address is asked for without a name.
        for name in ["unknown.example.org", "127.0.0.1"] {
            let error = vestibule
                .try_handshake(Door::Federation, name, &["http/1.1"])
                .await
                .unwrap_err();
            let alert = error.to_string().contains("UnrecognisedName");
            assert_eq!(alert, is_refused, "{name}: {error}");
        }
        for name in ["example.com", "MATRIX.example.com"] {
            let served = vestibule.try_handshake(Door::Federation, name, &[]).await;
            assert!(served.is_ok(), "{name}");
        }
        let failures = "vestibule_tls_handshake_failures_total";
        let counted = vestibule.metric(failures, &["unknown_name"]).await > 0.0;
        assert_eq!(counted, is_refused);
    }
}

/// The serial number of the certificate that is served for `name`.
async fn serial(vestibule: &Vestibule, authority: &Authority, name: &str) -> Vec<u8> {
    let tcp = vestibule.tcp(Door::Tls).await;
    let stream = tls::connect(tcp, authority.pem(), name, &["http/1.1"]).await;
    let stream = stream.unwrap();
    let certificates = stream.get_ref().1.peer_certificates().unwrap();
    certificates[0].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn renewed_files_are_served_and_no_connection_notices() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let name = "matrix.example.com";
    let (certificate, key) = authority.write_certificate(folder.path(), &[name]);
    let config = format!(
        "[tls]\nsource = \"files\"\ncertificates = [{{ certificate = \"{}\", key = \"{}\" }}]",
        certificate.display(),
        key.display()
    );
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, &config).await;
    let first = serial(&vestibule, &authority, name).await;
    let tcp = vestibule.tcp(Door::Tls).await;
    let stream = tls::connect(tcp, authority.pem(), name, &["http/1.1"]).await;
    let mut open = Raw::new(stream.unwrap());
    assert_eq!(open.ask(&Request::get(TARGET)).await.status, 200);
    authority.write_certificate(folder.path(), &[name]);
    eventually("the new certificate is served", async || {
        serial(&vestibule, &authority, name).await != first
    })
    .await;
    assert_eq!(open.ask(&Request::get(TARGET)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shares_the_secret_resumes_the_sessions_of_others() {
    let homeserver = Homeserver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, [5; 64]).unwrap();
    let shared = format!(
        "state_folder = \"{}\"\n[tls]\nsource = \"internal\"\nticket_secret = \"{}\"",
        folder.path().display(),
        secret.display()
    );
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut kinds = Vec::new();
        let mut connector = None;
        // The second is another process as far as keys are concerned: a restart, or a replica.
        for _ in 0..2 {
            let vestibule = Vestibule::start(&homeserver, &shared).await;
            let authority = std::fs::read_to_string(folder.path().join("ca.pem")).unwrap();
            let connector = connector
                .get_or_insert_with(|| tls::connector_of(&authority, &["http/1.1"], &[version]));
            let tcp = vestibule.tcp(Door::Tls).await;
            let name = "matrix.example.com".try_into().unwrap();
            let stream = within("a handshake", connector.connect(name, tcp)).await;
            let stream = stream.unwrap();
            kinds.push(stream.get_ref().1.handshake_kind().unwrap());
            let answer = Raw::new(stream).ask(&Request::get(TARGET)).await;
            assert_eq!(answer.status, 200);
            let kind = if kinds.len() == 1 { "full" } else { "resumed" };
            let counted = vestibule
                .count("vestibule_tls_handshakes_total", &[kind])
                .await;
            assert_eq!(counted, "1", "{kinds:?}");
            vestibule.stop();
            vestibule.ended().await;
        }
        assert_eq!(kinds[1], rustls::HandshakeKind::Resumed, "{version:?}");
    }
}

/// How a handshake of a client that remembers its sessions went.
async fn kind(vestibule: &Vestibule, connector: &TlsConnector) -> rustls::HandshakeKind {
    let tcp = vestibule.tcp(Door::Tls).await;
    let name = "matrix.example.com".try_into().unwrap();
    let stream = within("a handshake", connector.connect(name, tcp)).await;
    let stream = stream.unwrap();
    let kind = stream.get_ref().1.handshake_kind().unwrap();
    let answer = Raw::new(stream).ask(&Request::get(TARGET)).await;
    assert_eq!(answer.status, 200);
    kind
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchanged_secret_is_taken_up_and_no_session_is_lost() {
    let homeserver = Homeserver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let config = |secret: &str| {
        format!(
            "state_folder = \"{0}\"\n[tls]\nsource = \"internal\"\nticket_secret = \"{0}/{secret}\"",
            folder.path().display(),
        )
    };
    std::fs::write(folder.path().join("exchanged"), [5; 64]).unwrap();
    std::fs::write(folder.path().join("new"), [6; 64]).unwrap();
    let vestibule = Vestibule::start(&homeserver, &config("exchanged")).await;
    let other = Vestibule::start(&homeserver, &config("new")).await;
    let authority = std::fs::read_to_string(folder.path().join("ca.pem")).unwrap();
    let client = || tls::connector(&authority, &["http/1.1"]);
    let old = client();
    kind(&vestibule, &old).await;
    std::fs::write(folder.path().join("exchanged"), [6; 64]).unwrap();
    eventually("the new secret seals", async || {
        let new = client();
        kind(&vestibule, &new).await;
        kind(&other, &new).await == rustls::HandshakeKind::Resumed
    })
    .await;
    let resumed = kind(&vestibule, &old).await;
    assert_eq!(resumed, rustls::HandshakeKind::Resumed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_can_ask_for_certificates_of_clients() {
    let homeserver = Homeserver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let partners = Authority::new();
    let file = partners.write(folder.path());
    let listeners = format!(
        "listeners = [{{ address = \"127.0.0.1:0\", tls = false, profile = \"both\" }}, \
         {{ address = \"127.0.0.1:0\", tls = true, profile = \"both\", client_ca = \"{}\" }}]",
        file.display()
    );
    let vestibule = Vestibule::start(&homeserver, &listeners).await;
    let (strangers, known) = (Authority::new(), &partners);
    for (signer, is_let_in) in [
        (None, false),
        (Some(&strangers), false),
        (Some(known), true),
    ] {
        let identity = signer.map(|authority| authority.identity("partner.example.org"));
        let tcp = vestibule.tcp(Door::Tls).await;
        let connector = tls::connector_with(&vestibule.authority(), identity);
        let name = "matrix.example.com".try_into().unwrap();
        let stream = within("a handshake", connector.connect(name, tcp)).await;
        // In TLS 1.3 the client is done first, and hears of the refusal when it reads.
        let answer = match stream {
            Ok(stream) => {
                let mut raw = Raw::new(stream);
                raw.send(Request::get(TARGET).bytes()).await;
                raw.try_response().await
            }
            Err(_) => None,
        };
        assert_eq!(answer.map(|it| it.status), is_let_in.then_some(200));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_verifies_and_resumes_in_both_versions() {
    let homeserver = Homeserver::start().await;
    let vestibule = Vestibule::start(&homeserver, "").await;
    let session = vestibule.state().join("session");
    for version in ["-tls1_2", "-tls1_3"] {
        for (option, begin) in [("-sess_out", "New, TLSv1"), ("-sess_in", "Reused, TLSv1")] {
            let said = openssl(&vestibule, &[version, option, session.to_str().unwrap()]).await;
            assert!(said.contains(begin), "{version} {option}: {said}");
            assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
            assert!(said.contains("HTTP/1.1 200"), "{said}");
        }
    }
    for refused in [
        "-tls1_1",
        "-cipher=ECDHE-ECDSA-AES128-SHA256",
        "-cipher=AES128-GCM-SHA256",
    ] {
        let (option, value) = refused.split_once('=').unwrap_or((refused, ""));
        let more: &[&str] = if value.is_empty() {
            &[]
        } else {
            &[value, "-tls1_2"]
        };
        let said = openssl(&vestibule, &[&[option], more].concat()).await;
        assert!(!said.contains("HTTP/1.1 200"), "{refused}: {said}");
    }
}

/// What `openssl s_client` says of one request, with more `arguments`.
async fn openssl(vestibule: &Vestibule, arguments: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-ign_eof", "-servername", "matrix.example.com"])
        .args(["-connect", &vestibule.address(Door::Tls).to_string()])
        .arg("-CAfile")
        .arg(vestibule.state().join("ca.pem"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let request =
        format!("GET {TARGET} HTTP/1.1\r\nHost: matrix.example.com\r\nConnection: close\r\n\r\n");
    let run = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().expect("openssl is installed");
        let mut input = child.stdin.take().unwrap();
        // Where the handshake fails it reads nothing.
        let _ = input.write_all(request.as_bytes());
        child.wait_with_output().unwrap()
    });
    let output = within("openssl ends", run).await.unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}
