//! The configured limits and timeouts, as connections know them.

use crate::config::{Config, TrustedProxy};
use crate::listen::Limits;

/// What one connection may cost.
pub(super) fn of(config: &Config) -> Limits {
    let (limits, timeouts) = (&config.limits, &config.timeouts);
    let bytes = |size: crate::config::ByteSize| usize::try_from(size.bytes()).unwrap_or(usize::MAX);
    let count = |count: crate::config::Count| count.number() as usize;
    Limits {
        handshake: timeouts.handshake.duration(),
        head: timeouts.head.duration(),
        idle: timeouts.idle.duration(),
        body_grace: timeouts.body_idle.duration(),
        write: timeouts.write.duration(),
        head_size: bytes(limits.head_size),
        head_fields: count(limits.head_fields),
        target_size: bytes(limits.target_size),
        connections: count(limits.connections),
        connections_per_address: count(limits.connections_per_address),
        new_connections_per_address: count(limits.new_connections_per_address),
        handshakes: count(limits.handshakes),
        handshakes_per_address: count(limits.handshakes_per_address),
        handshake_size: bytes(limits.handshake_size),
        requests_per_address: count(limits.requests_per_address),
        exempt: config
            .trusted_proxies
            .iter()
            .filter_map(|proxy| match proxy {
                TrustedProxy::Network(network) => Some(network.net()),
                TrustedProxy::Unix => None,
            })
            .collect(),
        h2_streams: limits.h2_streams.number(),
    }
}
