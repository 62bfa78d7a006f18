//! Certificates as people deploy them.

use std::sync::Arc;

use rcgen::ExtendedKeyUsagePurpose;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::Duration;

use super::authority::{Made, Wanted, self_signed};
use super::deployment::{Deployment, Kind, V4, V6, stub};
use super::haproxy;
use super::nginx::{Nginx, location};
use super::program::free_address;

/// `a.test` on port 8448 with a certificate; nothing on 443.
async fn finds(make: impl FnOnce(&Deployment) -> Made, ids: &[&str]) {
    let mut deployment = Deployment::new();
    let made = make(&deployment);
    deployment.write_certificate("server", &made);
    let Some(listen) = deployment
        .start(Kind::Haproxy, &haproxy::text(""), stub().await)
        .await
    else {
        return;
    };
    for address in [V4, V6] {
        deployment.route(address, 443, free_address());
        deployment.route(address, 8448, listen);
    }
    deployment.check().await.finds(ids);
}

fn good() -> Wanted {
    Wanted::new(&["a.test"])
}

#[tokio::test]
async fn only_http2_is_spoken() {
    let mut deployment = Deployment::new();
    let made = deployment.authority.make(&good());
    let chain = format!("{}{}", made.leaf, made.intermediate);
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(acceptor.accept(stream));
        }
    });
    for address in [V4, V6] {
        deployment.route(address, 443, free_address());
        deployment.route(address, 8448, listen);
    }
    deployment.check().await.finds(&["tls.proto.alpn"]);
}

#[tokio::test]
async fn a_good_certificate() {
    finds(|deployment| deployment.authority.make(&good()), &[]).await;
}

#[tokio::test]
async fn the_intermediate_is_missing() {
    let without = |deployment: &Deployment| Made {
        intermediate: String::new(),
        ..deployment.authority.make(&good())
    };
    finds(without, &["tls.chain.incomplete"]).await;
}

#[tokio::test]
async fn another_name() {
    finds(
        |deployment| deployment.authority.make(&Wanted::new(&["www.a.test"])),
        &["tls.name"],
    )
    .await;
}

#[tokio::test]
async fn an_expired_one() {
    let wanted = Wanted {
        from: Duration::days(-90),
        until: Duration::days(-2),
        ..good()
    };
    finds(
        |deployment| deployment.authority.make(&wanted),
        &["tls.expired"],
    )
    .await;
}

#[tokio::test]
async fn one_of_the_future() {
    let wanted = Wanted {
        from: Duration::days(2),
        ..good()
    };
    finds(
        |deployment| deployment.authority.make(&wanted),
        &["tls.not_yet"],
    )
    .await;
}

#[tokio::test]
async fn one_that_should_have_been_renewed() {
    let wanted = Wanted {
        from: Duration::days(-87),
        until: Duration::days(3),
        ..good()
    };
    finds(
        |deployment| deployment.authority.make(&wanted),
        &["tls.expiring"],
    )
    .await;
}

#[tokio::test]
async fn one_that_signs_itself() {
    finds(|_| self_signed(&good()), &["tls.chain.self_signed"]).await;
}

#[tokio::test]
async fn an_authority_that_nobody_trusts() {
    let stranger = |_: &Deployment| {
        super::authority::Authority::new("Strange").make_without_intermediate(&good())
    };
    finds(stranger, &["tls.chain.unknown"]).await;
}

#[tokio::test]
async fn two_server_certificates_in_one_chain() {
    let two = |deployment: &Deployment| {
        let mut made = deployment.authority.make(&good());
        made.intermediate += &deployment.authority.make(&Wanted::new(&["b.test"])).leaf;
        made
    };
    finds(two, &["tls.chain.leaves"]).await;
}

#[tokio::test]
async fn a_certificate_for_clients() {
    let wanted = Wanted {
        purpose: ExtendedKeyUsagePurpose::ClientAuth,
        ..good()
    };
    finds(
        |deployment| deployment.authority.make(&wanted),
        &["tls.chain.broken"],
    )
    .await;
}

#[tokio::test]
async fn a_signature_with_sha1() {
    let mut deployment = Deployment::new();
    let made = deployment
        .authority
        .make_with_sha1(&good(), deployment.path());
    let Some(made) = made else {
        return;
    };
    deployment.write_certificate("server", &made);
    // OpenSSL itself refuses such a certificate, unless it is told not to.
    let nginx = Nginx {
        tls: format!("ssl_ciphers ALL:@SECLEVEL=0; {}", Nginx::default().tls),
        server_document: location(""),
        client_document: String::new(),
        matrix: "return 404;".into(),
        ..Nginx::default()
    };
    let listen = deployment
        .start(Kind::Nginx, &nginx.text(), stub().await)
        .await;
    let Some(listen) = listen else {
        return;
    };
    for address in [V4, V6] {
        deployment.route(address, 443, free_address());
        deployment.route(address, 8448, listen);
    }
    deployment.check().await.finds(&["tls.chain.sha1"]);
}

#[tokio::test]
async fn the_name_is_not_known_to_tls() {
    let mut deployment = Deployment::new();
    let made = deployment.authority.make(&Wanted::new(&["www.a.test"]));
    deployment.write_certificate("server", &made);
    let text = haproxy::text("").replace("ssl crt", "ssl strict-sni crt");
    let listen = deployment.start(Kind::Haproxy, &text, stub().await).await;
    let Some(listen) = listen else {
        return;
    };
    for address in [V4, V6] {
        deployment.route(address, 443, free_address());
        deployment.route(address, 8448, listen);
    }
    deployment.check().await.finds(&["tls.handshake"]);
}
