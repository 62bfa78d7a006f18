//! Other people's proxies as processes of a test.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long one of them may take to listen; Synapse on a busy machine takes a minute.
const PATIENCE: Duration = Duration::from_mins(3);

/// A proxy; killed with what it started when the test is over.
pub(crate) struct Program {
    child: Child,
}

/// A program of the system, also from where Debian keeps servers. Without it a test passes, and
/// fails where `CI` is set.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/sbin"]).map(Path::new);
    let found = folders
        .map(|folder| folder.join(name))
        .find(|path| path.exists());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "{name} is missing: apt-get install {name}"
        );
        println!("not run: {name} is missing: apt-get install {name}");
    }
    found
}

/// A port that nobody else has: proxies want to be told one.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

impl Program {
    /// Starts a proxy, and waits until it listens.
    pub(crate) async fn start(mut command: Command, folder: &Path, listens: SocketAddr) -> Self {
        let log = folder.join(format!("output-{}", listens.port()));
        let output = File::create(&log).unwrap();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(listens).await.is_err() {
            let said = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(
                child.try_wait().unwrap().is_none(),
                "{command:?} ended: {}",
                said()
            );
            assert!(
                Instant::now() < deadline,
                "{command:?} does not listen: {}",
                said()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Self { child }
    }
}

impl Program {
    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let mut command = Command::new("kill");
        command
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string());
        assert!(command.status().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // By SIGTERM they end their workers too.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}
