//! What the operator wrote: TOML in, one plain value out, or every problem at
//! once with its line and its remedy.
//!
//! One file per section. A section is a struct whose fields are the keys, and a
//! `read` function that asks a `Section` for them; the doc comments of the fields
//! become `docs/CONFIG.md`, `config/reference.toml` and the JSON schema.
//! Defaults are already filled in, derived ones too, so that nobody downstream
//! repeats them. What the configuration means is `snapshot`'s business.

mod acme;
mod admin;
mod check;
mod check_workers;
mod diagnostic;
mod federation;
mod health;
mod json;
mod limits;
mod listener;
mod log;
mod reference;
mod route;
mod schema;
mod section;
mod shown;
mod site;
mod span;
mod suggestion;
mod support;
mod timeouts;
mod tls;
mod tracing;
mod traffic;
mod upstream;
mod value;
mod well_known;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use toml::de::DeTable;

pub use acme::{Acme, AcmeAuthority, AcmeChallenge, ExternalAccount, KeyType};
pub use admin::{Admin, AdminAddress};
pub use diagnostic::{Diagnostic, Diagnostics, Source};
pub use federation::{
    Federation, KeyId, Keys, ListSource, OriginAnswer, OriginList, OriginRule, Permission,
    PinnedKey, PublicKey, Signatures, WhenStale,
};
pub use health::Health;
pub use json::JsonMap;
pub use limits::Limits;
pub use listener::Listener;
pub use log::{AccessLog, AccessLogFormat, Log, LogFormat, LogLevel};
pub use reference::{markdown, reference_toml};
pub use route::{Action, Route};
pub use schema::json_schema;
pub use site::{Rewrite308, Site};
pub use span::{Span, Spanned};
pub use support::{Contact, Support};
pub use timeouts::Timeouts;
pub use tls::{CertificateFiles, CertificateSource, Tls, UnknownNames};
pub use tracing::Tracing;
pub use traffic::{BudgetLimits, Exempt, Past, Traffic};
pub use upstream::Upstream;
pub use value::{
    Age, BudgetName, ByteSize, ClassName, Count, GroupName, Host, Hsts, HttpUrl, InvalidValue,
    ListenAddress, LogTarget, Network, OriginPattern, Room, RoutePath, RuleName, Timeout,
    TrustedProxy, UpstreamAddress, WorkerName,
};
pub use well_known::{ClientDocument, Ed25519Key, PolicyServer, Serve, WellKnown};
pub use worker::{Discover, GroupLimits, Worker};

use section::{Report, Section};

/// Where the state lives when nothing says otherwise.
const STATE_FOLDER: &str = "/var/lib/vestibule";

/// A whole configuration, as written, with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Config {
    /// The sockets that are opened. Default: the three that a Matrix server needs,
    /// `*:80` (redirects to HTTPS), `*:443` (everything) and `*:8448`
    /// (federation).
    pub listeners: Vec<Listener>,
    /// Networks of proxies in front of this one, or `"unix"` for whoever connects
    /// through a unix socket. Only from these is `X-Forwarded-For` and
    /// `X-Forwarded-Proto` believed; from all others both are replaced.
    #[schemars(example = ["10.0.0.0/8"])]
    pub trusted_proxies: Vec<TrustedProxy>,
    /// Certificates.
    pub tls: Tls,
    /// A folder that outlives restarts: certificates by ACME with their keys, and
    /// the internal certificate authority, live there. Default: `$STATE_DIRECTORY` as systemd sets it, else
    /// `/var/lib/vestibule`.
    #[schemars(title = "path")]
    pub state_folder: PathBuf,
    /// `Strict-Transport-Security` on answers over TLS, with this `max-age`.
    /// Turn it on once everything on these hosts works over HTTPS.
    pub hsts: Hsts,
    /// Worker threads; 0 means one per core.
    pub threads: u16,
    /// Whether a change of this file is taken up by itself, two seconds after it was written.
    /// Otherwise SIGHUP or `vestibule reload` says when.
    pub watch_config: bool,
    /// What one client, or all together, may take.
    pub limits: Limits,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// What other servers may do, and how they prove who they are.
    pub federation: Federation,
    /// Who goes to the homeserver, and who waits.
    pub traffic: Traffic,
    /// How it is found out which workers are well.
    pub health: Health,
    /// What the program says about itself, on standard error.
    pub log: Log,
    /// One line per request.
    pub access_log: AccessLog,
    /// One span per request, sent to a collector by OTLP. Only in a build with `--features otlp`.
    pub tracing: Tracing,
    /// The status page, metrics, `/healthz` and `/readyz`, on a listener of their own.
    pub admin: Admin,
    /// Whether the program goes the way of other servers to itself, over loopback, at start and
    /// after each reload, as `vestibule check --from-config` does. What it finds is a warning in
    /// the log and `/self-check` on the admin listener; it never delays or refuses anything.
    pub self_check: bool,
    /// Several homeservers: each `[[sites]]` has the keys that stand at top level
    /// when there is only one.
    pub sites: Vec<Site>,
    /// The text that this was read from.
    #[serde(skip)]
    source: Arc<Source>,
}

