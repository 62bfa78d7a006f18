//! The life of a request in order.
//!
//! | step | what happens | where |
//! |---|---|---|
//! | begin | the snapshot in force, a request id | [`FrontDoor::begin`] |
//! | decide | who asks for what, route, limits | [`request`] |
//! | answer | documents, redirects, preflights, refusals, files | [`reply`], [`folder`] |
//! | edge cache | public documents, from memory where that is right | [`edge_cache`] |
//! | origin | whether that server may, by the rules | [`origin`] |
//! | proof | the signature of a federation request | [`proof`] |
//! | traffic | its turn in the budget of its kind of work | [`traffic`] |
//! | place | the process it goes to, its turn there, a connection | [`place`] |
//! | carry | the head that goes up, and whether to try again | [`carry`] |
//! | exchange | the body up, the answer down | [`exchange`], [`response`] |
//! | settle | trouble to Matrix JSON | [`failure`], [`answer`] |
//! | end | one record | [`record`] |
//!
//! A request that opens a WebSocket takes the same steps as the one `ProxyHttp` of pingora's
//! engine, in [`tunnel`].

mod affinity;
pub mod answer;
mod carry;
mod context;
mod edge_cache;
mod exchange;
pub mod explain;
mod failure;
mod folder;
mod origin;
mod place;
mod proof;
mod record;
mod reply;
mod request;
mod response;
mod serve;
mod traffic;
mod tunnel;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;

use self::context::RequestContext;
use self::edge_cache::EdgeCache;
use self::waiting::Held;
use crate::keys::ServerKeys;
use crate::policy::BodyCount;
use crate::snapshot::Snapshot;
use crate::telemetry::Telemetry;
use crate::upstream::{DEFAULT_TOKENS, Users};

pub use self::serve::Engine;
pub use self::tunnel::TunnelEngine;

/// The front door: everything a request meets between the two sockets.
pub struct FrontDoor {
    snapshot: Arc<ArcSwap<Snapshot>>,
    telemetry: Arc<Telemetry>,
    first_half_of_ids: u64,
    requests: AtomicU64,
    held: Held,
    users: Users,
    keys: Arc<ServerKeys>,
    edge_cache: EdgeCache,
}

impl FrontDoor {
    /// A front door that serves what `snapshot` holds at each moment.
    /// `seed` keeps the request ids of different runs apart.
    pub fn new(snapshot: Arc<ArcSwap<Snapshot>>, telemetry: Arc<Telemetry>, seed: u64) -> Self {
        let users = Users::new(DEFAULT_TOKENS, telemetry.clone());
        let keys = Arc::new(ServerKeys::new(&snapshot.load().keys, telemetry.clone()));
        Self {
            snapshot,
            telemetry,
            first_half_of_ids: seed,
            requests: AtomicU64::new(0),
            held: Held::default(),
            users,
            keys,
            edge_cache: EdgeCache::new(),
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
            key_query: None,
            status: None,
            bytes_out: 0,
            trouble: None,
            proving: None,
            signature: None,
            would_refuse: None,
            judged: origin::Judged::default(),
            permit: None,
            shaped: None,
            in_flight: None,
        }
    }
}
