//! Whole requests through the real program, one after the other on one connection.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::sleep;

use crate::callgrind::{Counted, difference};
use crate::client::{HOST, Http1, Http2};
use crate::figures::Figures;
use crate::{say, upstream};

/// What is counted lies between so many requests and so many, which leaves out start and end.
const FEW: u32 = 200;
const MANY: u32 = 1_200;

/// How long the upstream and the client let the program come to rest before they send the next
/// thing. Under valgrind it runs fifty times slower, so that without a pause an answer might be
/// there before it is waited for, or not: both are right, and differ in what they execute.
const PAUSE: Duration = Duration::from_millis(3);

const START_DEADLINE: Duration = Duration::from_mins(2);

const GET: &str = "/_matrix/client/v3/capabilities";
const WELL_KNOWN: &str = "/.well-known/matrix/client";

/// (name, whether HTTP/2, path)
const CASES: [(&str, bool, &str); 3] = [
    ("thousand_requests/h1", false, GET),
    ("thousand_requests/h2", true, GET),
    ("thousand_requests/h1_well_known", false, WELL_KNOWN),
];

/// No TLS: how much of it is done by instructions of their own differs from one CPU to the next.
const CONFIG: &str = r#"
server_name = "example.com"
homeserver = "http://$upstream"
hosts = ["matrix.example.com"]
state_folder = "$folder"
threads = 1

[[listeners]]
address = "127.0.0.1:0"
tls = false
profile = "both"

[tls]
source = "files"
certificates = [{ certificate = "$folder/certificate.pem", key = "$folder/key.pem" }]

[access_log]
path = "$folder/access.log"

[admin]
address = "127.0.0.1:0"
"#;

/// Counts the instructions of a thousand requests of each kind.
pub(crate) fn count(figures: &mut Figures) {
    for (name, is_http2, path) in CASES {
        say(&format!("counting {name}"));
        let requests = difference(FEW, MANY, |count| total(is_http2, path, count));
        figures.set(name, requests);
    }
}

/// What the program executes from its start to its end with `count` requests in between.
fn total(is_http2: bool, path: &str, count: u32) -> u64 {
    let upstream = upstream::start(PAUSE).unwrap();
    let mut counted = Counted::new(env!("CARGO_BIN_EXE_vestibule"));
    let folder = counted.folder().to_owned();
    let config = folder.join("vestibule.toml");
    fs::write(&config, configuration(&folder, upstream)).unwrap();
    let mut program = counted
        .command
        .arg("run")
        .arg("--config")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(folder.join("log")).unwrap())
        .spawn()
        .expect("valgrind can be started");
    let address = address(&folder.join("log"), &mut program);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(ask(address, is_http2, path, count));
    drop(runtime);
    kill_process(Pid::from_child(&program), Signal::TERM).unwrap();
    assert!(program.wait().unwrap().success(), "the program ends well");
    counted.total()
}

/// A connection and `count` requests on it.
async fn ask(address: SocketAddr, is_http2: bool, path: &str, count: u32) {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    if is_http2 {
        let mut client = Http2::new(stream).await.unwrap();
        for _ in 0..count {
            client.ask("GET", path, b"").await.unwrap();
            sleep(PAUSE).await;
        }
    } else {
        let mut client = Http1::new(stream);
        for _ in 0..count {
            client.ask("GET", path, b"").await.unwrap();
            sleep(PAUSE).await;
        }
    }
}

/// The configuration with its certificate, which is needed even where no listener has TLS.
fn configuration(folder: &Path, upstream: SocketAddr) -> String {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned(), "example.com".to_owned()]);
    let made = made.unwrap();
    fs::write(folder.join("certificate.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    CONFIG
        .replace("$upstream", &upstream.to_string())
        .replace("$folder", folder.to_str().unwrap())
}

/// Waits until the program says where it listens.
fn address(log: &Path, program: &mut Child) -> SocketAddr {
    let begin = Instant::now();
    while begin.elapsed() < START_DEADLINE {
        let text = fs::read_to_string(log).unwrap();
        // Its last line at start: what it says is whole then.
        if text.contains("access log:") {
            let address = text.split_once("listening on ").unwrap().1;
            return address.split_once(' ').unwrap().0.parse().unwrap();
        }
        if let Some(status) = program.try_wait().unwrap() {
            panic!("the program has ended with {status}: {text}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the program does not start");
}