/// What of the outside world a reading depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Relative paths start here; empty for the working directory.
    pub folder: PathBuf,
    /// The default of `state_folder`; `None` for `/var/lib/vestibule`.
    pub state_folder: Option<PathBuf>,
    /// Whether files and folders that are named must be readable now.
    pub check_files: bool,
}

impl Config {
    /// Reads and checks a file. Relative paths in it start at its folder, and
    /// what it names must be readable.
    pub fn load(path: &Path) -> Result<Self, Diagnostics> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|reason| {
            let problem = Diagnostic::new(format!("cannot read {name}: {reason}"), None);
            let text = String::new();
            let name = name.clone();
            Diagnostics::new(Arc::new(Source { name, text }), vec![problem])
        })?;
        let surroundings = Surroundings {
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
            state_folder: state_directory(),
            check_files: true,
        };
        Self::parse_in(&name, &text, &surroundings)
    }

    /// Reads a text without looking at the file system or the environment.
    pub fn parse(name: &str, text: &str) -> Result<Self, Diagnostics> {
        Self::parse_in(name, text, &Surroundings::default())
    }

    /// Reads a text in the given surroundings.
    pub fn parse_in(
        name: &str,
        text: &str,
        surroundings: &Surroundings,
    ) -> Result<Self, Diagnostics> {
        let source = Arc::new(Source {
            name: name.to_owned(),
            text: text.to_owned(),
        });
        let report = Report::new(surroundings);
        let config = Self::read_text(text, &source, &report);
        let problems = report.into_problems();
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(Diagnostics::new(source, problems)),
        }
    }

    /// Whether both say the same, however it was written.
    pub fn means_the_same(&self, other: &Self) -> bool {
        let mut other = other.clone();
        other.source = Arc::clone(&self.source);
        *self == other
    }

    /// The text that this was read from, for problems that only show later, such
    /// as a certificate that does not parse: `Diagnostics::new(config.source(), …)`.
    pub fn source(&self) -> Arc<Source> {
        Arc::clone(&self.source)
    }

    fn read_text(text: &str, source: &Arc<Source>, report: &Report<'_>) -> Option<Self> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            let root = Section::new(table, String::new(), report);
            return Self::read(root, source);
        }
        for error in errors {
            let span = error.span().map(Span::from);
            report.add(Diagnostic::new(error.message(), span).help("this is not valid TOML"));
        }
        None
    }

    fn read(mut root: Section<'_>, source: &Arc<Source>) -> Option<Self> {
        let report = root.report();
        let before = report.len();
        let listeners = Listener::read_all(&mut root);
        let listeners_are_known = report.len() == before;
        let sites = Site::read_all(&mut root);
        let sites_are_known = !sites.is_empty();
        let config = Self {
            listeners,
            trusted_proxies: root.list("trusted_proxies").unwrap_or_default(),
            tls: Tls::read(&mut root),
            state_folder: root.path("state_folder").map_or_else(
                || report.surroundings.default_state_folder(),
                Spanned::into_inner,
            ),
            hsts: root.or("hsts", Hsts::Off),
            threads: root.or("threads", 0),
            watch_config: root.or("watch_config", false),
            limits: root.table_or_default("limits", Limits::read),
            timeouts: root.table_or_default("timeouts", Timeouts::read),
            federation: root.table_or_default("federation", Federation::read),
            traffic: root.table_or_default("traffic", Traffic::read),
            health: root.table_or_default("health", Health::read),
            log: root.table_or_default("log", Log::read),
            access_log: root.table_or_default("access_log", AccessLog::read),
            tracing: root.table_or_default("tracing", Tracing::read),
            admin: root.table_or_default("admin", Admin::read),
            self_check: root.or("self_check", true),
            sites,
            source: Arc::clone(source),
        };
        root.finish();
        config.check(report, listeners_are_known);
        sites_are_known.then_some(config)
    }
}

impl Surroundings {
    fn default_state_folder(&self) -> PathBuf {
        let folder = self.state_folder.clone();
        folder.unwrap_or_else(|| STATE_FOLDER.into())
    }
}

/// What systemd's `StateDirectory=` gives; the first one where there are several.
fn state_directory() -> Option<PathBuf> {
    let value = std::env::var_os("STATE_DIRECTORY")?;
    let first = std::env::split_paths(&value).next()?;
    (!first.as_os_str().is_empty()).then_some(first)
}

#[cfg(test)]
mod tests;
