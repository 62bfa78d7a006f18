//! `vestibule import`: real proxies accept the fixtures that it is tested with, and a Vestibule
//! with what was imported of one asks the homeserver for the same, byte for byte.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::authority::{Authority, Wanted};
use super::program::{Program, find, free_address};

const HOST: &str = "matrix.example.com";

/// What a homeserver or a worker of it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    /// Which of them.
    process: String,
    line: String,
    fields: BTreeMap<String, String>,
}

/// Stubs of all processes, which write down what they are asked for.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Asked>>>);

impl Recorder {
    async fn start(&self, process: &str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (recorder, process) = (self.clone(), process.to_owned());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(recorder.clone().serve(stream, process.clone()));
            }
        });
        address
    }

    async fn serve(self, mut stream: TcpStream, process: String) {
        let mut head = Vec::new();
        let mut byte = [0];
        while stream.read_exact(&mut byte).await.is_ok() {
            head.push(byte[0]);
            if !head.ends_with(b"\r\n\r\n") {
                continue;
            }
            self.write_down(&String::from_utf8_lossy(&head), &process);
            head.clear();
            let answer =
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }

    fn write_down(&self, head: &str, process: &str) {
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap().to_owned();
        // Vestibule asks workers how they are.
        if line.starts_with("GET /health ") {
            return;
        }
        let fields = lines.filter_map(|line| line.split_once(": "));
        let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        self.0.lock().unwrap().push(Asked {
            process: process.to_owned(),
            line,
            fields: fields.collect(),
        });
    }

    /// Sends a request, and tells what arrived of it.
    fn ask(&self, proxy: SocketAddr, request: &str) -> Asked {
        let (method, target) = request.split_once(' ').unwrap();
        self.0.lock().unwrap().clear();
        let output = Command::new("curl")
            .args([
                "-sk",
                "-m",
                "20",
                "--http1.1",
                "--path-as-is",
                "-o",
                "/dev/null",
            ])
            .args(["-H", "X-Forwarded-For: 203.0.113.9", "-X", method])
            // What servers alone may send is refused where nobody says to.
            .args(["-H", "Authorization: X-Matrix"])
            .arg("--connect-to")
            .arg(format!("{HOST}:443:{proxy}"))
            .arg(format!("https://{HOST}{target}"))
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{target}: {output:?}");
        let asked = self.0.lock().unwrap().clone();
        let [asked] = asked.as_slice() else {
            panic!("{request} arrived as {asked:?}");
        };
        asked.clone()
    }
}

