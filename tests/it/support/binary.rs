//! The program as a process, for what only a process shows: its logs, its
//! signals, its exit code.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::frames::Frames;
use super::homeserver::Homeserver;
use super::raw::Raw;
use super::request::Request;
use super::{config, eventually};

/// How long a command may take: one starts another process, and waits until that serves.
const COMMAND: Duration = Duration::from_mins(1);

/// Listens on unix sockets only, so that no port has to be guessed.
pub(crate) const LISTENERS: &str = r#"
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

/// A running process, and those that took its place; killed where the test forgets them.
pub(crate) struct Binary {
    child: Child,
    folder: TempDir,
    homeserver: String,
    successors: Mutex<BTreeSet<u32>>,
}

impl Binary {
    /// Runs `vestibule run` with the usual configuration over unix sockets.
    pub(crate) async fn start(homeserver: &Homeserver) -> Self {
        Self::start_with(homeserver, LISTENERS).await
    }

    /// The same with another configuration, whose admin listener is `unix:$state/admin.sock`.
    pub(crate) async fn start_with(homeserver: &Homeserver, extra: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = config::text(extra, homeserver.url(), folder.path());
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
        let binary = Self {
            child,
            folder,
            homeserver: homeserver.url().to_owned(),
            successors: Mutex::default(),
        };
        let socket = binary.path("admin.sock");
        eventually("the program listens", async || {
            UnixStream::connect(&socket).await.is_ok()
        })
        .await;
        binary
    }

    /// A file of its folder, such as the socket `tls.sock`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes another configuration into its file, as an editor does: whole, and in its place.
    pub(crate) fn write(&self, extra: &str) {
        let text = config::text(extra, &self.homeserver, self.folder.path());
        std::fs::write(self.path("new.toml"), text).unwrap();
        std::fs::rename(self.path("new.toml"), self.path("vestibule.toml")).unwrap();
    }

    /// What the admin listener tells of the configuration and the process that serves.
    pub(crate) async fn report(&self) -> serde_json::Value {
        let report = self
            .admin()
            .await
            .ask(&Request::get("/reload"))
            .await
            .json();
        let process = u32::try_from(report["process"].as_u64().unwrap()).unwrap();
        if process != self.child.id() {
            self.successors.lock().unwrap().insert(process);
        }
        report
    }

    /// Runs `vestibule COMMAND` with its configuration; whether it ended well, and what it said.
    pub(crate) async fn command(&self, command: &str) -> (bool, String) {
        let mut vestibule = tokio::process::Command::new(env!("CARGO_BIN_EXE_vestibule"));
        vestibule.arg(command).arg("--config");
        vestibule.arg(self.path("vestibule.toml"));
        let output = timeout(COMMAND, vestibule.output()).await;
        let output = output.expect("the command ends").unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), text)
    }

    /// The memory that it has now, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.status("VmRSS:")
    }

    fn status(&self, key: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
        kilobytes.parse::<usize>().unwrap() * 1024
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
        self.status("VmHWM:")
    }

    /// How many files and sockets it has open.
    pub(crate) fn open_files(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(folder).unwrap().count()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        assert!(signal(self.child.id(), name));
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
        for process in self.successors.lock().unwrap().iter() {
            signal(*process, "KILL");
        }
        // Already gone, mostly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether there was a process to send the signal to.
pub(crate) fn signal(process: u32, name: &str) -> bool {
    let mut kill = Command::new("kill");
    kill.arg(format!("-{name}")).arg(process.to_string());
    kill.stderr(Stdio::null()).status().unwrap().success()
}
