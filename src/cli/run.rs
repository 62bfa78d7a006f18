//! `vestibule run`: serve until told to stop.

use std::convert::Infallible;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{Exit, Terminal, load, tell};
use crate::admin::Request;
use crate::config::{self, Config};
use crate::runtime::{
    self, ConfigFile, Drained, Inherited, NoSuccessor, NotInForce, Predecessor, Running, Word,
    service,
};
use crate::telemetry::{self, LogControl, LogFormat, LogLevel};

/// How often it is looked whether the configuration file has changed.
const LOOK: Duration = Duration::from_secs(1);

/// Serves what the file says.
///
/// # Errors
/// When the terminal cannot be written to, or the system refuses threads or
/// signal handlers.
pub fn run(path: &Path, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    // Later there may be another program at this path, which is the one to run then.
    let program = std::env::current_exe()?;
    // Before there are threads: what the environment hands over is taken out of it.
    let (inherited, predecessor) = runtime::inherited()?;
    let file = ConfigFile::new(path);
    let Some(config) = load(path, terminal)? else {
        return Ok(Exit::Usage);
    };
    let log = match telemetry::init(level(&config), format(&config)) {
        Ok(log) => log,
        Err(error) => {
            writeln!(terminal.err, "the log cannot be set up: {error}")?;
            return Ok(Exit::Failed);
        }
    };
    // For signals and what is rare; those who serve have runtimes of their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let exit = runtime.block_on(async {
        let mut service = Service {
            file,
            log,
            program,
            signals: Signals::new()?,
            watchdog: service::watchdog().map(|within| every(within / 2)),
        };
        let running = match start(config, inherited, predecessor, terminal)? {
            Ok(running) => running,
            Err(exit) => return Ok(exit),
        };
        Ok::<_, io::Error>(service.serve(running).await)
    })?;
    // What was cut may still hold a blocking thread, such as a DNS look-up.
    runtime.shutdown_background();
    Ok(exit)
}

fn start(
    config: Config,
    inherited: Inherited,
    predecessor: Option<Predecessor>,
    terminal: &mut Terminal<'_>,
) -> io::Result<Result<Running, Exit>> {
    match runtime::start(config, inherited) {
        Ok(running) => {
            if let Some(predecessor) = predecessor {
                predecessor.tell()?;
            }
            service::tell(Word::Ready);
            Ok(Ok(running))
        }
        Err(NotInForce::Configuration(problems)) => {
            tell(&problems, terminal)?;
            Ok(Err(Exit::Usage))
        }
        Err(error) => {
            writeln!(terminal.err, "error: {error}")?;
            Ok(Err(Exit::Failed))
        }
    }
}

/// What a running process listens to, beside its listeners.
struct Service {
    file: ConfigFile,
    log: LogControl,
    program: PathBuf,
    signals: Signals,
    watchdog: Option<Interval>,
}

/// What it is asked for.
enum Event {
    Stop(&'static str),
    Reload(Option<Request>),
    Reopen,
    Upgrade,
    /// It is time to look whether the file has changed.
    Look,
    /// It is time to say that everything is at work.
    Watchdog,
}

impl Service {
    async fn serve(&mut self, mut running: Running) -> Exit {
        let mut requests = running.reloads().requests();
        let mut look = every(LOOK);
        loop {
            let event = tokio::select! {
                event = self.signals.next() => event,
                request = next(&mut requests) => Event::Reload(Some(request)),
                _ = look.tick() => Event::Look,
                () = tick(&mut self.watchdog) => Event::Watchdog,
            };
            if self.handle(event, &mut running).await.is_break() {
                return self.end(running).await;
            }
        }
    }

    /// Breaks where the end has begun.
    async fn handle(&mut self, event: Event, running: &mut Running) -> ControlFlow<()> {
        match event {
            Event::Stop(name) => return stop(name, running),
            Event::Upgrade => return self.upgrade(running).await,
            Event::Reload(request) => self.reload(running, request),
            Event::Look if running.config().watch_config && self.file.has_changed() => {
                tracing::info!("{} has changed", self.file.path().display());
                self.reload(running, None);
            }
            Event::Look => {}
            Event::Reopen => {
                running.reopen_logs();
                tracing::info!("access log reopened");
            }
            Event::Watchdog => say_alive(running).await,
        }
        ControlFlow::Continue(())
    }