/// A folder with the fixtures of a proxy, changed so that they run here: ports that are free,
/// certificates that exist, processes that are stubs.
struct Site {
    folder: tempfile::TempDir,
    /// The new address of each that stood in a fixture.
    addresses: BTreeMap<String, SocketAddr>,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Authority::new("Zoo").make(&Wanted::new(&[HOST]));
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("server.pem", &format!("{}{}", made.leaf, made.intermediate));
        write("server.key", &made.key);
        Self {
            folder,
            addresses: BTreeMap::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The free address that stands for one of the fixture.
    fn address(&mut self, written: &str) -> SocketAddr {
        *self
            .addresses
            .entry(written.to_owned())
            .or_insert_with(free_address)
    }

    /// One fixture of nginx as it can run.
    fn nginx(&mut self, text: &str) -> String {
        let folder = self.folder.path().display().to_string();
        let mut lines = Vec::new();
        for line in text.lines() {
            let trimmed = line.trim_start();
            let words: Vec<&str> = trimmed.split_whitespace().collect();
            let line = match words.as_slice() {
                ["listen", address, ..] => {
                    let address = address.trim_end_matches(';');
                    let free = self.address(address).to_string();
                    line.replacen(address, &free, 1).replace(" ipv6only=on", "")
                }
                ["ssl_certificate" | "ssl_client_certificate", ..] => {
                    format!("{} {folder}/server.pem;", words[0])
                }
                ["ssl_certificate_key", ..] => format!("ssl_certificate_key {folder}/server.key;"),
                ["access_log", "off;"] => line.to_owned(),
                ["access_log", ..] => format!("access_log {folder}/access.log;"),
                ["error_log", ..] => format!("error_log {folder}/error.log;"),
                ["pid", ..] => format!("pid {folder}/nginx.pid;"),
                ["user", ..] => String::new(),
                _ => line.replace("/tmp/cache", &format!("{folder}/cache")),
            };
            lines.push(line);
        }
        lines.join("\n")
    }

    /// Writes `main.conf` around the adapted fixture, and the files beside it.
    fn write_nginx(&mut self, name: &str) -> PathBuf {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nginx");
        for entry in std::fs::read_dir(&fixtures).unwrap() {
            let path = entry.unwrap().path();
            let is_part = path
                .extension()
                .is_some_and(|end| end == "conf" || end == "types");
            if is_part {
                let text = std::fs::read_to_string(&path).unwrap();
                let adapted = path.ends_with(name).then(|| self.nginx(&text));
                let text = adapted.unwrap_or(text);
                std::fs::write(self.path(path.file_name().unwrap().to_str().unwrap()), text)
                    .unwrap();
            }
        }
        let folder = self.folder.path().display();
        let site = self.path(name);
        if std::fs::read_to_string(&site).unwrap().contains("http {") {
            return site;
        }
        let main = format!(
            "worker_processes 1; pid {folder}/nginx.pid; events {{ worker_connections 256; }}
             http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
             fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
             include {name}; }}"
        );
        std::fs::write(self.path("nginx.conf"), main).unwrap();
        self.path("nginx.conf")
    }

    /// Writes the adapted fixture with what an Apache needs around it, and the files beside it.
    fn write_apache(&mut self, name: &str, change: impl Fn(String) -> String) -> PathBuf {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/apache");
        let folder = self.folder.path().display().to_string();
        let options = std::fs::read_to_string(fixtures.join("options-ssl.conf")).unwrap();
        std::fs::write(self.path("options-ssl.conf"), options).unwrap();
        let text = std::fs::read_to_string(fixtures.join(name)).unwrap();
        let text: Vec<String> = text.lines().map(|line| self.apache(line)).collect();
        std::fs::write(self.path(name), change(text.join("\n"))).unwrap();
        let load = |module: &&str| {
            format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n")
        };
        let modules: String = APACHE_MODULES.iter().map(load).collect();
        let listen = self
            .addresses
            .values()
            .map(|address| format!("Listen {address}\n"));
        let listen: String = listen.collect();
        let main = format!(
            "ServerRoot {folder}\nUser www-data\nGroup www-data\nPidFile {folder}/apache.pid\n\
             ErrorLog /dev/stderr\nDefaultRuntimeDir {folder}\nMutex file:{folder} default\n\
             ServerName localhost\nStartServers 1\n{modules}{listen}Include {folder}/{name}\n"
        );
        let path = self.path("main.conf");
        std::fs::write(&path, main).unwrap();
        path
    }

    /// A line of a fixture of Apache as it can run.
    fn apache(&mut self, line: &str) -> String {
        let folder = self.folder.path().display().to_string();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["<VirtualHost", address] => {
                let port = address.trim_end_matches('>').rsplit(':').next().unwrap();
                format!("<VirtualHost {}>", self.address(port))
            }
            [name @ ("SSLCertificateFile" | "SSLCertificateChainFile"), _] => {
                format!("{name} {folder}/server.pem")
            }
            ["SSLCertificateKeyFile", _] => format!("SSLCertificateKeyFile {folder}/server.key"),
            ["ErrorLog", _] => "ErrorLog /dev/stderr".to_owned(),
            ["CustomLog", path, format] if !path.starts_with("\"|") => {
                format!("CustomLog {folder}/access.log {format}")
            }
            _ => line.to_owned(),
        }
    }

    /// Runs the program with what `import` wrote of `file`, on another port.
    async fn vestibule(
        &self,
        kind: &str,
        file: &Path,
        listen: SocketAddr,
    ) -> (Program, SocketAddr) {
        let output = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args(["import", kind, "--prefix"])
            .arg(self.folder.path())
            .arg(file)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let own = free_address();
        // Every other socket of the site is left to the proxy.
        let (top, tables) = text.split_once("\n[[listeners]]\n").unwrap();
        let listeners = format!("\n[[listeners]]\n{tables}");
        let mut kept = String::new();
        for part in listeners
            .split("\n[")
            .filter(|part| !part.trim().is_empty())
        {
            let is_other =
                part.starts_with("[listeners]]") && !part.contains(&format!("\"{listen}\""));
            if !is_other {
                kept.push_str("\n[");
                kept.push_str(&part.replace(&listen.to_string(), &own.to_string()));
            }
        }
        // Its own questions would arrive among those of the test.
        let text = format!("self_check = false\n{top}\n{kept}\n[admin]\naddress = \"off\"\n");
        let path = self.path("vestibule.toml");
        std::fs::write(&path, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command.arg("run").arg("--config").arg(path);
        (Program::start(command, self.folder.path(), own).await, own)
    }
}

