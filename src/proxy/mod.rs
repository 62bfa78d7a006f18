//! The life of a request in order.
//!
//! | step | what happens | where |
//! |---|---|---|
//! | begin | the snapshot in force, a request id | [`FrontDoor::begin`] |
//! | decide | who asks for what, route, limits | [`request`] |
//! | answer | documents, redirects, preflights, refusals, files | [`reply`], [`folder`] |
//! | carry | a connection, the head that goes up, and whether to try again | [`carry`] |
//! | exchange | the body up, the answer down | [`exchange`], [`response`] |
//! | settle | trouble to Matrix JSON | [`failure`], [`answer`] |
//! | end | one record | [`record`] |
//!
//! A request that opens a WebSocket takes the same steps as the one `ProxyHttp` of pingora's
//! engine, in [`tunnel`].

pub mod answer;
mod carry;
mod context;
mod exchange;
mod failure;
mod folder;
mod record;
mod reply;
mod request;
mod response;
mod serve;
mod tunnel;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;

use self::context::RequestContext;
use crate::policy::BodyCount;
use crate::snapshot::Snapshot;
use crate::telemetry::Telemetry;

pub use self::serve::Engine;
pub use self::tunnel::TunnelEngine;

/// The front door: everything a request meets between the two sockets.
pub struct FrontDoor {
    snapshot: Arc<ArcSwap<Snapshot>>,
    telemetry: Arc<Telemetry>,
    first_half_of_ids: u64,
    requests: AtomicU64,
}

impl FrontDoor {
    /// A front door that serves what `snapshot` holds at each moment.
    /// `seed` keeps the request ids of different runs apart.
    pub fn new(snapshot: Arc<ArcSwap<Snapshot>>, telemetry: Arc<Telemetry>, seed: u64) -> Self {
        Self {
            snapshot,
            telemetry,
            first_half_of_ids: seed,
            requests: AtomicU64::new(0),
        }
    }

    /// The context of a request whose head has just been read.
    fn begin(&self) -> RequestContext {
        let count = self.requests.fetch_add(1, Ordering::Relaxed);
        RequestContext {
            snapshot: self.snapshot.load_full(),
            started: Instant::now(),
            time: SystemTime::now(),
            request_id: request::request_id(self.first_half_of_ids, count),
            identity: None,
            forward: None,
            body: BodyCount::new(0),
            status: None,
            bytes_out: 0,
            trouble: None,
            permit: None,
            in_flight: self.telemetry.request_started(),
        }
    }
}
