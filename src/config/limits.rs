//! What one client, or all together, may take.

use schemars::JsonSchema;
use serde::Serialize;

use super::section::Section;
use super::value::{ByteSize, Count};

/// Upper bounds; none can be turned off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Limits {
    /// Open connections from clients and other servers, all listeners together.
    pub connections: Count,
    /// Open connections from one IPv4 address or one IPv6 /64 network. Loopback
    /// and trusted proxies are exempt.
    pub connections_per_address: Count,
    /// New connections a second from one IPv4 address or one IPv6 /64 network:
    /// each costs a TLS handshake. Loopback and trusted proxies are exempt.
    pub new_connections_per_address: Count,
    /// TLS handshakes that are not done, all listeners together; one has
    /// `timeouts.handshake` to be. Where there are more, the oldest is cut off.
    pub handshakes: Count,
    /// TLS handshakes that are not done from one IPv4 address or one IPv6 /64
    /// network. Loopback and trusted proxies are exempt.
    pub handshakes_per_address: Count,
    /// What a client may send in one TLS handshake; its certificates count,
    /// where a listener asks for them, and what of its request comes with the end does
    /// not.
    pub handshake_size: ByteSize,
    /// Requests in progress from one IPv4 address or one IPv6 /64 network, the
    /// streams of HTTP/2 among them. Above it 429. Loopback and trusted proxies
    /// are exempt.
    pub requests_per_address: Count,
    /// A request's head: request line and header fields. Above it 431.
    pub head_size: ByteSize,
    /// Header fields of a request. Above it 431.
    pub head_fields: Count,
    /// A request's target: path and query. Above it 414.
    pub target_size: ByteSize,
    /// A request body that is no upload: federation and JSON. Above it 413. The
    /// default is what a Synapse accepts from another, 13107200 bytes.
    pub body_size: ByteSize,
    /// Requests that wait for a homeserver or a worker that is away
    /// (`timeouts.hold`); one more is answered 503 at once. A waiting request's body
    /// is not read.
    pub held_requests: Count,
    /// Requests at the same time on one HTTP/2 connection.
    pub h2_streams: Count,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: Count::new(20_000),
            connections_per_address: Count::new(1_000),
            new_connections_per_address: Count::new(200),
            handshakes: Count::new(1_500),
            handshakes_per_address: Count::new(100),
            handshake_size: ByteSize::kibibytes(16),
            requests_per_address: Count::new(2_000),
            head_size: ByteSize::kibibytes(64),
            head_fields: Count::new(128),
            target_size: ByteSize::kibibytes(16),
            body_size: ByteSize::kibibytes(12_800),
            held_requests: Count::new(5_000),
            h2_streams: Count::new(100),
        }
    }
}

impl Limits {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let limits = Self {
            connections: section.or("connections", default.connections),
            connections_per_address: section
                .or("connections_per_address", default.connections_per_address),
            new_connections_per_address: section.or(
                "new_connections_per_address",
                default.new_connections_per_address,
            ),
            handshakes: section.or("handshakes", default.handshakes),
            handshakes_per_address: section
                .or("handshakes_per_address", default.handshakes_per_address),
            handshake_size: section.or("handshake_size", default.handshake_size),
            requests_per_address: section.or("requests_per_address", default.requests_per_address),
            head_size: section.or("head_size", default.head_size),
            head_fields: section.or("head_fields", default.head_fields),
            target_size: section.or("target_size", default.target_size),
            body_size: section.or("body_size", default.body_size),
            held_requests: section.or("held_requests", default.held_requests),
            h2_streams: section.or("h2_streams", default.h2_streams),
        };
        section.finish();
        limits
    }
}
