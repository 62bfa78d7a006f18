//! Start, reload, drain and upgrade: wires everything, decides nothing.

mod admin;
mod authorities;
mod banner;
mod certificate_list;
mod certificates;
mod config_file;
mod doors;
mod engine;
mod files;
mod force;
mod limits;
mod lists;
mod offers;
mod reload;
mod self_check;
pub mod service;
mod succession;
mod told;
mod watches;
mod workers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::certificates::Certificates;
use self::doors::{Common, Doors};
use self::force::Prepared;
use self::lists::Lists;
use self::offers::Offers;
use self::self_check::SelfCheck;
use self::succession::TicketSecret;
use self::told::Told;
use crate::admin::{Admin, Readiness, Reloads, Sources, Token};
use crate::config::{AccessLogFormat, Config, Diagnostics, LogTarget};
use crate::listen::Connections;
use crate::listen::socket::BindError;
use crate::proxy::{Engine, FrontDoor};
use crate::snapshot::Snapshot;
use crate::telemetry::{
    AccessLogSettings, AccessLogTarget, LogFormat, Settings, Telemetry, TelemetryError,
};
use crate::upstream::NoResolver;

pub use self::certificate_list::certificate_rows;
pub use self::certificates::{NoCertificates, certificate_names, pem_files};
pub use self::config_file::ConfigFile;
pub use self::engine::NoEngine;
pub use self::lists::read_lists;
pub use self::offers::NoOffer;
pub use self::reload::Reloaded;
pub use self::service::Word;
pub use self::succession::{Inherited, NoSuccessor, Predecessor, Successor, inherited};

/// Why a configuration cannot be served. Nothing has changed after any of these, and nothing new
/// stays open.
#[derive(Debug, thiserror::Error)]
pub enum NotInForce {
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
    /// A list of servers cannot be read.
    #[error("list {name}: {reason}")]
    List {
        /// The list.
        name: String,
        /// What is wrong.
        reason: String,
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
    config: Config,
    doors: Doors<Engine>,
    admin: Doors<Admin>,
    admin_token: Arc<ArcSwapOption<Token>>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    certificates: Option<Certificates>,
    offers: Offers,
    watches: JoinSet<()>,
    lists: Lists,
    /// None once the end has begun: its own requests are not to hold it up.
    self_check: Option<SelfCheck>,
    readiness: Arc<Readiness>,
    telemetry: Arc<Telemetry>,
    reloads: Arc<Reloads>,
    /// What session tickets are sealed with where no file has another secret.
    ticket_secret: TicketSecret,
    told: Told,
    /// The longest that the end may take once it has begun.
    drain: Duration,
}

/// How the end went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// How long it took.
    pub after: Duration,
    /// Connections that were cut because the time to drain was over.
    pub cut: usize,
}

/// Hurries an end that has begun.
#[derive(Clone, Debug)]
pub struct Ending {
    closing: watch::Sender<bool>,
    connections: Arc<Connections>,
}

/// Opens the front door: everything is checked and bound before the first
/// connection is taken. Sockets are taken from what is `inherited` where they are there.
/// To be called within a tokio runtime.
pub fn start(config: Config, inherited: Inherited) -> Result<Running, NotInForce> {
    let started = SystemTime::now();
    let telemetry = start_telemetry(&config, started)?;
    let (mut available, ticket_secret) = inherited.into_parts().map_err(NoOffer::Tls)?;
    let prepared = Prepared::of(&config, None, &telemetry, &ticket_secret)?;
    let snapshot = Arc::new(ArcSwap::new(prepared.snapshot.clone()));
    let front_door = FrontDoor::new(snapshot.clone(), telemetry.clone(), seed(started));
    let engines = engine::engines(front_door, workers::count(config.threads));
    let common = Common {
        connections: Connections::new(&prepared.limits),
        telemetry: telemetry.clone(),
        closing: watch::Sender::new(false),
    };
    let readiness = Arc::new(Readiness::new());
    let reloads = Arc::new(Reloads::new());
    let self_check = SelfCheck::new(telemetry.clone());
    let admin_token = Arc::new(ArcSwapOption::empty());
    let told = Told::default();
    let app = Admin::new(Sources {
        telemetry: telemetry.clone(),
        readiness: readiness.clone(),
        snapshot: snapshot.clone(),
        token: admin_token.clone(),
        reloads: reloads.clone(),
        configuration: told.shown.clone(),
        certificates: told.certificates(),
        lists: told.lists.clone(),
        self_check: self_check.reports(),
    });
    let mut running = Running {
        doors: Doors::new("worker", engines, common)?,
        admin: admin::doors(Arc::new(app), &prepared.limits, &telemetry)?,
        admin_token,
        snapshot,
        certificates: None,
        offers: Offers::default(),
        watches: JoinSet::new(),
        lists: Lists::default(),
        self_check: Some(self_check),
        readiness,
        telemetry,
        reloads,
        ticket_secret,
        told,
        drain: config.timeouts.drain.duration(),
        config,
    };
    let config = running.config.clone();
    let plans = running.plan(&config, &mut available)?;
    for local in available.rest() {
        tracing::warn!("{local} was handed over, and no listener of the configuration has it");
    }
    running.put_in_force(config, prepared, plans);
    running.publish_first();
    banner::print(&running.config, &running.doors);
    running.readiness.set_ready();
    Ok(running)
}

