//! The library, started as the program starts it, on a port of loopback.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use vestibule::config::Config;
use vestibule::listen::socket::Available;
use vestibule::listen::tls::crypto_provider;
use vestibule::runtime::{self, Running};

use crate::client::HOST;

/// Defaults but for what would leave loopback or the folder.
const CONFIG: &str = r#"
server_name = "example.com"
homeserver = "http://$upstream"
hosts = ["matrix.example.com"]
tls = "internal"
state_folder = "$state"
threads = 2
self_check = false

[[listeners]]
address = "127.0.0.1:0"
tls = true
profile = "both"

[access_log]
path = "$state/access.log"

[admin]
address = "127.0.0.1:0"
"#;

/// An open front door.
pub(crate) struct Door {
    running: Running,
    state: TempDir,
}

impl Door {
    /// To be called within a runtime.
    pub(crate) fn open(upstream: SocketAddr) -> Self {
        // Nothing ran before this.
        let _ = crypto_provider().install_default();
        let state = tempfile::tempdir().unwrap();
        let text = CONFIG
            .replace("$upstream", &upstream.to_string())
            .replace("$state", state.path().to_str().unwrap());
        let config = Config::parse("bench.toml", &text);
        let config = config.unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        let running = runtime::start(config, Available::default());
        let running = running.unwrap_or_else(|error| panic!("{error}"));
        Self { running, state }
    }

    /// A connection over TLS that speaks `protocol`.
    pub(crate) async fn connect(&self, protocol: &str) -> TlsStream<TcpStream> {
        let (_, address) = self.running.addresses().swap_remove(0);
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let authority = std::fs::read(self.state.path().join("ca.pem")).unwrap();
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&authority) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.into()];
        let name = ServerName::try_from(HOST).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.unwrap()
    }

    /// Ends it; connections that are left are cut.
    pub(crate) async fn close(mut self) {
        self.running.stop();
        self.running.ending().cut();
        self.running.wait().await;
    }
}