    fn reload(&mut self, running: &mut Running, request: Option<Request>) {
        service::tell(Word::Reloading);
        self.file.is_read();
        let read = Config::load(self.file.path());
        if running.reload(read).is_ok()
            && let Err(error) = self.log.set_level(level(running.config()))
        {
            tracing::error!(%error, "the log keeps its level");
        }
        // Whoever rotates logs sends the same signal.
        running.reopen_logs();
        if let Some(request) = request {
            // Whoever asked may have gone.
            drop(request.send(running.reloads().report()));
        }
        service::tell(Word::Ready);
    }

    /// Breaks where another process serves now, or the end has begun.
    async fn upgrade(&mut self, running: &mut Running) -> ControlFlow<()> {
        tracing::info!("starting {} to take over", self.program.display());
        let handed = tokio::select! {
            handed = running.hand_over(self.program.clone()) => handed,
            name = wait_for_stop(&mut self.signals) => Err(NoSuccessor::Stopped(name)),
            never = stay_alive(&mut self.watchdog, running) => match never {},
        };
        match handed {
            Ok(successor) => {
                tracing::info!("process {} serves now; draining", successor.process);
                service::tell(Word::Succeeded(successor.process));
                running.retire();
                return ControlFlow::Break(());
            }
            Err(NoSuccessor::Stopped(name)) => return stop(name, running),
            Err(error) => {
                tracing::error!("no other process takes over, this one goes on: {error}");
            }
        }
        ControlFlow::Continue(())
    }

    /// Waits for the end, which signals hurry: one that something else serves in place of may
    /// still be asked to stop.
    async fn end(&mut self, running: Running) -> Exit {
        let ending = running.ending();
        let mut may_hurry = !running.is_stopping();
        let mut waiting = std::pin::pin!(running.wait());
        loop {
            let event = tokio::select! {
                drained = &mut waiting => {
                    report(drained);
                    return Exit::Done;
                }
                event = self.signals.next() => event,
            };
            let Event::Stop(name) = event else {
                tracing::warn!("this process is ending, and takes no other signal");
                continue;
            };
            if !may_hurry {
                let open = ending.open();
                tracing::warn!("{name}: ending at once, {open} connections are cut");
                ending.cut();
                break;
            }
            tracing::info!("{name}: idle connections close; a second signal ends at once");
            ending.close_idle();
            may_hurry = false;
        }
        waiting.await;
        Exit::Failed
    }
}

/// Begins the end.
fn stop(name: &str, running: &mut Running) -> ControlFlow<()> {
    tracing::info!("{name}: draining; a second signal ends at once");
    service::tell(Word::Stopping);
    running.stop();
    ControlFlow::Break(())
}

/// What else is asked for meanwhile waits for nothing: whoever comes to serve reads the file anew.
async fn wait_for_stop(signals: &mut Signals) -> &'static str {
    loop {
        match signals.next().await {
            Event::Stop(name) => return name,
            Event::Reload(_) | Event::Reopen | Event::Upgrade | Event::Look | Event::Watchdog => {
                tracing::warn!("another process is starting; ask again when it serves or failed");
            }
        }
    }
}

async fn stay_alive(watchdog: &mut Option<Interval>, running: &Running) -> Infallible {
    loop {
        tick(watchdog).await;
        say_alive(running).await;
    }
}

/// Where a thread does not answer, nothing is said, and the service manager acts.
async fn say_alive(running: &Running) {
    let within = service::watchdog().unwrap_or_default();
    let answered = tokio::time::timeout(within, running.answers()).await;
    if answered.is_ok() {
        service::tell(Word::Alive);
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}

async fn next(requests: &mut Option<mpsc::Receiver<Request>>) -> Request {
    let request = match requests {
        Some(requests) => requests.recv().await,
        None => None,
    };
    match request {
        Some(request) => request,
        None => std::future::pending().await,
    }
}

fn report(drained: Drained) {
    let seconds = drained.after.as_secs_f64();
    match drained.cut {
        0 => tracing::info!("drained after {seconds:.1} s, nothing was cut"),
        cut => tracing::warn!("drained after {seconds:.1} s, {cut} connections were cut"),
    }
}

/// The signals that mean something.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    reopen: Signal,
    upgrade: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    async fn next(&mut self) -> Event {
        tokio::select! {
            _ = self.terminate.recv() => Event::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Event::Stop("SIGINT"),
            _ = self.hang_up.recv() => Event::Reload(None),
            _ = self.reopen.recv() => Event::Reopen,
            _ = self.upgrade.recv() => Event::Upgrade,
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
