//! The units, by the eyes of systemd.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use vestibule::config::Config;

use crate::machine::{PROGRAM, find, in_repository, is_root, run, said};

/// The last systemd that does not know `Type=notify-reload` says this, once for each unit it reads.
const UNKNOWN_BEFORE_253: &str = "Failed to parse service type, ignoring: notify-reload";

/// The values of a key in a unit, in order.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    let assignments = unit.lines().filter_map(|line| line.split_once('='));
    let of_key = assignments.filter(|(name, _)| *name == key);
    of_key.map(|(_, value)| value).collect()
}

fn unit(name: &str) -> String {
    fs::read_to_string(in_repository("deploy/systemd").join(name)).unwrap()
}

#[test]
fn systemd_understands_the_units() {
    let Some(analyze) = find("systemd-analyze", "systemd") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for name in ["vestibule.service", "vestibule.socket"] {
        let text = unit(name).replace("/usr/bin/vestibule", PROGRAM);
        fs::write(folder.path().join(name), text).unwrap();
    }
    let file = |name: &str| folder.path().join(name).display().to_string();
    let units = [file("vestibule.service"), file("vestibule.socket")];
    let verify = ["verify".to_owned(), "--man=no".to_owned()];
    let output = run(analyze, verify.iter().chain(&units));
    let said = said(&output);
    let ours = said.lines().filter(|line| line.contains("vestibule"));
    let problems: Vec<_> = ours.filter(|it| !it.contains(UNKNOWN_BEFORE_253)).collect();
    assert!(output.status.success() && problems.is_empty(), "{said}");
}

#[test]
fn the_service_is_hardly_exposed() {
    let Some(analyze) = find("systemd-analyze", "systemd") else {
        return;
    };
    let unit = in_repository("deploy/systemd/vestibule.service");
    let arguments = ["security", "--offline=true", "--threshold=15"];
    let output = run(analyze, arguments.iter().map(Path::new).chain([&*unit]));
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn only_root_reads_credentials() {
    let (Some(tmpfiles), true) = (find("systemd-tmpfiles", "systemd"), is_root()) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    // It looks up the owner by name.
    let etc = root.path().join("etc");
    fs::create_dir(&etc).unwrap();
    fs::write(etc.join("passwd"), "root:x:0:0::/:/bin/false\n").unwrap();
    fs::write(etc.join("group"), "root:x:0:\n").unwrap();
    let rules = in_repository("deploy/systemd/vestibule.tmpfile");
    let root_option = format!("--root={}", root.path().display());
    let arguments = ["--create", &root_option, rules.to_str().unwrap()];
    let output = run(tmpfiles, arguments);
    let mode = |path: &str| {
        let facts = fs::metadata(etc.join(path));
        facts.map(|it| it.permissions().mode() & 0o777)
    };
    let modes = (mode("vestibule").ok(), mode("vestibule/credentials").ok());
    assert_eq!(modes, (Some(0o755), Some(0o700)), "{}", said(&output));
}

#[test]
fn the_service_has_time_to_drain() {
    let text = "server_name = \"a.test\"\nhomeserver = \"http://127.0.0.1:8008\"";
    let config = Config::parse("test.toml", text).unwrap();
    let service = unit("vestibule.service");
    let stop = values(&service, "TimeoutStopSec")[0].trim_end_matches('s');
    let stop = Duration::from_secs(stop.parse().unwrap());
    let drain = config.timeouts.drain.duration();
    assert!(stop > drain, "{stop:?} is not longer than {drain:?}");
}

#[test]
fn the_sockets_are_the_default_listeners() {
    let text = "server_name = \"a.test\"\nhomeserver = \"http://127.0.0.1:8008\"";
    let config = Config::parse("test.toml", text).unwrap();
    let written = config.listeners.iter().flat_map(|it| &it.address);
    let wanted: Vec<_> = written
        .flat_map(|address| {
            let address = address.to_string();
            ["0.0.0.0:", "[::]:"].map(|family| address.replace("*:", family))
        })
        .collect();
    assert_eq!(values(&unit("vestibule.socket"), "ListenStream"), wanted);
}

/// Ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_journal_gets_priorities() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let configuration = r#"
        server_name = "a.test"
        homeserver = "http://127.0.0.1:9"
        listeners = [{ address = "127.0.0.1:0" }]
        admin.address = "off"
    "#;
    fs::write(file("vestibule.toml"), configuration).unwrap();
    let log = File::create(file("log")).unwrap();
    let facts = log.metadata().unwrap();
    let _running = Running(
        Command::new(PROGRAM)
            .args(["run", "--config"])
            .arg(file("vestibule.toml"))
            .env("JOURNAL_STREAM", format!("{}:{}", facts.dev(), facts.ino()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap(),
    );
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut text = String::new();
    while !text.ends_with('\n') {
        assert!(Instant::now() < deadline, "nothing was logged");
        thread::sleep(Duration::from_millis(10));
        text = fs::read_to_string(file("log")).unwrap();
    }
    let is_marked = |line: &str| line.starts_with("<6>") || line.starts_with("<4>");
    assert!(text.lines().all(is_marked), "{text}");
}
