//! Another configuration in place of the one in force, with no connection touched.

use std::time::SystemTime;

use super::doors::Difference;
use super::force::Prepared;
use super::{NotInForce, Running};
use crate::admin::{Attempt, Report};
use crate::config::{Config, Diagnostics};
use crate::listen::socket::Available;

/// What a reload has changed.
#[derive(Debug)]
pub struct Reloaded {
    /// Listeners that were opened.
    pub opened: Vec<String>,
    /// Listeners that were closed; what they carry goes on to its end.
    pub closed: Vec<String>,
    /// The keys whose change waits for a restart, or for an upgrade of the process.
    pub needs_restart: Vec<&'static str>,
}

impl Running {
    /// Puts what was read from a file in force: requests that begin from now on are served by
    /// it, those under way go on by what they began with. Upstreams keep their connections,
    /// health and queues, listeners that stay keep their sockets.
    ///
    /// Where anything of it fails, everything stays as it is.
    pub fn reload(&mut self, read: Result<Config, Diagnostics>) -> Result<Reloaded, NotInForce> {
        let result = read
            .map_err(NotInForce::Configuration)
            .and_then(|config| self.replace(config));
        self.telemetry.reloaded(result.is_ok());
        self.publish(&result);
        match &result {
            Ok(reloaded) => reloaded.tell(self.reloads.report().version),
            Err(error) => tracing::error!(
                "the configuration is not reloaded, the one before stays in force:\n{error}"
            ),
        }
        result
    }

    fn replace(&mut self, config: Config) -> Result<Reloaded, NotInForce> {
        let prepared = Prepared::of(&config, Some(self), &self.telemetry, &self.ticket_secret)?;
        let plans = self.plan(&config, &mut Available::default())?;
        let needs_restart = needs_restart(&self.config, &config);
        let Difference { opened, closed } = self.put_in_force(config, prepared, plans);
        Ok(Reloaded {
            opened,
            closed,
            needs_restart,
        })
    }

    /// Notes that the first configuration is in force.
    pub(super) fn publish_first(&self) {
        let report = Report {
            version: 1,
            since: now(),
            ..Report::clone(&self.reloads.report())
        };
        self.telemetry
            .configuration_version(report.version, report.since);
        self.reloads.publish(report);
    }

    fn publish(&self, result: &Result<Reloaded, NotInForce>) {
        let mut report = Report::clone(&self.reloads.report());
        report.attempts += 1;
        let mut attempt = Attempt {
            at: now(),
            ..Attempt::default()
        };
        match result {
            Ok(reloaded) => {
                attempt.is_in_force = true;
                let keys = reloaded.needs_restart.iter();
                attempt.needs_restart = keys.map(ToString::to_string).collect();
                report.version += 1;
                report.since = attempt.at;
                self.telemetry
                    .configuration_version(report.version, report.since);
            }
            Err(error) => attempt.problems = problems(error),
        }
        report.last = Some(attempt);
        self.reloads.publish(report);
    }
}

impl Reloaded {
    fn tell(&self, version: i64) {
        tracing::info!("the configuration has been reloaded, this is version {version}");
        for listener in &self.opened {
            tracing::info!("listener {listener} opened");
        }
        for listener in &self.closed {
            tracing::info!("listener {listener} closed; what it carries goes on to its end");
        }
        for key in &self.needs_restart {
            tracing::warn!(
                "{key} has changed, which takes a new process: send SIGUSR2 (no request is lost), \
                 or restart"
            );
        }
    }
}

/// The keys that differ and that only a new process takes up.
fn needs_restart(before: &Config, after: &Config) -> Vec<&'static str> {
    let keys = [
        ("threads", before.threads != after.threads),
        ("log.format", before.log.format != after.log.format),
        ("access_log", before.access_log != after.access_log),
        ("tracing", before.tracing != after.tracing),
    ];
    let changed = keys.into_iter().filter(|(_, has_changed)| *has_changed);
    changed.map(|(key, _)| key).collect()
}

/// What stands in the way, without the lines of the file: not everybody who may ask may read it.
fn problems(error: &NotInForce) -> Vec<String> {
    let NotInForce::Configuration(diagnostics) = error else {
        return error.to_string().lines().map(str::to_owned).collect();
    };
    let text = |diagnostic| diagnostics.in_one_line(diagnostic);
    diagnostics.iter().map(text).collect()
}

fn now() -> i64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since_1970.map_or(0, |it| it.as_secs())).unwrap_or(i64::MAX)
}
