//! Start and drain: wires everything, decides nothing.

mod admin_sources;
mod authorities;
mod banner;
mod certificate_list;
mod certificates;
mod engine;
mod files;
mod limits;
mod offers;
mod sockets;
mod watches;
mod workers;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::certificates::Certificates;
use self::offers::Offers;
use self::sockets::Sockets;
use self::workers::{Workers, accept_until_stopped};
use crate::admin::{Admin, Readiness, SelfCheck, Token};
use crate::config::{AccessLogFormat, AdminAddress, Config, Diagnostics, LogTarget};
use crate::listen::socket::{BindError, Binding, bind};
use crate::listen::{App, Connections, Intake, Limits, Listener};
use crate::matrix::Profile;
use crate::proxy::FrontDoor;
use crate::snapshot::compile;
use crate::telemetry::{
    AccessLogSettings, AccessLogTarget, LogFormat, Settings, Telemetry, TelemetryError,
};
use crate::upstream::NoResolver;

pub use self::certificate_list::certificate_rows;
pub use self::certificates::{NoCertificates, certificate_names, pem_files};
pub use self::engine::NoEngine;
pub use self::offers::NoOffer;

/// Why Vestibule could not start. Nothing stays open after any of these.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be compiled.
    #[error("{}", .0.render(false))]
    Configuration(Diagnostics),
    /// There are no certificates to serve.
    #[error("no certificates: {0}")]
    Certificates(#[from] NoCertificates),
    /// TLS cannot be offered.
    #[error(transparent)]
    Tls(#[from] NoOffer),
    /// Addresses that cannot be listened on.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Bind(Vec<BindError>),
    /// The token of the admin listener cannot be read.
    #[error("the token of the admin listener cannot be read from {path}: {reason}")]
    AdminToken {
        /// The file.
        path: String,
        /// What the system says.
        reason: std::io::Error,
    },
    /// The access log or the metrics cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The proxy engine cannot be set up.
    #[error(transparent)]
    Engine(#[from] NoEngine),
    /// Workers are to be found by DNS, and it cannot be asked.
    #[error(transparent)]
    Resolver(#[from] NoResolver),
    /// The system refuses another thread or socket.
    #[error("the system refuses another thread or socket: {0}")]
    System(#[from] std::io::Error),
}

/// A front door that is open.
pub struct Running {
    addresses: Vec<(Arc<str>, SocketAddr)>,
    admin_address: Option<SocketAddr>,
    shutdown: watch::Sender<bool>,
    readiness: Arc<Readiness>,
    connections: Arc<Connections>,
    telemetry: Arc<Telemetry>,
    drain: Duration,
    workers: Workers,
    admin: Option<tokio::task::JoinHandle<()>>,
    freshness: Option<tokio::task::JoinHandle<()>>,
    watches: JoinSet<()>,
    self_check: Arc<ArcSwapOption<SelfCheck>>,
}

/// How the end went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// How long it took.
    pub after: Duration,
    /// Connections that were cut because the time to drain was over.
    pub cut: usize,
}

/// Opens the front door: everything is checked and bound before the first
/// connection is taken. To be called within a tokio runtime.
pub fn start(config: &Config) -> Result<Running, StartError> {
    let started = SystemTime::now();
    files::raise_limit(config);
    let snapshot = compile(config).map_err(StartError::Configuration)?;
    let telemetry = start_telemetry(config, started)?;
    let certificates = certificates::prepare(config, &telemetry, OffsetDateTime::now_utc())?;
    let challenges = certificates.as_ref().and_then(Certificates::challenges);
    let offers = Offers::of_all(certificates.as_ref(), config)?;
    let sockets = Sockets::bind(&config.listeners).map_err(StartError::Bind)?;
    let admin_binding = bind_admin(config)?;
    let addresses = sockets.addresses();

    let (shutdown, stopping) = watch::channel(false);
    let limits = Arc::new(limits::of(config));
    let connections = Connections::new(&limits);
    let snapshot = Arc::new(ArcSwap::from_pointee(snapshot));
    let watches = watches::start(&snapshot, &telemetry)?;
    let seed = seed(started);
    let front_door = FrontDoor::new(snapshot.clone(), telemetry.clone(), challenges, seed);
    let (certs, token) = (certificates.as_ref(), admin_token(config)?);
    let sources = admin_sources::of(config, snapshot, &telemetry, certs, token);
    let engines = engine::engines(front_door, config, workers::count(config.threads))?;
    banner::print(config, &sockets, certificates.as_ref());
    let mut jobs = Vec::new();
    for (bound, app) in sockets.spread(engines.len())?.into_iter().zip(engines) {
        let intake = |listener: Arc<Listener>| Intake {
            app: app.clone(),
            tls: offers.of(&listener),
            listener,
            limits: limits.clone(),
            connections: connections.clone(),
            telemetry: telemetry.clone(),
            shutdown: stopping.clone(),
        };
        let job = |(bound, listener)| (bound, Arc::new(intake(listener)));
        jobs.push(bound.into_iter().map(job).collect());
    }
    let workers = Workers::start(jobs)?;
    let (readiness, self_check) = (sources.readiness.clone(), sources.self_check.clone());
    let admin_address = admin_binding
        .as_ref()
        .and_then(|b| b.sockets.first()?.socket_address());
    let admin = admin_binding.map(|binding| {
        let app = Arc::new(Admin::new(sources));
        serve_admin(binding, app, &limits, &telemetry)
    });
    telemetry.configuration_version(1);
    readiness.set_ready();
    Ok(Running {
        addresses,
        admin_address,
        shutdown,
        readiness,
        connections,
        drain: config.timeouts.drain.duration(),
        workers,
        admin,
        freshness: certificates.map(|it| tokio::spawn(it.keep_fresh(telemetry.clone()))),
        watches,
        self_check,
        telemetry,
    })
}

impl Running {
    /// The name and address of each TCP socket, in the order of the
    /// configuration; `*:port` has one for each family.
    pub fn addresses(&self) -> &[(Arc<str>, SocketAddr)] {
        &self.addresses
    }

    /// Where the admin listener is, when it is on TCP.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// The open connections.
    pub fn connections(&self) -> Arc<Connections> {
        self.connections.clone()
    }

    /// Where the result of a self-check is put, for the admin listener to show.
    pub fn self_check(&self) -> Arc<ArcSwapOption<SelfCheck>> {
        self.self_check.clone()
    }

    /// Opens the access log's file anew, after something moved it away.
    pub fn reopen_logs(&self) {
        self.telemetry.reopen();
        tracing::info!("access log reopened; a changed configuration needs a restart");
    }

    /// Begins the end: not ready any more, no new connections, idle ones close,
    /// the others when what they carry is done.
    pub fn stop(&self) {
        self.readiness.set_draining();
        self.shutdown.send_replace(true);
    }

    /// Waits for the end that [`stop`](Self::stop) began. What is still open
    /// when the configured time is over is cut.
    pub async fn wait(mut self) -> Drained {
        let began = Instant::now();
        self.workers.accepted().await;
        let mut ended = self.connections.cut();
        let cut = tokio::select! {
            () = self.connections.drained() => 0,
            () = tokio::time::sleep(self.drain) => self.connections.open(),
            // The sender lives in `self.connections`.
            _ = ended.wait_for(|ended| *ended) => self.connections.open(),
        };
        self.connections.end();
        if let Some(freshness) = self.freshness {
            freshness.abort();
        }
        if let Some(admin) = self.admin {
            admin.abort();
        }
        drop(self.watches);
        let (workers, telemetry) = (self.workers, self.telemetry);
        // What is left ends with the threads, and leaves its records. Both may block.
        let close = move || {
            workers.end();
            telemetry.close();
        };
        drop(tokio::task::spawn_blocking(close).await);
        Drained {
            after: began.elapsed(),
            cut,
        }
    }
}

/// The admin listener stays open while the others drain, so that whoever
/// watches sees it happen.
fn serve_admin<A>(
    binding: Binding,
    app: Arc<A>,
    limits: &Arc<Limits>,
    telemetry: &Arc<Telemetry>,
) -> tokio::task::JoinHandle<()>
where
    A: App,
{
    let (never, stopping) = watch::channel(false);
    let intake = Arc::new(Intake {
        app,
        listener: Arc::new(Listener {
            name: "admin".into(),
            profile: Profile::Both,
            tls: false,
            proxy_protocol: Vec::new(),
        }),
        tls: None,
        limits: limits.clone(),
        connections: Connections::new(limits),
        telemetry: telemetry.clone(),
        shutdown: stopping,
    });
    tokio::spawn(async move {
        let _never = never;
        let accepting = binding
            .sockets
            .into_iter()
            .map(|bound| tokio::spawn(accept_until_stopped(bound, intake.clone())))
            .collect::<JoinSet<_>>();
        accepting.join_all().await;
    })
}

fn bind_admin(config: &Config) -> Result<Option<Binding>, StartError> {
    match &*config.admin.address {
        AdminAddress::Off => Ok(None),
        AdminAddress::At(written) => bind("admin", &sockets::address(written))
            .map(Some)
            .map_err(|error| StartError::Bind(vec![error])),
    }
}

fn admin_token(config: &Config) -> Result<Option<Token>, StartError> {
    let read = |path: &Path| {
        Token::read(path).map_err(|reason| {
            let path = path.display().to_string();
            StartError::AdminToken { path, reason }
        })
    };
    let path = config.admin.token_file.as_ref();
    path.map(|path| read(path)).transpose()
}

fn start_telemetry(config: &Config, started: SystemTime) -> Result<Arc<Telemetry>, TelemetryError> {
    let access_log = access_log(config);
    let settings = Settings {
        started,
        access_log,
    };
    Telemetry::start(settings).map(Arc::new)
}

fn access_log(config: &Config) -> Option<AccessLogSettings> {
    let format = match config.access_log.format {
        AccessLogFormat::Off => return None,
        AccessLogFormat::Text => LogFormat::Text,
        AccessLogFormat::Json => LogFormat::Json,
    };
    let target = match &config.access_log.path {
        LogTarget::Stdout => AccessLogTarget::StandardOutput,
        LogTarget::File(path) => AccessLogTarget::File(path.clone()),
    };
    Some(AccessLogSettings { format, target })
}

/// Keeps the request ids of different runs apart.
fn seed(started: SystemTime) -> u64 {
    let since_1970 = started.duration_since(SystemTime::UNIX_EPOCH);
    let nanoseconds = since_1970.map_or(0, |d| d.as_nanos());
    u64::try_from(nanoseconds & u128::from(u64::MAX)).unwrap_or_default()
}