const APACHE_MODULES: &[&str] = &[
    "mpm_event",
    "authz_core",
    "authz_host",
    "authz_user",
    "authn_core",
    "authn_file",
    "auth_basic",
    "alias",
    "deflate",
    "filter",
    "headers",
    "lbmethod_byrequests",
    "proxy",
    "proxy_balancer",
    "proxy_http",
    "remoteip",
    "rewrite",
    "slotmem_shm",
    "socache_shmcb",
    "ssl",
];

/// What clients and other servers ask for, with the spellings that proxies spoil.
const REQUESTS: &[&str] = &[
    "GET /_matrix/client/versions",
    "GET /_matrix/client/v3/login",
    "GET /_matrix/client/v3/sync",
    "GET /_matrix/client/v3/sync?since=s1_2&timeout=30000",
    "GET /_matrix/client/r0/events?from=t1",
    "GET /_matrix/client/v3/rooms/!room:example.com/messages?dir=b",
    "GET /_matrix/client/v3/rooms/!room%3Aexample.com/messages?dir=b",
    "GET /_matrix/client/v3/rooms/%21room:example.com/state/m.room.name/",
    "GET /_matrix/client/v3/rooms/!room:example.com/event/$a%2Fb",
    "GET /_matrix/client/v3/room_keys/keys/!room:example.com/ab%2Fcd%2Bef",
    "GET /_matrix/client/v3/directory/room/%23alias:example.com",
    "GET /_matrix/client/v3/profile/@user:example.com",
    "GET /_matrix/client/v3/profile/%40user%3aexample.com/displayname",
    "PUT /_matrix/client/v3/rooms/!room:example.com/typing/@user:example.com",
    "GET /_matrix/client/v3/pushrules/",
    "GET /_matrix/client/v3/account/whoami?x=a+b%20c&y=%2F",
    "GET /_matrix/client/v1/media/download/example.com/abc?allow_redirect=true",
    "GET /_matrix/client/v1/media/thumbnail/example.com/abc;x=1",
    "GET /_matrix/media/v3/config",
    "GET /_matrix/federation/v1/version",
    "GET /_matrix/federation/v1/event/$a%2Fb",
    "GET /_matrix/federation/v1/state_ids/!room:example.com?event_id=%24x",
    "GET /_matrix/federation/v1/make_join/!room:example.com/@user:example.com?ver=1&ver=2",
    "GET /_matrix/federation/v1/query/profile?user_id=%40a%3Ab",
    "GET /_matrix/federation/v1/user/devices/%40user%3Aexample.com",
    "PUT /_matrix/federation/v1/send/1234",
    "GET /_matrix/key/v2/server",
    "GET /_matrix/key/v2/query/example.org",
    "GET /_matrix/unknown/%E4%BD%A0",
    "GET /_matrix/client/v3/unknown/%25%252F",
    "GET /_synapse/client/pick_idp?a=%2F",
    "GET /_synapse/client/oidc/callback?code=a%2Fb",
];

/// What both ask for must be the same; who is asked may differ where the import says so.
fn compare(request: &str, theirs: &Asked, ours: &Asked) -> Option<String> {
    assert_eq!(ours.line, theirs.line, "{request}");
    assert_eq!(ours.line, format!("{request} HTTP/1.1"));
    let field = |asked: &Asked, name: &str| asked.fields.get(name).cloned();
    let proto = "x-forwarded-proto";
    assert_eq!(field(ours, proto), field(theirs, proto), "{request}");
    assert_eq!(
        field(ours, "x-forwarded-for"),
        Some("127.0.0.1".into()),
        "{request}"
    );
    assert_eq!(field(ours, "host"), Some(HOST.into()), "{request}");
    let (before, now) = (&theirs.process, &ours.process);
    (before != now).then(|| format!("{request}: {before}, now {now}"))
}

