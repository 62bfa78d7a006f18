//! How long things may take.

use schemars::JsonSchema;
use serde::Serialize;

use super::section::Section;
use super::value::Timeout;

/// Upper bounds of time; none can be turned off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Timeouts {
    /// The TLS handshake, and a PROXY protocol header before it, in all.
    pub handshake: Timeout,
    /// A request's head in all, from its first byte.
    pub head: Timeout,
    /// A connection without a request (HTTP/1.1) or without a stream (HTTP/2).
    /// Other servers keep theirs for minutes and take a close as a failure, so
    /// not below 180 s.
    pub idle: Timeout,
    /// How long a request body may take before it must bring 1 KiB/s.
    pub body_idle: Timeout,
    /// A client that takes nothing of its answer.
    pub write: Timeout,
    /// Connecting to an upstream, TLS included.
    pub connect: Timeout,
    /// How long a request at most waits for a homeserver or a worker that does not
    /// answer connections, as while it restarts; then 503. Most wait for less: as
    /// long as their sender does.
    pub hold: Timeout,
    /// Unused connections to an upstream. Below the 60 s after which Synapse
    /// closes them.
    pub upstream_idle: Timeout,
    /// How long requests in flight may take to end after SIGTERM or SIGINT.
    pub drain: Timeout,
    /// The same for a process whose place another one has taken: an upgrade costs nobody
    /// anything as long as this is, so long polls and web sockets may go on for a while, and
    /// other servers get to see that idle connections end.
    pub drain_after_upgrade: Timeout,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Timeout::seconds(10),
            head: Timeout::seconds(15),
            idle: Timeout::seconds(180),
            body_idle: Timeout::seconds(30),
            write: Timeout::seconds(60),
            connect: Timeout::seconds(5),
            hold: Timeout::seconds(50),
            upstream_idle: Timeout::seconds(45),
            drain: Timeout::seconds(130),
            drain_after_upgrade: Timeout::seconds(600),
        }
    }
}

impl Timeouts {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let timeouts = Self {
            handshake: section.or("handshake", default.handshake),
            head: section.or("head", default.head),
            idle: section.or("idle", default.idle),
            body_idle: section.or("body_idle", default.body_idle),
            write: section.or("write", default.write),
            connect: section.or("connect", default.connect),
            hold: section.or("hold", default.hold),
            upstream_idle: section.or("upstream_idle", default.upstream_idle),
            drain: section.or("drain", default.drain),
            drain_after_upgrade: section.or("drain_after_upgrade", default.drain_after_upgrade),
        };
        section.finish();
        timeouts
    }
}
