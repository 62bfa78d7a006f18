//! A certificate authority that speaks ACME: Debian's `pebble`, with a name server that knows
//! only this machine, and the ports 80 and 443 of the names.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::authority::Authority;
use super::raw::Raw;
use super::request::Request;
use super::{eventually, tls};

/// A running authority; ended where the test forgets it.
pub(crate) struct Pebble {
    child: Child,
    folder: TempDir,
    resolver: SocketAddr,
    port: Option<u16>,
    authority: Arc<Authority>,
    root: String,
    /// What the authority finds on port 80 of every name.
    pub(crate) http: Port,
    /// What the authority finds on port 443 of every name.
    pub(crate) tls: Port,
    _tasks: JoinSet<()>,
}

impl Pebble {
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// With more keys of its configuration, as `"key": value,`.
    pub(crate) async fn start_with(keys: &str) -> Self {
        let mut tasks = JoinSet::new();
        let (http, tls) = (Port::open(&mut tasks).await, Port::open(&mut tasks).await);
        let names = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let resolver = names.local_addr().unwrap();
        tasks.spawn(resolve(names));
        let authority = Authority::new();
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = authority.write_certificate(folder.path(), &["127.0.0.1"]);
        authority.write(folder.path());
        let config = format!(
            r#"{{"pebble": {{ "listenAddress": "127.0.0.1:0", "managementListenAddress": "127.0.0.1:0",
            "certificate": "{}", "privateKey": "{}", "httpPort": {}, "tlsPort": {}, {keys}
            "ocspResponderURL": "" }} }}"#,
            certificate.display(),
            key.display(),
            http.number,
            tls.number,
        );
        let file = folder.path().join("pebble.json");
        std::fs::write(&file, config).unwrap();
        let child = run(folder.path(), resolver);
        let mut pebble = Self {
            child,
            folder,
            resolver,
            port: None,
            authority: Arc::new(authority),
            root: String::new(),
            http,
            tls,
            _tasks: tasks,
        };
        pebble.find().await;
        pebble
    }

    /// Ends it. What it knows is gone: accounts, orders, and the root.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.port = None;
    }

    /// Starts it anew, on another port.
    pub(crate) async fn start_again(&mut self) {
        self.child = run(self.folder.path(), self.resolver);
        self.find().await;
    }

    /// Its two ports, which the kernel chose: the one that knows roots is for management.
    async fn find(&mut self) {
        let mut ports = Vec::new();
        eventually("pebble listens", async || {
            ports = listening(self.child.id());
            ports.len() == 2
        })
        .await;
        for port in ports {
            let answer = self.ask(port, "/roots/0").await;
            match answer.status {
                200 => self.root = answer.text(),
                _ => self.port = Some(port),
            }
        }
        assert!(self.port.is_some() && !self.root.is_empty());
    }

    async fn ask(&self, port: u16, path: &str) -> super::Response {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let stream = tls::connect(tcp, self.authority.pem(), "127.0.0.1", &["http/1.1"]).await;
        let request = Request::get(path).host("127.0.0.1");
        Raw::new(stream.unwrap()).ask(&request).await
    }

    /// The URL of its directory.
    pub(crate) fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port.unwrap())
    }

    /// Its port; none while it is stopped.
    pub(crate) fn port(&self) -> Option<u16> {
        self.port
    }

    /// What vouches for it as a server.
    pub(crate) fn authority(&self) -> Arc<Authority> {
        self.authority.clone()
    }

    /// The file that vouches for that URL.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// `[tls]` of a configuration that orders here, with more keys of the authority's table.
    pub(crate) fn config(&self, keys: &str) -> String {
        format!(
            "[tls]\nsource = \"acme\"\n[[tls.authorities]]\ndirectory = \"{}\"\nca = \"{}\"\n{keys}\n",
            self.directory(),
            self.ca().display(),
        )
    }

    /// The root of what it signs.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// How often its log has `text`.
    pub(crate) fn logged(&self, text: &str) -> usize {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
        log.matches(text).count()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        // Already gone, mostly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(folder: &Path, resolver: SocketAddr) -> Child {
    let log = std::fs::File::create(folder.join("log")).unwrap();
    Command::new("pebble")
        .args(["-dnsserver", &resolver.to_string(), "-config"])
        .arg(folder.join("pebble.json"))
        .env("PEBBLE_VA_NOSLEEP", "1")
        .env("PEBBLE_WFE_NONCEREJECT", "0")
        .env("PEBBLE_AUTHZREUSE", "0")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("pebble is installed")
}

