//! The program checks itself by its configuration: at start, and whenever that changes.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::config::{CertificateSource, Config};
use crate::federation::{self, NoSubject, Options, Progress, Report, Severity, Subject};
use crate::telemetry::Telemetry;

/// The longest that a connection or an answer may take; this is loopback.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest that the check of one site may take.
const LONGEST: Duration = Duration::from_mins(1);
/// How long it waits before it looks again whether what was on its way has come.
const AGAIN: [Duration; 4] = [
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(40),
];

/// Checks in the background; its end is the end of that.
pub(super) struct SelfCheck {
    asked: watch::Sender<Option<Arc<Config>>>,
    reports: Arc<ArcSwap<Vec<Report>>>,
}

impl SelfCheck {
    /// To be called within a tokio runtime.
    pub(super) fn new(telemetry: Arc<Telemetry>) -> Self {
        let (asked, configs) = watch::channel(None);
        let reports = Arc::<ArcSwap<Vec<Report>>>::default();
        let told = Told {
            telemetry,
            reports: reports.clone(),
        };
        tokio::spawn(keep(configs, told));
        Self { asked, reports }
    }

    /// Begins a check of what this configuration says, in place of one that is under way.
    pub(super) fn begin(&self, config: &Config) {
        let config = config.self_check.then(|| Arc::new(config.clone()));
        self.asked.send_replace(config);
    }

    /// The last reports, one for each site.
    pub(super) fn reports(&self) -> Arc<ArcSwap<Vec<Report>>> {
        self.reports.clone()
    }
}

/// Checks the last configuration, until nobody can ask any more.
async fn keep(mut configs: watch::Receiver<Option<Arc<Config>>>, told: Told) {
    loop {
        let config = configs.borrow_and_update().clone();
        let checking = async {
            match config {
                Some(config) => told.check(&config).await,
                None => told.reports.store(Arc::default()),
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = checking => {}
            changed = configs.changed() => if changed.is_err() {
                return;
            }
        }
    }
}

/// Where it is told what was found.
struct Told {
    telemetry: Arc<Telemetry>,
    reports: Arc<ArcSwap<Vec<Report>>>,
}

impl Told {
    async fn check(&self, config: &Arc<Config>) {
        let subjects = match subjects(config.clone()).await {
            Ok(subjects) => subjects,
            Err(reason) => {
                tracing::info!("no self-check: {reason}");
                return;
            }
        };
        let mut again = AGAIN.into_iter();
        let reports = loop {
            let reports = reports(&subjects).await;
            self.publish(&reports);
            let is_early = reports.iter().any(|report| is_early(report, config));
            match again.next().filter(|_| is_early) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => break reports,
            }
        };
        reports.iter().for_each(warn);
    }

    fn publish(&self, reports: &[Report]) {
        let time = reports.iter().map(|report| report.checked_at).max();
        let time = time.and_then(|time| i64::try_from(time).ok());
        for severity in [Severity::Error, Severity::Warning, Severity::Info] {
            let all = reports.iter().flat_map(|report| &report.findings);
            let count = all.filter(|finding| finding.severity == severity).count();
            self.telemetry
                .self_check(severity.as_str(), count, time.unwrap_or_default());
        }
        self.reports.store(Arc::new(reports.to_vec()));
    }
}

/// The authorities of the system are read from many files.
async fn subjects(config: Arc<Config>) -> Result<Vec<Subject>, NoSubject> {
    let read = move || federation::subjects(&config, None, &Options::new(TIMEOUT), &[]);
    let read = tokio::task::spawn_blocking(read).await;
    // The runtime ends, and nobody wants to know.
    read.unwrap_or(Ok(Vec::new()))
}

async fn reports(subjects: &[Subject]) -> Vec<Report> {
    let mut reports = Vec::new();
    for Subject {
        server_name,
        options,
    } in subjects
    {
        let check = federation::check(server_name, options.clone(), Arc::<Progress>::default());
        match tokio::time::timeout(LONGEST, check).await {
            Ok(Ok(report)) => reports.push(report),
            Ok(Err(reason)) => tracing::info!(%server_name, "no self-check: {reason}"),
            Err(_) => {
                let seconds = LONGEST.as_secs();
                tracing::warn!(%server_name, "the self-check took longer than {seconds} s");
            }
        }
    }
    reports
}

/// Whether it found what may mend itself: at boot the homeserver takes longer to start, and a
/// certificate has yet to be issued.
fn is_early(report: &Report, config: &Config) -> bool {
    let orders = matches!(config.tls.source, CertificateSource::Acme(_));
    let mut findings = report.findings.iter();
    findings.any(|finding| match finding.id.as_str() {
        "http.upstream" | "http.silent" => true,
        "tls.chain.self_signed" => orders,
        _ => false,
    })
}

/// One line for each finding, without a word of the far side.
fn warn(report: &Report) {
    let server_name = &*report.server_name;
    let all = report.findings.iter();
    let faults: Vec<_> = all.filter(|one| one.severity > Severity::Info).collect();
    if faults.is_empty() {
        tracing::info!(%server_name, "self-check: other servers and clients are served well");
    }
    for fault in faults {
        let (id, severity) = (&*fault.id, fault.severity.as_str());
        let (why, remedy) = (&fault.why, &fault.remedy);
        tracing::warn!(%server_name, finding = %id, severity, "self-check: {why}; mend it: {remedy}");
    }
}
