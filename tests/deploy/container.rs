//! The image: built by buildah, run by crun, and asked for something over HTTP.
//!
//! Its program is that of the tests, linked anew by the flag of the `Containerfile`. Building all of
//! it anew would take minutes and differ in nothing that an image is about.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::machine::{PROGRAM, find, in_repository, is_root, run, said};

/// Whom the image runs as.
const USER: u32 = 65532;

/// All that the image has, folders without files left out.
const FILES: &str = "etc/group
etc/nsswitch.conf
etc/passwd
etc/ssl/certs/ca-certificates.crt
usr/bin/vestibule
";

/// Runs a program that must succeed; what it printed.
fn must(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The program of the tests as one file that needs no other.
fn static_program(folder: &Path) -> PathBuf {
    let dependencies = Path::new(PROGRAM).parent().unwrap().join("deps");
    let built = fs::read_dir(&dependencies)
        .unwrap()
        .map(|it| it.unwrap().path());
    let libraries = built.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("libvestibule-") && name.ends_with(".rlib")
    });
    let library = libraries.max_by_key(|it| fs::metadata(it).unwrap().modified().unwrap());
    let program = folder.join("static-program");
    let mut rustc = Command::new("rustc");
    rustc
        .args([
            "--edition=2024",
            "-C",
            "target-feature=+crt-static",
            "--extern",
        ])
        .arg(format!("vestibule={}", library.unwrap().display()))
        .arg("-L")
        .arg(format!("dependency={}", dependencies.display()))
        .arg("-o")
        .arg(&program)
        .arg(in_repository("src/main.rs"));
    must(&mut rustc);
    program
}

/// A buildah with a storage of its own.
struct Buildah {
    program: PathBuf,
    folder: PathBuf,
}

impl Buildah {
    fn command(&self, arguments: &[&str]) -> Command {
        let storage = |name: &str| self.folder.join(name).display().to_string();
        let mut command = Command::new(&self.program);
        command
            .args([
                "--root",
                &storage("images"),
                "--runroot",
                &storage("running"),
            ])
            .args(["--storage-driver", "vfs"])
            .args(arguments);
        command
    }

    /// Builds the image from `stage`, which stands for the stage that compiles.
    fn build(&self, stage: &Path) {
        let policy = self.folder.join("policy.json");
        fs::write(
            &policy,
            r#"{"default": [{"type": "insecureAcceptAnything"}]}"#,
        )
        .unwrap();
        let empty = self.folder.join("context");
        fs::create_dir(&empty).unwrap();
        let stage = format!("build={}", stage.display());
        let mut build = self.command(&["bud", "--isolation", "chroot", "--pull=false"]);
        build
            .args(["--build-context", &stage, "--tag", "localhost/vestibule"])
            .arg("--signature-policy")
            .arg(policy)
            .arg("--file")
            .arg(in_repository("deploy/container/Containerfile"))
            .arg(empty);
        must(&mut build);
    }

    /// What the image says of how it is run.
    fn config(&self) -> Value {
        let inspect = ["inspect", "--type", "image", "localhost/vestibule"];
        let image: Value = serde_json::from_str(&must(&mut self.command(&inspect))).unwrap();
        image["OCIv1"]["config"].clone()
    }

    /// The files of the image, unpacked.
    fn unpack(&self) -> PathBuf {
        let from = ["from", "--pull-never", "localhost/vestibule"];
        let container = must(&mut self.command(&from));
        must(&mut self.command(&["mount", &container])).into()
    }
}