/// The ports that a process listens on.
fn listening(process: u32) -> Vec<u16> {
    let Ok(files) = std::fs::read_dir(format!("/proc/{process}/fd")) else {
        return Vec::new();
    };
    let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    let sockets: BTreeSet<String> = links
        .filter_map(|link| {
            let text = link.to_str()?.strip_prefix("socket:[")?;
            Some(text.strip_suffix(']')?.to_owned())
        })
        .collect();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let ports = table.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_ours = words[3] == "0A" && sockets.contains(words[9]);
        let port = words[1].split_once(':')?.1;
        is_ours.then(|| u16::from_str_radix(port, 16).unwrap())
    });
    ports.collect()
}

/// A port that leads where the test says, and nowhere before.
pub(crate) struct Port {
    number: u16,
    target: watch::Sender<Option<SocketAddr>>,
    asked: Arc<AtomicUsize>,
}

impl Port {
    async fn open(tasks: &mut JoinSet<()>) -> Self {
        let (number, listeners) = listeners().await;
        let target = watch::Sender::new(None);
        let asked = Arc::<AtomicUsize>::default();
        for listener in listeners {
            tasks.spawn(forward(listener, target.subscribe(), asked.clone()));
        }
        Self {
            number,
            target,
            asked,
        }
    }

    /// Leads to `address`; connections that wait go there too.
    pub(crate) fn leads_to(&self, address: SocketAddr) {
        self.target.send_replace(Some(address));
    }

    /// How often it was connected to.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// A free port of this machine over IPv4, and over IPv6 where there is that.
async fn listeners() -> (u16, Vec<TcpListener>) {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let number = listener.local_addr().unwrap().port();
        match TcpListener::bind(("::1", number)).await {
            Ok(other) => return (number, vec![listener, other]),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(_) => return (number, vec![listener]),
        }
    }
}

async fn forward(
    listener: TcpListener,
    target: watch::Receiver<Option<SocketAddr>>,
    asked: Arc<AtomicUsize>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        asked.fetch_add(1, Ordering::Relaxed);
        let mut target = target.clone();
        connections.spawn(async move {
            let address = target.wait_for(Option::is_some).await.unwrap().unwrap();
            if let Ok(mut other) = TcpStream::connect(address).await {
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut other).await;
            }
        });
    }
}

/// Answers every question for an IPv4 address with this machine, and all others with nothing;
/// names below `nowhere` do not exist.
async fn resolve(socket: UdpSocket) {
    let mut packet = [0; 512];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut packet).await else {
            continue;
        };
        let query = &packet[..length];
        // Labels until the empty one, then two bytes each of type and class.
        let mut end = 12;
        while query[end] != 0 {
            end += usize::from(query[end]) + 1;
        }
        let question = &query[12..end + 5];
        let is_nowhere = question.windows(8).any(|part| part == b"\x07nowhere");
        let is_address = question[question.len() - 4..] == [0, 1, 0, 1] && !is_nowhere;
        let mut answer = query[..2].to_vec();
        answer.extend([0x81, if is_nowhere { 0x83 } else { 0x80 }]);
        answer.extend([0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
        answer.extend(question);
        if is_address {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
        }
        let _ = socket.send_to(&answer, from).await;
    }
}
