//! What one connection may cost.

use std::time::Duration;

use ipnet::IpNet;

/// Deadlines and sizes of the connections of all listeners, as compiled from the configuration.
#[derive(Clone, Debug)]
pub struct Limits {
    /// PROXY header and TLS handshake in all; also the HTTP/2 preface with its SETTINGS.
    pub handshake: Duration,
    /// From the first byte of a request head to its last. 408 after it.
    pub head: Duration,
    /// How long a connection may be open without a request or stream.
    pub idle: Duration,
    /// How long a request body may bring nothing; after it, 1 KiB/s is the least.
    pub body_grace: Duration,
    /// How long a client may take nothing of its answer; after it, 1 KiB/s is the least.
    pub write: Duration,
    /// Largest request head in bytes. 431 above.
    pub head_size: usize,
    /// Most fields in a request head. 431 above.
    pub head_fields: usize,
    /// Longest request target in bytes. 414 above.
    pub target_size: usize,
    /// Open connections over all listeners. Closed unanswered above.
    pub connections: usize,
    /// Open connections of one IPv4 address or one IPv6 /64. Closed unanswered above.
    pub connections_per_address: usize,
    /// New connections a second of one IPv4 address or one IPv6 /64. Closed unanswered above.
    pub new_connections_per_address: usize,
    /// Handshakes of TLS, with what the PROXY protocol says before, that are not done, over all
    /// listeners. Closed unanswered above.
    pub handshakes: usize,
    /// The same of one IPv4 address or one IPv6 /64. Closed unanswered above.
    pub handshakes_per_address: usize,
    /// Bytes that a client may send in one TLS handshake, beside what of its request comes with
    /// the end. Closed above.
    pub handshake_size: usize,
    /// Requests in progress of one IPv4 address or one IPv6 /64. 429 above.
    pub requests_per_address: usize,
    /// Networks that no per-address cap counts, beside loopback: the trusted proxies.
    pub exempt: Vec<IpNet>,
    /// HTTP/2 streams that one connection may have open.
    pub h2_streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(15),
            idle: Duration::from_mins(3),
            body_grace: Duration::from_secs(30),
            write: Duration::from_mins(1),
            head_size: 64 << 10,
            head_fields: 128,
            target_size: 16 << 10,
            connections: 20_000,
            connections_per_address: 1_000,
            new_connections_per_address: 200,
            handshakes: 1_500,
            handshakes_per_address: 100,
            handshake_size: 16 << 10,
            requests_per_address: 2_000,
            exempt: Vec::new(),
            h2_streams: 100,
        }
    }
}
