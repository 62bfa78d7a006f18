//! Real Synapse homeservers federate through Vestibules.
//!
//! Each test is one function of `scenarios.py` and runs in its own process, against one world that `world.py` keeps up
//! for all of them; those of [`workers`] have another world, and those of [`headers`] none. Without the network or the
//! programs it needs, a test says what is missing and passes; where `CI` is set it fails.
//!
//! `VESTIBULE_SYNAPSE_VENV`: the Python environment with Synapse (default `target/synapse-venv`, installed when missing).
//! `VESTIBULE_SYNAPSE_PROXY`: another program with Vestibule's command line to test in its place.

mod headers;
mod workers;

use std::{
    env, fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Why there is no world to test in.
#[derive(Debug)]
enum NoWorld {
    /// The machine lacks something; the text says what and how to get it.
    Missing(String),
    /// Everything is there and it does not start: a defect.
    Broken(String),
}

impl From<io::Error> for NoWorld {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// The running homeservers and proxies.
struct World {
    python: PathBuf,
    folder: PathBuf,
    /// The script that knows the scenarios.
    scenarios: &'static str,
    /// It ends, and everything with it, when its standard input does: at the latest when this process is gone.
    _process: Child,
}

static WORLD: LazyLock<Result<World, NoWorld>> =
    LazyLock::new(|| World::start("world.py", "scenarios.py"));

impl World {
    /// Starts the world that the first script keeps up.
    fn start(world: &str, scenarios: &'static str) -> Result<Self, NoWorld> {
        require_curl()?;
        let python = install_synapse()?;
        let folder = new_folder(world)?;
        let proxy = env::var_os("VESTIBULE_SYNAPSE_PROXY")
            .unwrap_or_else(|| env!("CARGO_BIN_EXE_vestibule").into());
        let mut process = Command::new(&python)
            .arg(script(world))
            .arg(&folder)
            .arg(proxy)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut output = String::new();
        if let Some(stdout) = process.stdout.take() {
            let mut stdout = BufReader::new(stdout);
            stdout.read_line(&mut output)?;
            if output != "ready\n" {
                stdout.read_to_string(&mut output)?;
                process.wait()?;
                return Err(NoWorld::Broken(output));
            }
        }
        Ok(Self {
            python,
            folder,
            scenarios,
            _process: process,
        })
    }

    /// Runs one scenario; the error is what it printed.
    fn run(&self, scenario: &str) -> Result<(), String> {
        let output = Command::new(&self.python)
            .arg(script(self.scenarios))
            .arg(&self.folder)
            .arg(scenario)
            .output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let server = fs::read(self.folder.join("failed")).unwrap_or_default();
        let said = [output.stdout, output.stderr, server].concat();
        Err(format!(
            "{}\nlogs: {}",
            String::from_utf8_lossy(&said),
            self.folder.display()
        ))
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(ROOT).join("tests/synapse").join(name)
}

/// A folder of this run; those of earlier runs, kept because a scenario had failed, are removed.
fn new_folder(world: &str) -> io::Result<PathBuf> {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("synapse")
        .join(world.trim_end_matches(".py"));
    for entry in fs::read_dir(&parent).into_iter().flatten().flatten() {
        if entry.path().join("failed").exists() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    let folder = parent.join(std::process::id().to_string());
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// curl is the judge of what an HTTP/2 client can read of an early answer.
fn require_curl() -> Result<(), NoWorld> {
    let output = Command::new("curl").arg("--version").output();
    let features = output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    if features.contains("HTTP2") {
        return Ok(());
    }
    Err(NoWorld::Missing(
        "missing: curl with HTTP/2   apt-get install curl".into(),
    ))
}

/// The interpreter of an environment that has Synapse.
fn install_synapse() -> Result<PathBuf, NoWorld> {
    let folder = env::var_os("VESTIBULE_SYNAPSE_VENV").map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("synapse-venv"),
        PathBuf::from,
    );
    let output = Command::new(Path::new(ROOT).join("deploy/demo/install-synapse"))
        .arg(&folder)
        .output()?;
    if output.status.success() {
        return Ok(folder.join("bin/python"));
    }
    Err(NoWorld::Missing(
        String::from_utf8_lossy(&output.stderr)
            .trim_end()
            .to_owned(),
    ))
}

/// Runs a scenario of the world, or says why it cannot run.
fn check(world: &Result<World, NoWorld>, scenario: &str) -> Result<(), String> {
    match world {
        Ok(world) => world.run(scenario),
        Err(NoWorld::Broken(why)) => Err(format!("the homeservers do not start:\n{why}")),
        Err(NoWorld::Missing(what)) => missing(scenario, what),
    }
}

/// Says what the machine lacks for a test; in CI that is a failure.
fn missing(test: &str, what: &str) -> Result<(), String> {
    if env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false") {
        return Err(format!(
            "this machine cannot run it, and in CI that is a failure:\n{what}"
        ));
    }
    // Not eprintln!: the test harness would hide it, since the test passes.
    writeln!(
        io::stderr(),
        "SKIPPED {test}: this machine cannot run it:\n{what}"
    )
    .map_err(|error| error.to_string())
}

macro_rules! scenarios {
    ($($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                if let Err(why) = check(&WORLD, stringify!($name)) {
                    panic!("{why}");
                }
            }
        )+
    };
}

scenarios! {
    // First by name as well: it takes 95 seconds, and the others run beside it.
    a_95_second_long_poll_survives
    a_ban_in_a_policy_room_takes_effect
    a_denied_origin_never_reaches_synapse
    a_message_wakes_a_long_poll
    a_remote_user_joins_by_an_alias_with_a_slash
    a_signature_over_an_odd_uri_is_accepted
    a_state_key_with_an_encoded_slash_stays_one_segment
    a_too_large_upload_is_refused_readably
    an_invite_crosses_the_federation
    keys_of_strangers_are_had_through_synapse
    media_crosses_the_federation
    messages_go_both_ways
    no_spelling_passes_an_allow_list
    requests_are_verified_exactly_where_synapse_accepts_them
    synapse_sees_the_address_of_the_client
    the_sso_redirect_does_not_loop
}
