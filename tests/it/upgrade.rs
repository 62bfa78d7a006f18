//! The process in its life: reloads, upgrades and the end, with requests of every kind under way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::binary::{Binary, signal};
use crate::support::h2_client::H2;
use crate::support::request::HOST;
use crate::support::{Answer, Gate, Homeserver, Raw, Request, eventually, tls, within};

const PROFILE: &str = "/_matrix/client/v3/profile/@a:example.com";
const SYNC: &str = "/_matrix/client/v3/sync?since=s1&timeout=30000";
const UPLOAD: &str = "/_matrix/media/v3/upload";

/// A loopback address that no other test takes, with two free ports.
fn free_addresses() -> [SocketAddr; 2] {
    let sockets = [(); 2].map(|()| std::net::TcpListener::bind("127.83.0.1:0").unwrap());
    sockets.map(|socket| socket.local_addr().unwrap())
}

/// A plain listener and one with TLS, a WebSocket route, and more.
fn config([plain, tls]: [SocketAddr; 2], more: &str) -> String {
    format!(
        "listeners = [{{ address = \"{plain}\", tls = false, profile = \"both\" }}, \
         {{ address = \"{tls}\", tls = true, profile = \"both\" }}]\n\
         [admin]\naddress = \"unix:$state/admin.sock\"\n\
         [[routes]]\npath = \"/socket\"\nupstream = \"$homeserver\"\n{more}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_taken_up_by_signal_by_command_and_by_itself() {
    let homeserver = Homeserver::start().await;
    let addresses = free_addresses();
    let binary = Binary::start_with(&homeserver, &config(addresses, "")).await;
    let redirect = |to: &str| {
        let route = format!("[[routes]]\npath = \"/new\"\nredirect = \"https://{to}.example/\"\n");
        config(addresses, &route)
    };
    let goes_to = async |expected: &str| {
        let answer = plain(addresses[0]).await.ask(&Request::get("/new")).await;
        answer.header("location") == Some(&format!("https://{expected}.example/"))
    };
    binary.write(&redirect("signal"));
    binary.signal("HUP");
    eventually("the signal is heard", async || goes_to("signal").await).await;

    binary.write(&redirect("command"));
    let (is_done, said) = binary.command("reload").await;
    assert!(is_done && said.contains("version 3 is in force"), "{said}");
    assert!(goes_to("command").await);

    binary.write("server_name = 7");
    let (is_done, said) = binary.command("reload").await;
    assert!(
        !is_done && said.contains("nothing has been reloaded"),
        "{said}"
    );
    assert!(goes_to("command").await);

    binary.write(&format!("watch_config = true\n{}", redirect("watched")));
    assert!(goes_to("command").await, "nobody has said so");
    assert!(binary.command("reload").await.0);
    binary.write(&format!("watch_config = true\n{}", redirect("itself")));
    eventually("the change is seen", async || goes_to("itself").await).await;
    binary.write(&format!(
        "watch_config = true\n{}nonsense = 1",
        redirect("never")
    ));
    let attempts = async || binary.report().await["attempts"].as_u64();
    eventually("the next is refused", async || attempts().await == Some(5)).await;
    assert!(goes_to("itself").await);
    let output = binary.output();
    assert!(
        output.contains("nonsense") && output.contains("stays in force"),
        "{output}"
    );
}

async fn plain(address: SocketAddr) -> Raw {
    Raw::new(TcpStream::connect(address).await.unwrap())
}

/// Requests that are made again and again, and how they end.
#[derive(Default)]
struct Counts {
    answered: AtomicUsize,
    failed: AtomicUsize,
    is_over: AtomicBool,
}

impl Counts {
    fn count(&self, is_answered: bool) {
        let count = if is_answered {
            &self.answered
        } else {
            &self.failed
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }
}

/// Who asks again and again, each in its own way.
struct Crowd {
    counts: Vec<(&'static str, Arc<Counts>)>,
    tasks: JoinSet<()>,
}

impl Crowd {
    fn start([plain, tls]: [SocketAddr; 2], authority: &str) -> Self {
        let mut crowd = Self {
            counts: Vec::new(),
            tasks: JoinSet::new(),
        };
        let authority: Arc<str> = authority.into();
        crowd.add("a connection each", |counts| each_on_its_own(plain, counts));
        crowd.add("one connection", |counts| {
            kept_alive(tls, authority.clone(), counts)
        });
        crowd.add("HTTP/2", |counts| {
            side_by_side(tls, authority.clone(), counts)
        });
        for version in ["--http1.1", "--http2"] {
            crowd.add(version, |counts| {
                by_curl(tls, authority.clone(), version, counts)
            });
        }
        crowd
    }

    fn add<F>(&mut self, name: &'static str, asking: impl FnOnce(Arc<Counts>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let counts = Arc::<Counts>::default();
        self.tasks.spawn(asking(counts.clone()));
        self.counts.push((name, counts));
    }

    /// Waits until everybody has had so many more answers.
    async fn progress(&self, more: usize) {
        let answered = |counts: &Counts| counts.answered.load(Ordering::Relaxed);
        let before: Vec<_> = self.counts.iter().map(|(_, c)| answered(c)).collect();
        let now = self.counts.iter().zip(before);
        let is_there = || {
            now.clone()
                .all(|((_, c), before)| answered(c) >= before + more)
        };
        eventually("everybody gets answers", async || is_there()).await;
    }

    /// How many were answered, and what failed.
    async fn end(mut self) -> (usize, Vec<String>) {
        for (_, counts) in &self.counts {
            counts.is_over.store(true, Ordering::Relaxed);
        }
        within("everybody ends", async {
            while let Some(ended) = self.tasks.join_next().await {
                ended.unwrap();
            }
        })
        .await;
        let answered = self
            .counts
            .iter()
            .map(|(_, c)| c.answered.load(Ordering::Relaxed));
        let failed = self.counts.iter().filter_map(|(name, counts)| {
            let failed = counts.failed.load(Ordering::Relaxed);
            (failed > 0).then(|| format!("{name}: {failed}"))
        });
        (answered.sum(), failed.collect())
    }
}

async fn each_on_its_own(address: SocketAddr, counts: Arc<Counts>) {
    while counts.goes_on() {
        let Ok(stream) = TcpStream::connect(address).await else {
            counts.count(false);
            continue;
        };
        let mut raw = Raw::new(stream);
        raw.send(Request::get(PROFILE).bytes()).await;
        let answer = raw.try_response().await;
        counts.count(answer.is_some_and(|answer| answer.status == 200));
    }
}

/// As another homeserver does: one connection for as long as it may be used.
async fn kept_alive(address: SocketAddr, authority: Arc<str>, counts: Arc<Counts>) {
    let send = "/_matrix/federation/v1/send/1";
    let transaction = Request::new("PUT", send)
        .body(br#"{"origin":"a.example","pdus":[]}"#)
        .signed();
    while counts.goes_on() {
        let tcp = TcpStream::connect(address).await.unwrap();
        let stream = tls::connect(tcp, &authority, HOST, &["http/1.1"]).await;
        let mut raw = Raw::new(stream.unwrap());
        while counts.goes_on() {
            raw.send(transaction.bytes()).await;
            let Some(answer) = raw.try_response().await else {
                counts.count(false);
                break;
            };
            counts.count(answer.status == 200);
            if answer.header("connection") == Some("close") {
                break;
            }
        }
    }
}

async fn side_by_side(address: SocketAddr, authority: Arc<str>, counts: Arc<Counts>) {
    while counts.goes_on() {
        let tcp = TcpStream::connect(address).await.unwrap();
        let stream = tls::connect(tcp, &authority, HOST, &["h2"]).await;
        let mut h2 = H2::connect(Box::new(stream.unwrap())).await;
        while counts.goes_on() {
            match h2.try_ask(&Request::get(PROFILE)).await {
                Ok(answer) => counts.count(answer.status == 200),
                // It was told that no more are taken here, and has sent nothing.
                Err(error) if error.is_go_away() && error.is_remote() => break,
                Err(_) => {
                    counts.count(false);
                    break;
                }
            }
        }
    }
}

async fn by_curl(
    address: SocketAddr,
    authority: Arc<str>,
    version: &'static str,
    counts: Arc<Counts>,
) {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &*authority).unwrap();
    let url = format!("https://{HOST}:{}{PROFILE}", address.port());
    while counts.goes_on() {
        let mut curl = tokio::process::Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--fail",
            version,
        ]);
        curl.arg("--resolve")
            .arg(format!("{HOST}:{}:{}", address.port(), address.ip()));
        // Two on one connection.
        curl.arg("--cacert").arg(&ca).args([&url, &url]);
        counts.count(curl.output().await.unwrap().status.success());
    }
}

/// Requests that are under way from before the first change to after the last.
struct Patient {
    polls: Vec<Raw>,
    streams: Vec<crate::support::h2_client::Pending>,
    _h2: H2,
    tunnel: Raw,
    upload: Raw,
    sent: usize,
}

const PIECE: usize = 64 << 10;

impl Patient {
    async fn start([plain_address, tls]: [SocketAddr; 2], authority: &str) -> Self {
        let mut polls = Vec::new();
        for _ in 0..5 {
            let mut poll = plain(plain_address).await;
            poll.send(Request::get(SYNC).bytes()).await;
            polls.push(poll);
        }
        let tcp = TcpStream::connect(tls).await.unwrap();
        let stream = tls::connect(tcp, authority, HOST, &["h2"]).await.unwrap();
        let mut h2 = H2::connect(Box::new(stream)).await;
        let mut streams = Vec::new();
        for _ in 0..5 {
            let (request, _) = Request::get(SYNC).to_http2();
            streams.push(h2.begin(request, true).await.unwrap());
        }
        let mut tunnel = plain(plain_address).await;
        let upgrade = Request::get("/socket").field("Connection", "Upgrade");
        let answer = tunnel.ask(&upgrade.field("Upgrade", "websocket")).await;
        assert_eq!(answer.status, 101);
        let mut upload = plain(plain_address).await;
        let head = Request::new("POST", UPLOAD).field("Transfer-Encoding", "chunked");
        upload.send(head.bytes()).await;
        Self {
            polls,
            streams,
            _h2: h2,
            tunnel,
            upload,
            sent: 0,
        }
    }

    /// Something moves on each of those that can.
    async fn move_on(&mut self, word: &str) {
        self.tunnel.send(word).await;
        assert_eq!(self.tunnel.until(word).await, word);
        let piece = format!("{PIECE:x}\r\n{}\r\n", "x".repeat(PIECE));
        assert!(self.upload.try_send(piece).await, "the upload goes on");
        self.sent += PIECE;
    }

    /// All of them end as they should.
    async fn end(mut self, homeserver: &Homeserver) {
        for poll in &mut self.polls {
            assert_eq!(poll.response().await.status, 200);
        }
        for stream in self.streams {
            assert_eq!(stream.response().await.unwrap().status, 200);
        }
        self.upload.send("0\r\n\r\n").await;
        assert_eq!(self.upload.response().await.status, 200);
        let requests = homeserver.requests();
        let upload = requests
            .iter()
            .find(|request| request.target() == UPLOAD)
            .unwrap();
        assert_eq!(upload.body.len(), self.sent);
    }
}

async fn start(addresses: [SocketAddr; 2]) -> (Homeserver, Gate, Binary, String) {
    let gate = Gate::new();
    let homeserver = Homeserver::start().await;
    homeserver.route(
        "GET",
        "/_matrix/client/v3/sync",
        Answer::default().after(&gate),
    );
    homeserver.route("GET", "/socket", Answer::websocket_echo());
    let binary = Binary::start_with(&homeserver, &config(addresses, "")).await;
    let authority = std::fs::read_to_string(binary.path("ca.pem")).unwrap();
    (homeserver, gate, binary, authority)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_twenty_reloads() {
    let addresses = free_addresses();
    let (homeserver, gate, binary, authority) = start(addresses).await;
    let mut patient = Patient::start(addresses, &authority).await;
    let crowd = Crowd::start(addresses, &authority);
    let [third, _] = free_addresses();
    for number in 0..20_u32 {
        crowd.progress(2).await;
        let route =
            format!("[[routes]]\npath = \"/{number}\"\nredirect = \"https://a.example/\"\n");
        let listener = format!(", {{ address = \"{third}\", tls = false, profile = \"both\" }}]\n");
        let text = config(addresses, &route);
        binary.write(&if number.is_multiple_of(2) {
            text
        } else {
            text.replacen("]\n", &listener, 1)
        });
        let (is_done, said) = binary.command("reload").await;
        assert!(is_done, "{said}");
        patient.move_on(&format!("reload {number}")).await;
    }
    crowd.progress(5).await;
    let (answered, failed) = crowd.end().await;
    assert!(failed.is_empty(), "of {answered}: {failed:?}");
    gate.open();
    patient.end(&homeserver).await;
    assert_eq!(binary.report().await["version"], 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_five_upgrades_and_one_that_fails() {
    let addresses = free_addresses();
    let (homeserver, gate, mut binary, authority) = start(addresses).await;
    let mut patient = Patient::start(addresses, &authority).await;
    let crowd = Crowd::start(addresses, &authority);
    for number in 0..5 {
        crowd.progress(2).await;
        let before = binary.report().await["process"].clone();
        let (is_done, said) = binary.command("upgrade").await;
        assert!(is_done && said.contains("serves"), "{said}");
        assert_ne!(binary.report().await["process"], before);
        crowd.progress(2).await;
        patient.move_on(&format!("upgrade {number}")).await;
    }
    let report = binary.report().await;
    let process = u32::try_from(report["process"].as_u64().unwrap()).unwrap();
    binary.write("server_name = 7");
    assert!(signal(process, "USR2"));
    let failed = async || binary.report().await["failed_upgrades"].as_u64();
    eventually("the upgrade fails", async || failed().await == Some(1)).await;
    crowd.progress(5).await;
    let report = binary.report().await;
    assert_eq!(report["process"], process);
    assert!(
        report["failed_upgrade"]
            .as_str()
            .unwrap()
            .contains("before it served")
    );
    let (answered, failed) = crowd.end().await;
    assert!(failed.is_empty(), "of {answered}: {failed:?}");
    gate.open();
    patient.end(&homeserver).await;
    // The first has carried all of these to their end, and has nothing left.
    assert_eq!(binary.ended().await, Some(0));
    assert!(signal(process, "TERM"));
    let refused = async || TcpStream::connect(addresses[0]).await.is_err();
    eventually("the last one ends", refused).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_reloads_leave_nothing_behind() {
    let addresses = free_addresses();
    let (_homeserver, _gate, binary, _) = start(addresses).await;
    let [third, _] = free_addresses();
    let listener = format!(", {{ address = \"{third}\", tls = false, profile = \"both\" }}]\n");
    let reload = async |number: u32| {
        let host = format!(
            "hosts = [\"matrix.example.com\", \"h{}.example.com\"]\n",
            number % 5
        );
        let text = host + &config(addresses, "");
        binary.write(&if number.is_multiple_of(2) {
            text
        } else {
            text.replacen("}]\n", &format!("}}{listener}"), 1)
        });
        let answer = binary
            .admin()
            .await
            .ask(&Request::new("POST", "/reload"))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(
            plain(addresses[0])
                .await
                .ask(&Request::get(PROFILE))
                .await
                .status,
            200
        );
    };
    for number in 0..50 {
        reload(number).await;
    }
    let (files, memory) = (binary.open_files(), binary.memory());
    for number in 0..200 {
        reload(number).await;
    }
    let settled = async || binary.open_files() <= files + 2;
    eventually("files are closed", settled).await;
    let grown = binary.memory().saturating_sub(memory);
    assert!(grown < 4 << 20, "{memory} bytes became {grown} more");
}

/// As systemd does it: the sockets are there before the process, and wait while it is not.
#[tokio::test(flavor = "multi_thread")]
async fn sockets_may_be_there_already() {
    use command_fds::{CommandFdExt, FdMapping};
    let homeserver = Homeserver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let socket = std::net::TcpListener::bind("127.83.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let file = folder.path().join("vestibule.toml");
    let text = format!(
        "server_name = \"example.com\"\nhosts = [\"matrix.example.com\"]\nhomeserver = \"{}\"\nstate_folder = \"{}\"\n\
         threads = 2\n[[listeners]]\naddress = \"{address}\"\ntls = false\nprofile = \"both\"\n\
         [admin]\naddress = \"off\"\n",
        homeserver.url(),
        folder.path().display()
    );
    std::fs::write(&file, text).unwrap();
    let start = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command
            .arg("run")
            .arg("--config")
            .arg(&file)
            .env("LISTEN_FDS", "1");
        let parent_fd = socket.try_clone().unwrap().into();
        command
            .fd_mappings(vec![FdMapping {
                parent_fd,
                child_fd: 3,
            }])
            .unwrap();
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true).spawn().unwrap()
    };
    // Nobody is there yet.
    let mut early = plain(address).await;
    early.send(Request::get(PROFILE).bytes()).await;
    for _ in 0..2 {
        let mut child = start();
        assert_eq!(early.response().await.status, 200);
        for _ in 0..20 {
            assert_eq!(
                plain(address)
                    .await
                    .ask(&Request::get(PROFILE))
                    .await
                    .status,
                200
            );
        }
        assert!(signal(child.id().unwrap(), "TERM"));
        let mut status = None;
        eventually("it ends", async || {
            status = child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        assert!(status.unwrap().success());
        // Nobody is there again, and nobody is refused.
        early = plain(address).await;
        early.send(Request::get(PROFILE).bytes()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_resumes_the_sessions_of_its_predecessor() {
    let addresses = free_addresses();
    let (_homeserver, _gate, binary, authority) = start(addresses).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let connector = tls::connector_of(&authority, &["http/1.1"], &[version]);
        let ask = async || {
            let tcp = TcpStream::connect(addresses[1]).await.unwrap();
            let stream = connector.connect(HOST.try_into().unwrap(), tcp).await;
            let stream = stream.unwrap();
            let kind = stream.get_ref().1.handshake_kind();
            let answer = Raw::new(stream).ask(&Request::get(PROFILE)).await;
            assert_eq!(answer.status, 200);
            kind
        };
        assert_eq!(ask().await, Some(rustls::HandshakeKind::Full));
        let (is_done, said) = binary.command("upgrade").await;
        assert!(is_done, "{said}");
        binary.report().await;
        assert_eq!(
            ask().await,
            Some(rustls::HandshakeKind::Resumed),
            "{version:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_does_not_wait_for_what_the_program_asks_itself() {
    let homeserver = Homeserver::start().await;
    let addresses = free_addresses();
    let checking = format!("self_check = true\n{}", config(addresses, ""));
    homeserver.route("*", "/", Answer::silence());
    let mut binary = Binary::start_with(&homeserver, &checking).await;
    let metrics = Request::get("/metrics");
    let asks_itself = async || {
        let told = binary.admin().await.ask(&metrics).await.text();
        let mut in_flight = told
            .lines()
            .filter(|line| line.starts_with("vestibule_requests_in_flight{"));
        in_flight.any(|line| !line.ends_with(" 0"))
    };
    eventually("it asks itself", asks_itself).await;
    binary.signal("TERM");
    assert_eq!(binary.ended().await, Some(0));
}
