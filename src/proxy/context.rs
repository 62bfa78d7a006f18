//! What is carried through the phases of one request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;

use super::failure::Trouble;
use super::origin::Judged;
use super::place::Placing;
use super::proof::Proving;
use super::traffic::Shaped;
use crate::listen::Place;
use crate::matrix::Credentials;
use crate::matrix::endpoint::Endpoint;
use crate::matrix::signature::VerifiedOrigin;
use crate::policy::{BodyCount, Caller, ClientAddress, KeyQuery, Refusal};
use crate::route::Site;
use crate::snapshot::Snapshot;
use crate::telemetry::{InFlightGuard, Name, Telemetry};
use crate::upstream::Upstream;

/// One request from its head to its record.
pub(super) struct RequestContext {
    /// The configuration that was in force when the request came; a reload in
    /// between does not change it.
    pub snapshot: Arc<Snapshot>,
    /// When the head had been read, for durations.
    pub started: Instant,
    /// The same for the log.
    pub time: SystemTime,
    /// Our name for the request.
    pub request_id: String,
    /// Who asks, and what for; none until the head has been looked at.
    pub identity: Option<Identity>,
    /// Where it goes, when it goes upstream.
    pub forward: Option<Forward>,
    /// Counts the request body.
    pub body: BodyCount,
    /// Counts the servers that the body asks a notary about, where it does.
    pub key_query: Option<KeyQuery>,
    /// The status of the answer, once it has begun; interim answers are none.
    pub status: Option<StatusCode>,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Set once something went wrong.
    pub trouble: Option<Trouble>,
    /// A signature that is being verified.
    pub proving: Option<Box<Proving>>,
    /// What came of it.
    pub signature: Option<&'static str>,
    /// Why it would have been refused, where that is only tried.
    pub would_refuse: Option<Refusal>,
    /// What the rules for origins have said.
    pub judged: Judged,
    /// The request's place among those of its address.
    pub permit: Option<Place>,
    /// Its turn at the homeserver; none until it asks for one, or where no limit holds.
    pub shaped: Option<Shaped>,
    /// Counts the request as in flight, from when its class is known.
    pub in_flight: Option<InFlightGuard>,
}

/// Who asks, and what for.
pub(super) struct Identity {
    /// The client.
    pub client: ClientAddress,
    /// The site, when the host names one.
    pub site: Option<Arc<Site>>,
    /// What of Matrix is asked for.
    pub endpoint: Endpoint,
    /// Who says to send this federation request.
    pub credentials: Credentials,
    /// Who sends it, once that has been proven.
    pub verified_origin: Option<VerifiedOrigin>,
    /// The route's path, where a route of the configuration serves it.
    pub route: Option<Name>,
}

/// Where a request goes, and how.
pub(super) struct Forward {
    /// The upstream: of the route, or the process that was chosen last.
    pub upstream: Arc<Upstream>,
    /// What chooses among the processes of a homeserver.
    pub placing: Option<Placing>,
    /// The longest silence allowed.
    pub silence: Duration,
    /// How many bytes to cut from the front of the target.
    pub strip: usize,
    /// Whether a WebSocket may be opened.
    pub websocket: bool,
    /// Interim answers (1xx) so far.
    pub interim: u8,
    /// How long a new connection took; none where a pooled one was used.
    pub connect: Option<Duration>,
    /// When the upstream was connected.
    pub connected: Option<Instant>,
    /// From then to the first byte of its answer.
    pub first_byte: Option<Duration>,
}

impl Forward {
    /// A forward that has not begun.
    pub(super) fn new(upstream: Arc<Upstream>, silence: Duration) -> Self {
        Self {
            upstream,
            placing: None,
            silence,
            strip: 0,
            websocket: false,
            interim: 0,
            connect: None,
            connected: None,
            first_byte: None,
        }
    }
}

impl Identity {
    /// Who sends this federation request, as far as that is known.
    pub(super) fn caller(&self) -> Caller<'_> {
        Caller::new(&self.credentials, self.verified_origin.as_ref())
    }
}

impl RequestContext {
    /// `Strict-Transport-Security` for this request's answer.
    pub(super) fn hsts(&self) -> Option<&[u8]> {
        let is_https = self.identity.as_ref().is_some_and(|i| i.client.is_https());
        let hsts = self.snapshot.hsts.as_ref().filter(|_| is_https);
        hsts.map(http::HeaderValue::as_bytes)
    }

    /// Counts the request among those of its class that are being served, once that is known.
    pub(super) fn count_in_flight(&mut self, telemetry: &Telemetry) {
        let identity = self.identity.as_ref();
        self.in_flight = identity.and_then(|i| telemetry.request_started(i.endpoint.class));
    }

    /// Counts a piece of the request body, before it passes.
    pub(super) fn look_at_body(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        self.body.add(piece.len())?;
        match &mut self.key_query {
            Some(query) => query.look(piece),
            None => Ok(()),
        }
    }

    /// Refuses the request by a rule for other servers, unless these are only tried.
    pub(super) fn refuse(&mut self, refusal: Refusal) -> Result<(), Refusal> {
        if !self.snapshot.federation.dry_run {
            return Err(refusal);
        }
        self.would_refuse.get_or_insert(refusal);
        Ok(())
    }

    /// Whether it opens a WebSocket.
    pub(super) fn is_tunnel(&self) -> bool {
        self.forward
            .as_ref()
            .is_some_and(|forward| forward.websocket)
    }

    /// The client's address, once known.
    pub(super) fn client_ip(&self) -> Option<IpAddr> {
        self.identity.as_ref().map(|i| i.client.ip())
    }
}
