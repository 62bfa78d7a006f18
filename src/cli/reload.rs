//! `vestibule reload` and `vestibule upgrade`: have the running process take up its file, or hand
//! over to the program as it is now.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use http::Method;
use rustix::process::{Pid, Signal, kill_process};

use super::running::{Running, runtime};
use super::{CONFIGURATION, Exit, Terminal, load};
use crate::admin::Report;

/// How long a reload or an upgrade may take: an upgrade waits for a process to start.
const PATIENCE: Duration = Duration::from_secs(150);
/// From one look at what came of it to the next.
const LOOK: Duration = Duration::from_millis(100);
/// Where the admin listener has it.
const PATH: &str = "/reload";
/// What to do where nobody can be asked.
const BY_SIGNAL: &str = "send the process SIGHUP (reload) or SIGUSR2 (upgrade)";

/// Which process.
#[derive(Debug, Args)]
pub struct Command {
    /// The configuration file that the process runs with
    #[arg(short, long = "config", value_name = "FILE", default_value = CONFIGURATION)]
    file: PathBuf,
}

/// Has the running process reload its configuration, and says what came of it.
///
/// # Errors
/// When the terminal cannot be written to, or the system refuses a runtime.
pub fn reload(command: &Command, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    let Some(config) = load(&command.file, terminal)? else {
        writeln!(terminal.err, "nothing has been reloaded")?;
        return Ok(Exit::Usage);
    };
    let runtime = runtime()?;
    let reloaded = runtime.block_on(async {
        let running = Running::of(&config, BY_SIGNAL)?;
        let before = report(&running).await?;
        if running.may_change {
            return running.ask(Method::POST, PATH).await;
        }
        signal(&before, Signal::HUP)?;
        until(&running, |now| now.attempts > before.attempts).await
    });
    runtime.shutdown_background();
    let report = match reloaded {
        Ok(report) => report,
        Err(problem) => return failed(&problem, terminal),
    };
    let last = report.last.unwrap_or_default();
    for problem in &last.problems {
        writeln!(terminal.err, "error: {problem}")?;
    }
    if !last.is_in_force {
        let version = report.version;
        writeln!(
            terminal.err,
            "version {version} stays in force, nothing has changed"
        )?;
        return Ok(Exit::Failed);
    }
    writeln!(terminal.out, "version {} is in force", report.version)?;
    for key in &last.needs_restart {
        writeln!(
            terminal.out,
            "{key} takes a new process: `vestibule upgrade`, or a restart"
        )?;
    }
    Ok(Exit::Done)
}

/// Has the running process hand over to a new one, and waits until that serves.
///
/// # Errors
/// When the terminal cannot be written to, or the system refuses a runtime.
pub fn upgrade(command: &Command, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    let Some(config) = load(&command.file, terminal)? else {
        writeln!(terminal.err, "nothing has been started")?;
        return Ok(Exit::Usage);
    };
    let runtime = runtime()?;
    let upgraded = runtime.block_on(async {
        let running = Running::of(&config, BY_SIGNAL)?;
        let before = report(&running).await?;
        signal(&before, Signal::USR2)?;
        let is_over = |now: &Report| {
            now.process != before.process || now.failed_upgrades > before.failed_upgrades
        };
        let after = until(&running, is_over).await?;
        Ok::<_, String>((before, after))
    });
    runtime.shutdown_background();
    let (before, after) = match upgraded {
        Ok(upgraded) => upgraded,
        Err(problem) => return failed(&problem, terminal),
    };
    if after.process == before.process {
        let reason = after.failed_upgrade.unwrap_or_default();
        return failed(
            &format!("process {} goes on: {reason}", after.process),
            terminal,
        );
    }
    let (old, new) = (before.process, after.process);
    writeln!(
        terminal.out,
        "process {new} serves; process {old} ends when it is done"
    )?;
    Ok(Exit::Done)
}

fn failed(problem: &str, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    writeln!(terminal.err, "error: {problem}")?;
    Ok(Exit::Failed)
}

/// Sends a signal to the process that answered: whether that is allowed is for the system to say.
fn signal(report: &Report, signal: Signal) -> Result<(), String> {
    let number = i32::try_from(report.process).ok();
    let process = number.and_then(Pid::from_raw);
    let process = process.ok_or("the process did not say its number")?;
    kill_process(process, signal).map_err(|reason| {
        format!(
            "process {} cannot be sent a signal: {reason}; run this as its user or as root, on \
             the same machine and in the same container",
            report.process
        )
    })
}

/// What came of the last attempt, as the running process says.
async fn report(running: &Running) -> Result<Report, String> {
    running.ask(Method::GET, PATH).await
}

/// Looks until `is_over`.
async fn until(running: &Running, is_over: impl Fn(&Report) -> bool) -> Result<Report, String> {
    let began = Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        match report(running).await {
            Ok(report) if is_over(&report) => return Ok(report),
            // While one process hands over to another, the address may be between the two.
            Ok(_) | Err(_) if began.elapsed() < PATIENCE => {}
            Ok(_) => {
                return Err(format!(
                    "nothing has come of it in {} s",
                    PATIENCE.as_secs()
                ));
            }
            Err(problem) => return Err(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::Exit;
    use crate::cli::tests::ran;

    #[test]
    fn who_is_not_there_is_named_with_what_to_look_at() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vestibule.toml");
        let config = |admin: &str| {
            let text = format!(
                "server_name = \"a.test\"\nhomeserver = \"http://127.0.0.1:1\"\n\
                 [admin]\naddress = \"{admin}\"\n"
            );
            std::fs::write(&file, text).unwrap();
        };
        let socket = format!("unix:{}", folder.path().join("admin.sock").display());
        for (admin, expected) in [("off", "SIGHUP"), (&*socket, "is vestibule running")] {
            config(admin);
            for command in ["reload", "upgrade"] {
                let (exit, out, err) = ran(&[command, "--config", file.to_str().unwrap()]);
                assert_eq!((exit, &*out), (Exit::Failed, ""), "{err}");
                assert!(err.contains(expected), "{err}");
            }
        }
    }

    #[test]
    fn a_bad_file_is_shown_before_anybody_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vestibule.toml");
        std::fs::write(&file, "server_nam = \"a.test\"").unwrap();
        let (exit, _, err) = ran(&["reload", "--config", file.to_str().unwrap()]);
        assert_eq!(exit, Exit::Usage);
        assert!(
            err.contains("server_nam") && err.contains("nothing has been reloaded"),
            "{err}"
        );
    }
}