impl Running {
    /// The name and address of each TCP socket, in the order of the
    /// configuration; `*:port` has one for each family.
    pub fn addresses(&self) -> Vec<(Arc<str>, SocketAddr)> {
        self.doors.addresses()
    }

    /// Where the admin listener is, when it is on TCP.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.addresses().first().map(|(_, address)| *address)
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether the end has begun, and idle connections are to close.
    pub fn is_stopping(&self) -> bool {
        *self.doors.common().closing.borrow()
    }

    /// What hurries the end.
    pub fn ending(&self) -> Ending {
        let common = self.doors.common();
        Ending {
            closing: common.closing.clone(),
            connections: common.connections.clone(),
        }
    }

    /// Where the admin listener leaves requests to reload.
    pub fn reloads(&self) -> Arc<Reloads> {
        self.reloads.clone()
    }

    /// Whether every thread still does its work. Ends when all have answered.
    pub async fn answers(&self) {
        self.doors.answer().await;
        self.admin.answer().await;
    }

    /// Opens the access log's file anew, after something moved it away.
    pub fn reopen_logs(&self) {
        self.telemetry.reopen();
    }

    /// Begins the end: not ready any more, no new connections, idle ones close,
    /// the others when what they carry is done.
    pub fn stop(&mut self) {
        self.readiness.set_draining();
        self.self_check = None;
        self.doors.close();
        self.ending().close_idle();
    }

    /// Begins the end of a process whose sockets another one serves by now: as
    /// [`stop`](Self::stop), but idle connections stay for one more request, which another server
    /// may be about to send, and there is more time.
    pub fn retire(&mut self) {
        self.readiness.set_draining();
        self.self_check = None;
        self.drain = self.config.timeouts.drain_after_upgrade.duration();
        self.doors.close();
        self.admin.close();
    }

    /// Waits for the end that [`stop`](Self::stop) or [`retire`](Self::retire) began. What is
    /// still open when the configured time is over is cut.
    pub async fn wait(mut self) -> Drained {
        let began = Instant::now();
        self.doors.closed().await;
        let connections = self.doors.common().connections.clone();
        let mut ended = connections.cut();
        let cut = tokio::select! {
            () = connections.drained() => 0,
            () = tokio::time::sleep(self.drain) => connections.open(),
            // The sender lives in `connections`.
            _ = ended.wait_for(|ended| *ended) => connections.open(),
        };
        connections.end();
        drop(self.certificates);
        drop(self.watches);
        let (doors, admin, telemetry) = (self.doors, self.admin, self.telemetry);
        // What is left ends with the threads, and leaves its records. All of this may block.
        let close = move || {
            doors.end();
            admin.end();
            telemetry.close();
        };
        drop(tokio::task::spawn_blocking(close).await);
        Drained {
            after: began.elapsed(),
            cut,
        }
    }
}

impl Ending {
    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.connections.open()
    }

    /// Lets idle connections close.
    pub fn close_idle(&self) {
        self.closing.send_replace(true);
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        self.connections.end();
    }
}

fn start_telemetry(config: &Config, started: SystemTime) -> Result<Arc<Telemetry>, TelemetryError> {
    let access_log = access_log(config);
    let settings = Settings {
        started,
        access_log,
    };
    let telemetry = Telemetry::start(settings)?;
    #[cfg(feature = "otlp")]
    let telemetry = match &config.tracing.endpoint {
        Some(endpoint) => telemetry.with_traces(crate::telemetry::TraceSettings {
            endpoint: endpoint.as_str().to_owned(),
            sample_one_in: config.tracing.sample_one_in.number(),
        })?,
        None => telemetry,
    };
    Ok(Arc::new(telemetry))
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