/// A bundle as runtimes want it: the image's own command, nothing that may be written to but the
/// state, no privileges, and the machine's network.
fn write_bundle(crun: &Path, root: &Path, image: &Value, folder: &Path) -> PathBuf {
    let bundle = folder.join("bundle");
    fs::create_dir(&bundle).unwrap();
    must(Command::new(crun).arg("spec").current_dir(&bundle));
    let file = bundle.join("config.json");
    let mut spec: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    spec["root"] = json!({ "path": root, "readonly": true });
    let words = |key: &str| image[key].as_array().cloned().unwrap_or_default();
    let arguments = [words("Entrypoint"), words("Cmd")].concat();
    let user: Vec<u32> = image["User"]
        .as_str()
        .unwrap()
        .split(':')
        .map(|it| it.parse().unwrap())
        .collect();
    spec["process"]["args"] = arguments.into();
    spec["process"]["terminal"] = false.into();
    spec["process"]["user"] = json!({ "uid": user[0], "gid": user[1] });
    spec["process"]["capabilities"] = json!({});
    spec["process"]["noNewPrivileges"] = true.into();
    spec["linux"]["namespaces"] = ["pid", "mount", "ipc", "uts"]
        .map(|it| json!({ "type": it }))
        .to_vec()
        .into();
    let bind = |inside: &str, options: &str| {
        let name = Path::new(inside).file_name().unwrap();
        json!({ "destination": inside, "type": "bind", "source": folder.join(name), "options": ["bind", options] })
    };
    spec["mounts"] = json!([
        { "destination": "/proc", "type": "proc", "source": "proc" },
        { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"] },
        bind("/etc/hosts", "ro"),
        bind("/etc/vestibule/vestibule.toml", "ro"),
        bind("/var/lib/vestibule", "rw"),
    ]);
    fs::write(file, spec.to_string()).unwrap();
    bundle
}

/// A container; killed when the test is over.
struct Container {
    crun: PathBuf,
    /// The runtime's folder, and the container's name in it.
    state: PathBuf,
    name: String,
    child: Child,
    log: PathBuf,
}

impl Container {
    fn start(crun: &Path, bundle: &Path) -> Self {
        let log = bundle.join("log");
        let state = bundle.join("state");
        let name = format!("vestibule-test-{}", std::process::id());
        let output = File::create(&log).unwrap();
        // crun refuses a machine with both versions of cgroups, unless it sees only one.
        let script = "umount /sys/fs/cgroup/unified 2>/dev/null; exec \"$@\"";
        let child = Command::new("unshare")
            .args(["--mount", "sh", "-c", script, "sh"])
            .arg(crun)
            .arg("--root")
            .arg(&state)
            .args(["--cgroup-manager=disabled", "run", "--bundle"])
            .args([bundle, Path::new(&name)])
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        Self {
            crun: crun.to_owned(),
            state,
            name,
            child,
            log,
        }
    }

    /// Where the program says that it listens.
    fn address(&mut self) -> SocketAddr {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let log = fs::read_to_string(&self.log).unwrap();
            let listening = log.split_once("listening on ").map(|(_, rest)| rest);
            if let Some((address, _)) = listening.and_then(|it| it.split_once(' ')) {
                return address.parse().unwrap();
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it ended: {log}");
            assert!(Instant::now() < deadline, "it does not listen: {log}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Container {
    /// Asks it to stop, and waits until it has.
    fn stop(&mut self) -> ExitStatus {
        self.crun(&["kill"], &["TERM"]);
        self.child.wait().unwrap()
    }

    fn crun(&self, before: &[&str], after: &[&str]) {
        let _ = Command::new(&self.crun)
            .arg("--root")
            .arg(&self.state)
            .args(before)
            .arg(&self.name)
            .args(after)
            .output();
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // The container does not end with the runtime that waits for it.
        self.crun(&["delete", "--force"], &[]);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers one request as a homeserver; its port.
fn homeserver() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nfrom a homeserver";
        stream.write_all(answer).unwrap();
    });
    port
}

fn ask(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let request =
        "GET /_matrix/client/v3/capabilities HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// What a container finds beside its image.
fn write_surroundings(folder: &Path, port: u16) {
    // A name that only this file knows: static programs have no modules to look up names by.
    fs::write(folder.join("hosts"), "127.0.0.1 synapse.container.test\n").unwrap();
    let configuration = format!(
        r#"
        server_name = "a.test"
        homeserver = "http://synapse.container.test:{port}"
        tls = "internal"
        admin.address = "off"
        listeners = [{{ address = "127.0.0.1:0" }}, {{ address = "127.0.0.1:0", tls = true }}]
        "#
    );
    fs::write(folder.join("vestibule.toml"), configuration).unwrap();
    let state = folder.join("vestibule");
    fs::create_dir(&state).unwrap();
    chown(state, Some(USER), Some(USER)).unwrap();
}

#[test]
fn the_image_serves() {
    let buildah = find("buildah", "buildah");
    let crun = find("crun", "crun");
    let (Some(program), Some(crun), true) = (buildah, crun, is_root()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let stage = folder.join("stage");
    let assemble = in_repository("deploy/container/root");
    must(Command::new(assemble).args([&static_program(folder), &stage.join("image")]));
    let buildah = Buildah {
        program,
        folder: folder.to_owned(),
    };
    buildah.build(&stage);
    let image = buildah.config();
    let root = buildah.unpack();
    let files = run(
        "find",
        [
            &*root.display().to_string(),
            "-type",
            "f",
            "-printf",
            "%P\n",
        ],
    );
    let mut files: Vec<_> = said(&files).lines().map(|it| format!("{it}\n")).collect();
    files.sort();
    assert_eq!(files.concat(), FILES);

    write_surroundings(folder, homeserver());
    let bundle = write_bundle(&crun, &root, &image, folder);
    let mut container = Container::start(&crun, &bundle);
    let answer = ask(container.address());
    let log = fs::read_to_string(&container.log).unwrap();
    assert!(
        answer.ends_with("\r\n\r\nfrom a homeserver"),
        "{answer}\n{log}"
    );
    let authority = fs::metadata(folder.join("vestibule/ca.pem")).unwrap();
    assert_eq!(authority.uid(), USER);
    let ended = container.stop();
    assert!(ended.success(), "{ended}: {log}");
}
