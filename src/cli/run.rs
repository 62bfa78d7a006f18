//! `vestibule run`: serve until told to stop.

use std::io;
use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Exit, Terminal, load, tell};
use crate::config::{self, Config};
use crate::runtime::{self, Drained, StartError};
use crate::telemetry::{self, LogFormat, LogLevel};

/// Serves what the file says.
///
/// # Errors
/// When the terminal cannot be written to, or the system refuses threads or
/// signal handlers.
pub fn run(file: &Path, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    let Some(config) = load(file, terminal)? else {
        return Ok(Exit::Usage);
    };
    if let Err(error) = telemetry::init(level(&config), format(&config)) {
        writeln!(terminal.err, "the log cannot be set up: {error}")?;
        return Ok(Exit::Failed);
    }
    // For signals and the admin listener; those who serve have runtimes of their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let exit = runtime.block_on(serve(config, terminal))?;
    // What was cut may still hold a blocking thread, such as a DNS look-up.
    runtime.shutdown_background();
    Ok(exit)
}

async fn serve(config: Config, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    let mut signals = Signals::new()?;
    let running = match runtime::start(&config) {
        Ok(running) => running,
        Err(StartError::Configuration(problems)) => {
            tell(&problems, terminal)?;
            return Ok(Exit::Usage);
        }
        Err(error) => {
            writeln!(terminal.err, "error: {error}")?;
            return Ok(Exit::Failed);
        }
    };
    let name = signals.stop(|| running.reopen_logs()).await;
    tracing::info!("{name}: draining; a second signal ends at once");
    running.stop();
    let connections = running.connections();
    let mut waiting = std::pin::pin!(running.wait());
    tokio::select! {
        drained = &mut waiting => {
            report(drained);
            return Ok(Exit::Done);
        }
        name = signals.stop(|| {}) => {
            let open = connections.open();
            tracing::warn!("{name}: ending at once, {open} connections are cut");
            connections.end();
        }
    }
    waiting.await;
    Ok(Exit::Failed)
}

fn report(drained: Drained) {
    let seconds = drained.after.as_secs_f64();
    match drained.cut {
        0 => tracing::info!("drained after {seconds:.1} s, nothing was cut"),
        cut => tracing::warn!("drained after {seconds:.1} s, {cut} connections were cut"),
    }
}

/// SIGTERM and SIGINT stop; SIGHUP, which log rotation sends, must not.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal to stop, and calls `reopen` for each SIGHUP until then.
    async fn stop(&mut self, reopen: impl Fn()) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hang_up.recv() => reopen(),
            }
        }
    }
}

fn level(config: &Config) -> LogLevel {
    match config.log.level {
        config::LogLevel::Error => LogLevel::Error,
        config::LogLevel::Warn => LogLevel::Warn,
        config::LogLevel::Info => LogLevel::Info,
        config::LogLevel::Debug => LogLevel::Debug,
        config::LogLevel::Trace => LogLevel::Trace,
    }
}

fn format(config: &Config) -> LogFormat {
    match config.log.format {
        config::LogFormat::Text => LogFormat::Text,
        config::LogFormat::Json => LogFormat::Json,
    }
}
