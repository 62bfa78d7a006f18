//! DNS names that stand for several processes, looked up again and again.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use hickory_resolver::TokioResolver as Resolver;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use pingora_timeout::{sleep, timeout};
use tokio::sync::{Notify, watch};

use super::Discovered;
use crate::telemetry::Telemetry;

/// The least time between two look-ups, also where the records live for less, or somebody hurries.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// The greatest, also where the records live for longer.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// The greatest while there is nobody, who may come at any time.
const LONGEST_ABSENCE: Duration = Duration::from_secs(10);
/// Until the next look-up after one that failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(5);
/// Processes behind one name that are looked at.
const MOST_MEMBERS: usize = 256;

/// One process behind a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// What it is called by, the same after every restart and in every replica: `host:port` of an
    /// SRV record's target, or the worker's name and the address, `generic/192.0.2.1`.
    pub name: Arc<str>,
    /// Where it is.
    pub address: SocketAddr,
}

/// The records that say who is behind a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Records {
    /// A, and AAAA where there is no A: a process with both would count twice.
    Addresses {
        /// The port of all of them.
        port: u16,
    },
    /// SRV. Of several priorities only the first counts, and weights do not.
    Srv,
}

/// Who is behind one name. Nobody but who was found before, until [`watch`](Self::watch) has found
/// somebody.
pub struct Discovery {
    resolver: Resolver,
    worker: Arc<str>,
    name: Box<str>,
    records: Records,
    members: watch::Sender<Arc<[Member]>>,
    hurry: Notify,
    telemetry: Arc<Telemetry>,
}

/// The system's configuration of DNS is of no use.
#[derive(Debug, thiserror::Error)]
#[error("the system's configuration of DNS cannot be used: {0}")]
pub struct NoResolver(String);

/// A resolver as the system configures it (`/etc/resolv.conf`, `/etc/hosts`), search domains
/// included.
pub fn system_resolver() -> Result<Resolver, NoResolver> {
    let no_resolver = |error: NetError| NoResolver(error.to_string());
    let mut builder = Resolver::builder_tokio().map_err(no_resolver)?;
    // What is asked again is meant to be asked again.
    builder.options_mut().cache_size = 0;
    builder.build().map_err(no_resolver)
}

/// Who was found, and when to look again.
struct Found {
    members: Vec<Member>,
    pause: Duration,
}

/// The records of one look-up; none where DNS says that there are none.
struct Answer {
    records: Vec<RData>,
    until: Instant,
}

impl Discovery {
    /// Who is behind the name of `discovered`, where `known` were found before.
    pub fn new(
        resolver: Resolver,
        discovered: Discovered,
        known: &[Member],
        telemetry: Arc<Telemetry>,
    ) -> Self {
        Self {
            resolver,
            worker: discovered.worker,
            name: discovered.host,
            records: discovered.records,
            members: watch::Sender::new(known.into()),
            hurry: Notify::new(),
            telemetry,
        }
    }

    /// The members, ordered by name, now and whenever they change.
    pub fn members(&self) -> watch::Receiver<Arc<[Member]>> {
        self.members.subscribe()
    }

    /// Asks for a look-up soon: a member could not be connected to, and may be elsewhere now.
    pub fn look_again(&self) {
        self.hurry.notify_one();
    }

    /// Looks the name up as often as its records say, and never ends. A look-up that fails leaves
    /// who was found before; one that finds nobody does not, since another process may have got
    /// the address of one that is gone.
    pub async fn watch(&self) {
        let mut has_failed = false;
        loop {
            let pause = match self.look_up().await {
                Ok(found) => {
                    has_failed = false;
                    self.publish(found.members);
                    found.pause
                }
                Err(error) => {
                    self.note_failure(&error, has_failed);
                    has_failed = true;
                    FAILURE_PAUSE
                }
            };
            sleep(SHORTEST_PAUSE).await;
            let rest = pause.saturating_sub(SHORTEST_PAUSE);
            drop(timeout(rest, self.hurry.notified()).await);
        }
    }

    fn note_failure(&self, error: &NetError, is_known: bool) {
        let (worker, name) = (&*self.worker, &*self.name);
        self.telemetry.discovery(worker, "failed");
        if !is_known {
            tracing::warn!(worker, name, %error, "DNS does not answer; who was found before stays");
        }
    }

