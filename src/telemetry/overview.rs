//! What the counters say, as values for the status page.

use std::collections::BTreeMap;
use std::time::SystemTime;

use prometheus::IntGauge;

use super::Telemetry;
use crate::matrix::endpoint::Class;

/// The counters at one moment.
#[derive(Clone, Debug)]
pub struct Overview {
    /// When the process started.
    pub started: SystemTime,
    /// Which configuration is in force, and since when, as Unix time; 0 before the first.
    pub configuration: (i64, i64),
    /// Open connections.
    pub connections: Vec<OpenConnections>,
    /// Classes that had a request, in the order of [`Class::ALL`]; heads that were refused are
    /// under `none`.
    pub classes: Vec<ClassTraffic>,
    /// Requests refused, by reason.
    pub refusals: Vec<Counted>,
    /// Requests that failed, by reason.
    pub failures: Vec<Counted>,
    /// Requests that wait now, by state.
    pub waiting: Vec<Counted>,
}

/// The connections of one listener that speak one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenConnections {
    /// The listener.
    pub listener: String,
    /// What is spoken.
    pub protocol: String,
    /// How many are open.
    pub open: i64,
}

/// The requests of one class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassTraffic {
    /// The class.
    pub class: String,
    /// Being served now.
    pub in_flight: i64,
    /// Ended since the start.
    pub requests: u64,
    /// Of these, with a status of 500 or more.
    pub errors: u64,
}

/// A number of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Of what.
    pub name: String,
    /// How many.
    pub count: u64,
}

impl Telemetry {
    /// What the counters say now.
    pub fn overview(&self) -> Overview {
        let families = &self.metrics.families;
        let mut connections = Vec::new();
        families
            .connections_open
            .each(|[listener, protocol], gauge| {
                connections.push(OpenConnections {
                    listener: listener.to_owned(),
                    protocol: protocol.to_owned(),
                    open: gauge.get(),
                });
            });
        connections.sort_by(|a, b| (&a.listener, &a.protocol).cmp(&(&b.listener, &b.protocol)));
        let mut waiting = Vec::new();
        families.requests_waiting.each(|[state], gauge| {
            let count = u64::try_from(gauge.get()).unwrap_or_default();
            waiting.push(counted(state, count));
        });
        Overview {
            started: self.metrics.started,
            configuration: (
                families.configuration_version.with([], IntGauge::get),
                families.configuration_loaded.with([], IntGauge::get),
            ),
            connections,
            classes: self.classes(),
            refusals: by_count(|add| families.refusals.each(|[reason], n| add(reason, n.get()))),
            failures: by_count(|add| families.failures.each(|[reason], n| add(reason, n.get()))),
            waiting,
        }
    }

    fn classes(&self) -> Vec<ClassTraffic> {
        let mut counted: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let requests = &self.metrics.families.requests;
        requests.each(|[_, class, _, status, _], counter| {
            let of_class = counted.entry(class.to_owned()).or_default();
            of_class.0 += counter.get();
            of_class.1 += if status.starts_with('5') {
                counter.get()
            } else {
                0
            };
        });
        let in_flight = self.metrics.in_flight.iter().map(IntGauge::get);
        let known = Class::ALL.iter().map(|class| class.as_str()).zip(in_flight);
        let all = known.chain(std::iter::once(("none", 0)));
        let traffic = all.map(|(class, in_flight)| {
            let (requests, errors) = counted.get(class).copied().unwrap_or_default();
            ClassTraffic {
                class: class.to_owned(),
                in_flight,
                requests,
                errors,
            }
        });
        traffic
            .filter(|of| of.requests > 0 || of.in_flight > 0)
            .collect()
    }
}

fn counted(name: &str, count: u64) -> Counted {
    let name = name.to_owned();
    Counted { name, count }
}

/// The largest first.
fn by_count(each: impl FnOnce(&mut dyn FnMut(&str, u64))) -> Vec<Counted> {
    let mut all = Vec::new();
    each(&mut |name, count| all.push(counted(name, count)));
    all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    all
}
