//! The program as a process, for what only a process shows: its logs, its
//! signals, its exit code.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};

use tempfile::TempDir;
use tokio::net::UnixStream;

use super::frames::Frames;
use super::homeserver::Homeserver;
use super::raw::Raw;
use super::{config, eventually};

/// Listens on unix sockets only, so that no port has to be guessed.
const LISTENERS: &str = r#"
listeners = [
    { address = "unix:$state/plain.sock", tls = false, profile = "both" },
    { address = "unix:$state/tls.sock", tls = true, profile = "both" },
]
[log]
level = "trace"
[access_log]
path = "-"
[admin]
address = "unix:$state/admin.sock"
"#;

/// A running process; killed where the test forgets it.
pub(crate) struct Binary {
    child: Child,
    folder: TempDir,
}

impl Binary {
    /// Runs `vestibule run` with the usual configuration over unix sockets.
    pub(crate) async fn start(homeserver: &Homeserver) -> Self {
        Self::start_with(homeserver, "").await
    }

    /// The same with more of a configuration.
    pub(crate) async fn start_with(homeserver: &Homeserver, extra: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let extra = format!("{LISTENERS}{extra}");
        let text = config::text(&extra, homeserver.url(), folder.path());
        let path = folder.path().join("vestibule.toml");
        std::fs::write(&path, text).unwrap();
        let output = |name: &str| File::create(folder.path().join(name)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .arg("run")
            .arg("--config")
            .arg(&path)
            .stdout(output("stdout"))
            .stderr(output("stderr"))
            .spawn()
            .unwrap();
        let binary = Self { child, folder };
        let socket = binary.path("plain.sock");
        eventually("the program listens", async || {
            UnixStream::connect(&socket).await.is_ok()
        })
        .await;
        binary
    }

    /// A file or socket of its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A connection to the listener for clients.
    pub(crate) async fn raw(&self) -> Raw {
        Raw::new(UnixStream::connect(self.path("plain.sock")).await.unwrap())
    }

    /// HTTP/2 frame by frame, to the listener for clients.
    pub(crate) async fn frames(&self) -> Frames {
        let stream = UnixStream::connect(self.path("plain.sock")).await.unwrap();
        Frames::connect(Box::new(stream)).await
    }

    /// A connection to the admin listener.
    pub(crate) async fn admin(&self) -> Raw {
        Raw::new(UnixStream::connect(self.path("admin.sock")).await.unwrap())
    }

    /// The most memory that it ever had at once, in bytes.
    pub(crate) fn peak_memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
        kilobytes.parse::<usize>().unwrap() * 1024
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(
            Command::new("sh")
                .arg("-c")
                .arg(command)
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits until nobody can connect any more.
    pub(crate) async fn stops_listening(&self) {
        let socket = self.path("plain.sock");
        let closed = async || UnixStream::connect(&socket).await.is_err();
        eventually("the program stops listening", closed).await;
    }

    /// Waits for the end; the exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let mut status = None;
        eventually("the program ends", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap().code()
    }

    /// All that it wrote so far, both streams.
    pub(crate) fn output(&self) -> String {
        let read = |name: &str| std::fs::read(self.path(name)).unwrap();
        String::from_utf8_lossy(&[read("stdout"), read("stderr")].concat()).into_owned()
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        // Already gone, mostly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