    fn publish(&self, members: Vec<Member>) {
        let worker = &*self.worker;
        let before = self.members.borrow().clone();
        if *before == *members {
            self.telemetry.discovery(worker, "same");
            return;
        }
        let names = |some: &[Member], others: &[Member]| {
            let gone = some.iter().filter(|member| !others.contains(member));
            gone.map(|member| &*member.name)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let (came, went) = (names(&members, &before), names(&before, &members));
        tracing::info!(
            worker,
            came,
            went,
            "the processes behind a name have changed"
        );
        self.telemetry.discovery(worker, "changed");
        self.telemetry.members(worker, members.len());
        self.members.send_replace(members.into());
    }

    async fn look_up(&self) -> Result<Found, NetError> {
        let (mut members, until) = match self.records {
            Records::Addresses { port } => self.by_address(port).await?,
            Records::Srv => self.by_srv().await?,
        };
        members.sort();
        members.dedup_by(|a, b| a.name == b.name);
        members.truncate(MOST_MEMBERS);
        let longest = if members.is_empty() {
            LONGEST_ABSENCE
        } else {
            LONGEST_PAUSE
        };
        let lives = until.saturating_duration_since(Instant::now());
        Ok(Found {
            members,
            pause: lives.clamp(SHORTEST_PAUSE, longest),
        })
    }

    async fn by_address(&self, port: u16) -> Result<(Vec<Member>, Instant), NetError> {
        let name = Name::from_utf8(&self.name)?;
        let (addresses, until) = self.addresses(name).await?;
        let member = |address: IpAddr| Member {
            name: format!("{}/{address}", self.worker).into(),
            address: (address, port).into(),
        };
        Ok((addresses.into_iter().map(member).collect(), until))
    }

    async fn by_srv(&self) -> Result<(Vec<Member>, Instant), NetError> {
        let name = Name::from_utf8(&self.name)?;
        let answer = self.lookup(name, RecordType::SRV).await?;
        let mut until = answer.until;
        let mut members = Vec::new();
        for srv in first_priority(&answer.records).take(MOST_MEMBERS) {
            let (addresses, address_until) = self.addresses(srv.target.clone()).await?;
            until = until.min(address_until);
            // One of them: a target is one process, whatever addresses it has.
            if let Some(address) = addresses.into_iter().min() {
                let host = srv.target.to_ascii().to_ascii_lowercase();
                let host = host.strip_suffix('.').unwrap_or(&host);
                members.push(Member {
                    name: format!("{host}:{}", srv.port).into(),
                    address: (address, srv.port).into(),
                });
            }
        }
        Ok((members, until))
    }

    async fn addresses(&self, name: Name) -> Result<(Vec<IpAddr>, Instant), NetError> {
        let mut answer = self.lookup(name.clone(), RecordType::A).await?;
        if answer.records.is_empty() {
            answer = self.lookup(name, RecordType::AAAA).await?;
        }
        let addresses = answer.records.iter().filter_map(RData::ip_addr);
        Ok((addresses.collect(), answer.until))
    }

    async fn lookup(&self, name: Name, kind: RecordType) -> Result<Answer, NetError> {
        match self.resolver.lookup(name, kind).await {
            Ok(found) => {
                let of_kind = |record: &&RData| record.record_type() == kind;
                let records = found.answers().iter().map(|record| &record.data);
                Ok(Answer {
                    records: records.filter(of_kind).cloned().collect(),
                    until: found.valid_until(),
                })
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none)))
                if matches!(
                    none.response_code,
                    ResponseCode::NoError | ResponseCode::NXDomain
                ) =>
            {
                let lives = Duration::from_secs(none.negative_ttl.unwrap_or_default().into());
                Ok(Answer {
                    records: Vec::new(),
                    until: Instant::now() + lives,
                })
            }
            Err(error) => Err(error),
        }
    }
}

/// The records that are to be used before all others. A single target `.` says that there is no
/// such service (RFC 2782), and has no address.
fn first_priority(records: &[RData]) -> impl Iterator<Item = &SRV> {
    let services = records.iter().filter_map(|record| {
        let RData::SRV(srv) = record else {
            return None;
        };
        (!srv.target.is_root()).then_some(srv)
    });
    let first = services.clone().map(|srv| srv.priority).min();
    services.filter(move |srv| Some(srv.priority) == first)
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovery")
            .field("worker", &self.worker)
            .field("name", &self.name)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
