//! The program under test: the one file that knows how it is started.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;

use tempfile::TempDir;
use tokio::net::{TcpStream, UnixStream};
use vestibule::config::Config;
use vestibule::listen::socket::Available;
use vestibule::runtime::{self, NotInForce, Reloaded, Running};

use super::frames::Frames;
use super::h2_client::H2;
use super::homeserver::Homeserver;
use super::raw::Raw;
use super::request::{HOST, Request};
use super::response::Response;
use super::wire::Io;
use super::{config, tls, within};

/// A listener of the usual configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Clients and federation without TLS.
    Plain,
    /// Clients and federation with TLS, as on 443.
    Tls,
    /// Federation with TLS, as on 8448.
    Federation,
    /// What port 80 does.
    Redirect,
}

impl Door {
    fn has_tls(self) -> bool {
        matches!(self, Self::Tls | Self::Federation)
    }
}

/// The running program.
pub(crate) struct Vestibule {
    running: Mutex<Running>,
    homeserver: String,
    state: TempDir,
}

impl Vestibule {
    /// Starts the program in front of `homeserver` with the usual
    /// configuration and `extra` merged over it (see [`config::text`]).
    pub(crate) async fn start(homeserver: &Homeserver, extra: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), homeserver.url(), extra).await
    }

    /// The same with a state folder that holds something already, and any upstream.
    pub(crate) async fn start_in(state: TempDir, homeserver: &str, extra: &str) -> Self {
        show_log();
        // A second provider in the process is refused; any earlier test's will do.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let text = config::text(extra, homeserver, state.path());
        let config = Config::parse("test.toml", &text);
        let config = config.unwrap_or_else(|e| panic!("{}", e.render(false)));
        let starting = async { runtime::start(config, Available::default()) };
        let running = within("the program starts", starting).await;
        let running = running.unwrap_or_else(|e| panic!("{e}"));
        Self {
            running: Mutex::new(running),
            homeserver: homeserver.to_owned(),
            state,
        }
    }

    /// Reloads with `extra` merged over the usual configuration.
    pub(crate) fn reload(&self, extra: &str) -> Result<Reloaded, NotInForce> {
        let text = config::text(extra, &self.homeserver, self.state());
        self.running
            .lock()
            .unwrap()
            .reload(Config::parse("test.toml", &text))
    }

    pub(crate) fn address(&self, door: Door) -> SocketAddr {
        self.running.lock().unwrap().addresses()[door as usize].1
    }

    /// Every address that is listened on, in the order of the configuration.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let addresses = self.running.lock().unwrap().addresses();
        addresses.into_iter().map(|(_, address)| address).collect()
    }

    pub(crate) fn admin_address(&self) -> SocketAddr {
        let running = self.running.lock().unwrap();
        running.admin_address().expect("an admin address")
    }

    /// The state folder.
    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    /// The certificate of its own authority, as `tls = "internal"` left it.
    pub(crate) fn authority(&self) -> String {
        std::fs::read_to_string(self.state().join("ca.pem")).unwrap()
    }

    /// Begins the drain.
    pub(crate) fn stop(&self) {
        self.running.lock().unwrap().stop();
    }

    /// Begins the end of a process that another one serves in place of.
    pub(crate) fn retire(&self) {
        self.running.lock().unwrap().retire();
    }

    /// Waits for the end; the report as a person reads it.
    pub(crate) async fn ended(self) -> String {
        let running = self.running.into_inner().unwrap();
        let report = within("the drain ends", running.wait()).await;
        format!("{report:?}")
    }

    /// A connection that speaks HTTP/1.1 through `door`.
    pub(crate) async fn raw(&self, door: Door) -> Raw {
        if door.has_tls() {
            Raw::new(self.handshake(door, HOST, &["http/1.1"]).await)
        } else {
            Raw::new(self.tcp(door).await)
        }
    }

    /// The same without TLS, where a test gave that listener none.
    pub(crate) async fn raw_without_tls(&self, door: Door) -> Raw {
        Raw::new(self.tcp(door).await)
    }

    /// One request on a connection of its own, asking TLS for the request's host.
    pub(crate) async fn ask(&self, door: Door, request: &Request) -> Response {
        let mut raw = if door.has_tls() {
            Raw::new(self.handshake(door, request.name(), &["http/1.1"]).await)
        } else {
            self.raw(door).await
        };
        raw.ask(request).await
    }

    /// One request over HTTP/2 on a connection of its own.
    pub(crate) async fn ask_h2(&self, door: Door, request: &Request) -> Response {
        let stream: Box<dyn Io> = if door.has_tls() {
            Box::new(self.handshake(door, request.name(), &["h2"]).await)
        } else {
            Box::new(self.tcp(door).await)
        };
        H2::connect(stream).await.ask(request).await
    }

    /// An HTTP/2 engine: by ALPN where there is TLS, else by prior knowledge.
    pub(crate) async fn h2(&self, door: Door) -> H2 {
        H2::connect(self.h2_stream(door).await).await
    }

    /// HTTP/2 frame by frame, after the preface and an empty SETTINGS.
    pub(crate) async fn frames(&self, door: Door) -> Frames {
        Frames::connect(self.h2_stream(door).await).await
    }

    pub(crate) async fn h2_stream(&self, door: Door) -> Box<dyn Io> {
        if door.has_tls() {
            Box::new(self.handshake(door, HOST, &["h2"]).await)
        } else {
            Box::new(self.tcp(door).await)
        }
    }

    pub(crate) async fn tcp(&self, door: Door) -> TcpStream {
        let connect = TcpStream::connect(self.address(door));
        within("a connection", connect).await.unwrap()
    }

    /// A TLS connection that asks for `name`, offers `alpn`, and believes only
    /// the program's own authority.
    pub(crate) async fn handshake(&self, door: Door, name: &str, alpn: &[&str]) -> impl Io + use<> {
        let stream = self.try_handshake(door, name, alpn).await;
        stream.unwrap_or_else(|e| panic!("handshake for {name}: {e}"))
    }

    pub(crate) async fn try_handshake(
        &self,
        door: Door,
        name: &str,
        alpn: &[&str],
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let tcp = self.tcp(door).await;
        let authority = self.authority();
        within("a handshake", tls::connect(tcp, &authority, name, alpn)).await
    }

    /// One `GET` to the admin listener.
    pub(crate) async fn admin(&self, path: &str) -> Response {
        let stream = TcpStream::connect(self.admin_address()).await.unwrap();
        Raw::new(stream)
            .ask(&Request::get(path).host("127.0.0.1"))
            .await
    }

    /// One request to the admin listener where that is `unix:$state/admin.sock`.
    pub(crate) async fn admin_by_socket(&self, request: &Request) -> Response {
        let stream = UnixStream::connect(self.state().join("admin.sock")).await;
        Raw::new(stream.unwrap()).ask(request).await
    }

    /// The value of a metric: all samples of `name` whose labels hold every one of `labels`.
    pub(crate) async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.admin("/metrics").await.text();
        let samples = text.lines().filter(|line| {
            let rest = line.strip_prefix(name).unwrap_or_default();
            rest.starts_with(['{', ' ']) && labels.iter().all(|l| rest.contains(l))
        });
        samples
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }

    /// The same as text, for counts to be compared.
    pub(crate) async fn count(&self, name: &str, labels: &[&str]) -> String {
        self.metric(name, labels).await.to_string()
    }

    /// The access log so far, one JSON value a request.
    pub(crate) fn access_log(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.state().join("access.log")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// Shows the program's log where `VESTIBULE_TEST_LOG` says how much of it,
/// as in `VESTIBULE_TEST_LOG=vestibule=debug`.
fn show_log() {
    if let Ok(filter) = std::env::var("VESTIBULE_TEST_LOG") {
        let log = tracing_subscriber::fmt().with_env_filter(filter);
        // An earlier test of the process may have done so already.
        let _ = log.with_test_writer().try_init();
    }
}
