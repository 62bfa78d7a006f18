//! Debian's Prometheus, scraping the program under test.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::tool::is_there;
use super::{Raw, Request, eventually};

/// A running Prometheus; ended where the test forgets it.
pub(crate) struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Prometheus {
    /// One that asks `target` every second. None where the machine has none.
    pub(crate) async fn start(target: SocketAddr) -> Option<Self> {
        if !is_there("prometheus") {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: vestibule\n    \
             static_configs: [{{ targets: [\"{target}\"] }}]\n"
        );
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, config).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut port = None;
        eventually("prometheus listens", async || {
            assert!(child.try_wait().unwrap().is_none(), "prometheus has ended");
            port = listens_on(child.id());
            port.is_some()
        })
        .await;
        Some(Self {
            child,
            address: ([127, 0, 0, 1], port.unwrap()).into(),
            _folder: folder,
        })
    }

    /// What an expression gives now: the number of its series, or an error.
    pub(crate) async fn query(&self, expression: &str) -> Result<usize, String> {
        let mut target = String::from("/api/v1/query?query=");
        for byte in expression.bytes() {
            write!(target, "%{byte:02X}").unwrap();
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        let answer = Raw::new(stream).ask(&Request::get(&target)).await;
        if answer.status == 503 {
            // It listens before it is ready.
            return Ok(0);
        }
        let answer = answer.json();
        match answer["data"]["result"].as_array() {
            Some(series) if answer["status"] == "success" => Ok(series.len()),
            _ => Err(format!("{expression}: {answer}")),
        }
    }

    /// Every name of a series that it has.
    pub(crate) async fn names(&self) -> Vec<String> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let request = Request::get("/api/v1/label/__name__/values");
        let answer = Raw::new(stream).ask(&request).await.json();
        let names = answer["data"].as_array().cloned().unwrap_or_default();
        let text = |name: &Value| name.as_str().map(str::to_owned);
        names.iter().filter_map(text).collect()
    }
}

/// The port that a process listens on: it was told to take any.
fn listens_on(process: u32) -> Option<u16> {
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{process}/fd"))
        .ok()?
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            let link = link.to_str()?;
            Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_its = columns[3] == "0A" && sockets.iter().any(|inode| inode == columns[9]);
        let (_, port) = columns[1].split_once(':').filter(|_| is_its)?;
        u16::from_str_radix(port, 16).ok()
    })
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Already gone, mostly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
