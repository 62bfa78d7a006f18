//! Names: addresses and SRV records, each look-up with an answer that can be told.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::options::{DnsSource, Resolve};
use super::report::SrvRecord;

/// Most records of one look-up that are looked at.
const MOST_RECORDS: usize = 16;

/// Asks for names.
pub(super) struct Dns {
    resolver: Option<TokioResolver>,
    resolve: Vec<Resolve>,
}

/// The addresses of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) found: Vec<IpAddr>,
    /// Why a look-up failed, though others may have answered.
    pub(super) failure: Option<String>,
    /// Whether the name is an alias.
    pub(super) is_alias: bool,
    /// For how many seconds they may be kept.
    pub(super) ttl: Option<u32>,
}

/// The SRV records of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Services {
    pub(super) found: Vec<SrvRecord>,
    pub(super) failure: Option<String>,
    /// For how many seconds they may be kept.
    pub(super) ttl: Option<u32>,
}

/// The answer to one look-up.
#[derive(Default)]
struct Records {
    data: Vec<RData>,
    ttl: Option<u32>,
}

impl Dns {
    /// Sets up the resolver.
    ///
    /// # Errors
    /// When the system's resolver configuration cannot be read.
    pub(super) fn new(
        source: DnsSource,
        resolve: Vec<Resolve>,
        timeout: Duration,
    ) -> Result<Self, String> {
        let builder = match source {
            DnsSource::Nobody => {
                return Ok(Self {
                    resolver: None,
                    resolve,
                });
            }
            DnsSource::System => TokioResolver::builder_tokio()
                .map_err(|error| format!("the system's resolver cannot be used: {error}"))?,
            DnsSource::Server(server) => {
                let on_port = |mut connection: ConnectionConfig| {
                    connection.port = server.port();
                    connection
                };
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                let connections = connections.map(on_port).to_vec();
                let server = NameServerConfig::new(server.ip(), true, connections);
                let config = ResolverConfig::from_name_servers(vec![server]);
                let mut builder =
                    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
                builder.options_mut().use_hosts_file = ResolveHosts::Never;
                builder
            }
        };
        let mut options: ResolverOpts = ResolverOpts::default();
        options.timeout = timeout / 3;
        options.attempts = 1;
        options.preserve_intermediates = true;
        options.use_hosts_file = match source {
            DnsSource::System => ResolveHosts::Always,
            DnsSource::Server(_) | DnsSource::Nobody => ResolveHosts::Never,
        };
        let resolver = builder
            .with_options(options)
            .build()
            .map_err(|error| format!("the resolver cannot be set up: {error}"))?;
        Ok(Self {
            resolver: Some(resolver),
            resolve,
        })
    }

    /// The addresses of `host`, of both families.
    pub(super) async fn addresses(&self, host: &str, port: u16) -> Addresses {
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(host).parse::<IpAddr>() {
            return Addresses {
                found: vec![address],
                ..Addresses::default()
            };
        }
        if let Some(told) = self.resolve.iter().find(|told| told.covers(host, port)) {
            return Addresses {
                found: told.addresses.clone(),
                ..Addresses::default()
            };
        }
        let v6 = self.lookup(host, RecordType::AAAA);
        let v4 = self.lookup(host, RecordType::A);
        let mut addresses = Addresses::default();
        for answer in <[_; 2]>::from(tokio::join!(v6, v4)) {
            let records = answer.unwrap_or_else(|failure| {
                addresses.failure = Some(failure);
                Records::default()
            });
            let Records { data, ttl } = records;
            addresses.is_alias |= data.iter().any(|one| matches!(one, RData::CNAME(_)));
            addresses.ttl = [addresses.ttl, ttl].into_iter().flatten().min();
            let found = data.iter().filter_map(RData::ip_addr);
            addresses.found.extend(found);
        }
        addresses.found.dedup();
        addresses.found.truncate(MOST_RECORDS);
        addresses
    }

    /// Whether the options answer for a host.
    pub(super) fn is_told(&self, host: &str, port: u16) -> bool {
        self.resolve.iter().any(|told| told.covers(host, port))
    }

    /// The SRV records of `name`, in the order in which they are tried.
    pub(super) async fn services(&self, name: &str) -> Services {
        let records = match self.lookup(name, RecordType::SRV).await {
            Ok(records) => records,
            Err(failure) => {
                return Services {
                    failure: Some(failure),
                    ..Services::default()
                };
            }
        };
        let mut found: Vec<_> = records.data.iter().filter_map(service).collect();
        super::srv::order(&mut found);
        found.truncate(MOST_RECORDS);
        Services {
            found,
            failure: None,
            ttl: records.ttl,
        }
    }

    /// The records of one type; none where the name or the type does not exist.
    async fn lookup(&self, name: &str, kind: RecordType) -> Result<Records, String> {
        let Some(resolver) = &self.resolver else {
            return Ok(Records::default());
        };
        // With its dot, so that no search domain is tried.
        let name = Name::from_ascii(format!("{name}."))
            .map_err(|_| "it is no name that DNS could have".to_owned())?;
        match resolver.lookup(name, kind).await {
            Ok(lookup) => {
                let records = lookup.answers();
                Ok(Records {
                    data: records.iter().map(|record| record.data.clone()).collect(),
                    ttl: records.iter().map(|record| record.ttl).min(),
                })
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none)))
                if matches!(
                    none.response_code,
                    ResponseCode::NoError | ResponseCode::NXDomain
                ) =>
            {
                Ok(Records::default())
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
                Err(format!("the resolver answers {}", none.response_code))
            }
            Err(NetError::Dns(DnsError::ResponseCode(code))) => {
                Err(format!("the resolver answers {code}"))
            }
            Err(NetError::Timeout) => Err("the resolver does not answer".to_owned()),
            Err(error) => Err(super::text::printable(error.to_string())),
        }
    }
}

fn service(record: &RData) -> Option<SrvRecord> {
    let RData::SRV(srv) = record else {
        return None;
    };
    Some(SrvRecord {
        priority: srv.priority,
        weight: srv.weight,
        port: srv.port,
        target: host_of(&srv.target),
    })
}

fn host_of(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    match text.strip_suffix('.') {
        Some("") | None => text,
        Some(host) => host.to_owned(),
    }
}