async fn nginx_and_ours_ask_for_the_same(
    name: &str,
    processes: &[(&str, &str)],
    expected: &[&str],
) {
    let Some(program) = find("nginx") else { return };
    let recorder = Recorder::default();
    let mut site = Site::new();
    let fixture = site.write_nginx(name);
    let path = site.path(name);
    let mut text = std::fs::read_to_string(&path).unwrap();
    for (address, process) in processes {
        text = text.replace(address, &recorder.start(process).await.to_string());
    }
    std::fs::write(&path, text).unwrap();
    let listen = site.address("443");
    let mut command = Command::new(program);
    command.args(["-g", "daemon off;", "-e", "stderr", "-p"]);
    command.arg(site.folder.path()).arg("-c").arg(fixture);
    let _theirs = Program::start(command, site.folder.path(), listen).await;
    let (_ours, own) = site.vestibule("nginx", &path, listen).await;
    let mut differences = Vec::new();
    for request in REQUESTS {
        let theirs = recorder.ask(listen, request);
        differences.extend(compare(request, &theirs, &recorder.ask(own, request)));
    }
    assert_eq!(differences, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nginx_of_synapses_documents_becomes_the_same() {
    nginx_and_ours_ask_for_the_same("synapse.conf", &[("localhost:8008", "main")], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nginx_of_synapses_documents_of_workers_becomes_the_same() {
    let processes = [
        ("127.0.0.1:8008", "main"),
        ("127.0.0.1:8081", "generic"),
        ("127.0.0.1:8082", "generic"),
        ("127.0.0.1:8083", "initial sync"),
        ("127.0.0.1:8084", "initial sync"),
        ("127.0.0.1:8085", "sync"),
        ("127.0.0.1:8086", "sync"),
        ("127.0.0.1:8087", "federation"),
        ("127.0.0.1:8088", "federation"),
        ("127.0.0.1:8089", "typing"),
    ];
    // The patterns name a part of a group each; the warnings of the import say so.
    let expected = [
        "GET /_matrix/client/v3/pushrules/: main, now generic",
        "GET /_matrix/key/v2/server: main, now generic",
    ];
    nginx_and_ours_ask_for_the_same("workers.conf", &processes, &expected).await;
}

#[test]
fn nginx_accepts_every_fixture_of_it() {
    let Some(program) = find("nginx") else { return };
    for name in [
        "synapse.conf",
        "workers.conf",
        "certbot.conf",
        "behind-traefik.conf",
        "everything-wrong.conf",
        "proxy-protocol.conf",
    ] {
        let mut site = Site::new();
        let main = site.write_nginx(name);
        let output = Command::new(&program)
            .args(["-t", "-e", "stderr", "-p"])
            .arg(site.folder.path())
            .arg("-c")
            .arg(main)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {told}");
    }
}

async fn apache_and_ours_ask_for_the_same(
    name: &str,
    processes: &[(&str, &str)],
    expected: &[&str],
) {
    let Some(program) = find("apache2") else {
        return;
    };
    let recorder = Recorder::default();
    let mut stubs = Vec::new();
    for (address, process) in processes {
        stubs.push((*address, recorder.start(process).await.to_string()));
    }
    let mut site = Site::new();
    let main = site.write_apache(name, |text| {
        let with = |text: String, (address, stub): &(&str, String)| text.replace(address, stub);
        stubs.iter().fold(text, with)
    });
    let listen = site.address("443");
    let mut command = Command::new(program);
    command.args(["-D", "FOREGROUND", "-f"]).arg(main);
    let _theirs = Program::start(command, site.folder.path(), listen).await;
    let (_ours, own) = site.vestibule("apache", &site.path(name), listen).await;
    let mut differences = Vec::new();
    for request in REQUESTS {
        let theirs = recorder.ask(listen, request);
        differences.extend(compare(request, &theirs, &recorder.ask(own, request)));
        // What the client wrote stands first there, which is what Synapse takes.
        let forwarded = theirs.fields.get("x-forwarded-for").unwrap();
        assert_eq!(forwarded, "203.0.113.9, 127.0.0.1", "{request}");
    }
    assert_eq!(differences, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_apache_of_synapses_documents_becomes_the_same() {
    let processes = [("127.0.0.1:8008", "main")];
    apache_and_ours_ask_for_the_same("synapse.conf", &processes, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apache_with_balancers_becomes_the_same() {
    let processes = [
        ("127.0.0.1:8008", "main"),
        ("127.0.0.1:8081", "generic"),
        ("127.0.0.1:8082", "generic"),
        ("127.0.0.1:8085", "sync"),
    ];
    // The patterns name a part of a group each; the warnings of the import say so.
    let expected = [
        "GET /_matrix/client/r0/events?from=t1: main, now sync",
        "GET /_matrix/key/v2/server: main, now generic",
        "GET /_matrix/key/v2/query/example.org: main, now generic",
    ];
    apache_and_ours_ask_for_the_same("workers.conf", &processes, &expected).await;
}

#[test]
fn apache_accepts_every_fixture_of_it() {
    let Some(program) = find("apache2") else {
        return;
    };
    for name in [
        "synapse.conf",
        "certbot.conf",
        "workers.conf",
        "everything-wrong.conf",
    ] {
        let mut site = Site::new();
        let main = site.write_apache(name, |text| text);
        let output = Command::new(&program)
            .arg("-t")
            .arg("-f")
            .arg(main)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {told}");
    }
}
