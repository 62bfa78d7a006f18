//! A deployment of the server name `a.test`: DNS, proxies, a stub behind them, and the check.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::authority::{Authority, Made, Wanted};
use super::distance;
use super::dns::{self, Zone, address};
use super::homeserver::{Homeserver, signing_key};
use super::program::{Program, find, free_address};
use super::report::Report;

/// The published addresses of `a.test`.
pub(crate) const V4: &str = "198.51.100.1";
pub(crate) const V6: &str = "2001:db8::1";

/// What is deployed for one test.
pub(crate) struct Deployment {
    pub(crate) folder: TempDir,
    pub(crate) authority: Authority,
    pub(crate) zone: Zone,
    /// Where published addresses lead to.
    pub(crate) routes: Vec<(String, SocketAddr)>,
    pub(crate) arguments: Vec<String>,
    /// How far away all of it is.
    pub(crate) round_trip: Duration,
    programs: Vec<Program>,
}

/// The kinds of proxies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    Haproxy,
    Apache,
}

impl Deployment {
    /// `a.test` and `matrix.a.test` at one IPv4 and one IPv6 address, of which nothing answers yet.
    pub(crate) fn new() -> Self {
        let hosts = ["a.test", "matrix.a.test"];
        let zone = hosts
            .iter()
            .flat_map(|host| [address(host, V4), address(host, V6)]);
        Self {
            folder: tempfile::tempdir().unwrap(),
            authority: Authority::new("Zoo"),
            zone: zone.collect(),
            routes: Vec::new(),
            arguments: vec!["--timeout".into(), "4".into()],
            round_trip: Duration::ZERO,
            programs: Vec::new(),
        }
    }

    /// Writes a file, and gives its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Writes a certificate as proxies read it: `NAME.pem` with its chain, and `NAME.key`.
    pub(crate) fn write_certificate(&self, name: &str, made: &Made) {
        self.write(
            &format!("{name}.pem"),
            &format!("{}{}", made.leaf, made.intermediate),
        );
        self.write(&format!("{name}.key"), &made.key);
        self.write(
            "haproxy.pem",
            &format!("{}{}{}", made.leaf, made.intermediate, made.key),
        );
    }

    /// The certificate of a healthy server, as `server.pem` and `server.key`.
    pub(crate) fn with_certificate(self) -> Self {
        let made = self
            .authority
            .make(&Wanted::new(&["a.test", "matrix.a.test"]));
        self.write_certificate("server", &made);
        self
    }

    /// Leads a published address to a socket.
    pub(crate) fn route(&mut self, published: &str, port: u16, to: SocketAddr) {
        let published = if published.contains(':') {
            format!("[{published}]")
        } else {
            published.to_owned()
        };
        self.routes.push((format!("{published}:{port}"), to));
    }

    /// Leads port 443 of both addresses to a socket.
    pub(crate) fn route_all(&mut self, to: SocketAddr) {
        self.route(V4, 443, to);
        self.route(V6, 443, to);
    }

    /// Starts a proxy with a configuration in which `$folder`, `$listen`, `$port` and `$stub`
    /// stand for what they say; `None` where it is not installed.
    pub(crate) async fn start(
        &mut self,
        kind: Kind,
        text: &str,
        stub: SocketAddr,
    ) -> Option<SocketAddr> {
        let listen = free_address();
        let folder = self.folder.path().display().to_string();
        let text = text
            .replace("$folder", &folder)
            .replace("$listen", &listen.to_string())
            .replace("$port", &listen.port().to_string())
            .replace("$stub", &stub.to_string());
        let (program, file) = match kind {
            Kind::Nginx => ("nginx", "nginx.conf"),
            Kind::Haproxy => ("haproxy", "haproxy.cfg"),
            Kind::Apache => ("apache2", "apache.conf"),
        };
        let program = find(program)?;
        let file = self.write(&format!("{}-{file}", listen.port()), &text);
        let mut command = Command::new(program);
        match kind {
            Kind::Nginx => command
                .arg("-p")
                .arg(&folder)
                .arg("-e")
                .arg("stderr")
                .arg("-c")
                .arg(file),
            Kind::Haproxy => command.arg("-f").arg(file),
            Kind::Apache => command.args(["-D", "FOREGROUND", "-f"]).arg(file),
        };
        self.programs
            .push(Program::start(command, self.folder.path(), listen).await);
        Some(listen)
    }

    /// Keeps a process until the end.
    pub(crate) fn keep(&mut self, program: Program) {
        self.programs.push(program);
    }

    /// Checks `a.test`.
    pub(crate) async fn check(self) -> Report {
        self.check_name("a.test").await
    }

    /// Checks with the signing key of the stub too.
    pub(crate) async fn check_signed(mut self) -> Report {
        let key = self.write("signing.key", &signing_key());
        self.arguments
            .extend(["--signing-key".into(), key.display().to_string()]);
        self.check().await
    }

    /// Checks a name.
    pub(crate) async fn check_name(self, name: &str) -> Report {
        let mut arguments = self.network().await;
        arguments.extend(self.arguments.iter().cloned());
        arguments.extend(["--json".to_owned(), name.to_owned()]);
        run(arguments).await
    }

    /// The options by which the program sees this network.
    pub(crate) async fn network(&self) -> Vec<String> {
        let resolver = dns::serve(self.zone.clone(), self.round_trip).await;
        let root = self.authority.write_root(self.folder.path());
        let mut arguments = vec![
            "--dns".to_owned(),
            resolver.to_string(),
            "--ca-file".to_owned(),
            root.display().to_string(),
            "--allow-private".to_owned(),
        ];
        for (published, to) in &self.routes {
            let to = if self.round_trip.is_zero() {
                *to
            } else {
                distance::relay(*to, self.round_trip).await
            };
            arguments.push("--connect-to".to_owned());
            arguments.push(format!("{published}={to}"));
        }
        arguments
    }

    /// A folder for what it needs.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The program with these arguments to `check`.
pub(crate) fn program(arguments: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.arg("check").args(arguments).stdin(Stdio::null());
    command
}

/// Runs it; what it said, which must be JSON.
pub(crate) async fn run(arguments: Vec<String>) -> Report {
    let shown = arguments.join(" ");
    let output = tokio::task::spawn_blocking(move || program(&arguments).output().unwrap());
    let output = output.await.unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout);
    let json = json.unwrap_or_else(|error| panic!("{shown}: {error}\n{stderr}"));
    Report {
        json,
        code: output.status.code(),
        stderr,
    }
}

/// A stub for `a.test`.
pub(crate) async fn stub() -> SocketAddr {
    Homeserver::new("a.test").start().await
}
