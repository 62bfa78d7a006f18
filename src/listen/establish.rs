//! From an accepted socket to a connection: PROXY header, then TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use pingora_timeout::timeout;
use rustls::{Error as TlsError, HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection};
use tokio::io::AsyncWriteExt;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::{StartHandshake, TlsStream};

use super::connections::AddressPermit;
use super::proxy_protocol::{self, Parsed};
use super::tls::Offer;
use super::transport::Transport;
use super::wire::{Socket, TooLong, Wire};
use super::{
    Bodies, Connection, ConnectionFacts, Excess, Intake, Listener, Negotiated, Peer, challenges,
    part,
};

/// Bytes that are read, and kept until the close, of a client that is told to use TLS.
const FAREWELL_SIZE: usize = 64 << 10;

/// Bytes of a request that may come with the last of a handshake, and are read with it: until a
/// record of the greatest size is whole (RFC 8446, 5.2), and what one read brings beyond it.
const FIRST_OF_REQUEST: usize = (16 << 10) + 256 + 5 + (4 << 10);

/// Content type of a TLS record that carries a handshake (RFC 8446, 5.1).
const HANDSHAKE_RECORD: u8 = 22;
/// A fatal alert of that description in a record of its own (RFC 8446, 6.2; RFC 6066, 3).
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];
const PLAIN_ON_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\
    Content-Length: 30\r\nConnection: close\r\n\r\nThis port speaks https only.\r\n";

/// Why no connection came of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It took longer than `timeouts.handshake`.
    Timeout,
    /// The client left, or its socket failed.
    Closed,
    /// No PROXY header where one is required, or a bad one.
    ProxyHeader,
    /// There are too many, of the client that the PROXY header names or of handshakes.
    Excess(Excess),
    /// A plain HTTP request on a TLS listener.
    PlainHttp,
    /// Something else that is not TLS.
    NotTls,
    /// No version, cipher suite or protocol in common.
    Incompatible,
    /// The client sent more than `limits.handshake_size` before the handshake was done.
    TooLong,
    /// The client broke the protocol.
    Misbehaved,
    /// The client refused what it was offered, perhaps the certificate.
    Alert,
    /// The client asked for no name, or for one without certificate, and that is refused.
    UnknownName,
    /// None was wanted: a certificate authority had a question, and has its answer.
    Challenge,
    /// Anything else.
    Other,
}

impl Failure {
    /// The name of the reason in metrics.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::ProxyHeader => "proxy_header",
            Self::Excess(excess) => excess.reason(),
            Self::PlainHttp => "plain_http",
            Self::NotTls => "not_tls",
            Self::Incompatible => "incompatible",
            Self::TooLong => "too_long",
            Self::Misbehaved => "misbehaved",
            Self::Alert => "alert",
            Self::UnknownName => "unknown_name",
            Self::Challenge => "challenge",
            Self::Other => "other",
        }
    }

    fn of(error: &io::Error) -> Self {
        let inner = error.get_ref();
        if let Some(inner) = inner
            && inner.is::<TooLong>()
        {
            return Self::TooLong;
        }
        match inner.and_then(|e| e.downcast_ref::<TlsError>()) {
            None => Self::Closed,
            Some(TlsError::AlertReceived(_)) => Self::Alert,
            Some(TlsError::PeerIncompatible(_) | TlsError::NoApplicationProtocol) => {
                Self::Incompatible
            }
            Some(
                TlsError::PeerMisbehaved(_)
                | TlsError::InappropriateMessage { .. }
                | TlsError::InappropriateHandshakeMessage { .. }
                | TlsError::DecryptError
                | TlsError::PeerSentOversizedRecord,
            ) => Self::Misbehaved,
            Some(TlsError::InvalidMessage(_)) => Self::NotTls,
            Some(_) => Self::Other,
        }
    }
}

impl From<Excess> for Failure {
    fn from(excess: Excess) -> Self {
        Self::Excess(excess)
    }
}

/// Establishes a connection on `socket`, which has `permit` as one of its address. No deadline of
/// its own.
pub(super) async fn establish<A>(
    intake: &Intake<A>,
    socket: Socket,
    peer: Peer,
    permit: Option<AddressPermit>,
) -> Result<Box<Connection>, Failure> {
    let connections = &intake.connections;
    let mut wire = Wire::new(socket);
    let mut facts = ConnectionFacts {
        listener: Arc::clone(&intake.listener),
        peer,
        source: None,
        sni: None,
        tls: None,
        bodies: Arc::<Bodies>::default(),
        permit,
        shutdown: intake.shutdown.clone(),
        cut: connections.cut(),
    };
    if is_proxied(&intake.listener, peer) {
        facts.source = proxy_header(&mut wire).await?.map(canonical);
        if let Some(source) = facts.source {
            facts.permit = connections.admit_address(source.ip())?;
        }
    }
    // Kept until the handshake is done.
    let place = facts.permit.as_ref().map(AddressPermit::admit_handshake);
    let _place_of_address = place.transpose()?;
    let (transport, is_http2) = match &intake.tls {
        None => (Transport::Plain(wire), false),
        Some(offer) => {
            let stream = handshake(intake, offer, wire, &mut facts).await?;
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            (Transport::Tls(Box::new(stream)), is_http2)
        }
    };
    let connection = Connection::new(transport, facts, &intake.limits, is_http2);
    Ok(Box::new(connection))
}

/// Whether connections from `peer` begin with a PROXY header.
pub(super) fn is_proxied(listener: &Listener, peer: Peer) -> bool {
    match peer {
        Peer::Tcp(address) => {
            let networks = &listener.proxy_protocol;
            networks.iter().any(|net| net.contains(&address.ip()))
        }
        Peer::Unix => false,
    }
}

/// An address whose IPv4 is not written as IPv6.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

async fn proxy_header(wire: &mut Wire) -> Result<Option<SocketAddr>, Failure> {
    loop {
        look(wire).await?;
        match proxy_protocol::parse(wire.ahead()) {
            Parsed::Incomplete => {}
            Parsed::Header { length, source } => {
                wire.skip(length);
                return Ok(source);
            }
            Parsed::Invalid(_) => return Err(Failure::ProxyHeader),
        }
    }
}

async fn look(wire: &mut Wire) -> Result<(), Failure> {
    match wire.look().await {
        Ok(1..) => Ok(()),
        Ok(0) | Err(_) => Err(Failure::Closed),
    }
}

async fn handshake<A>(
    intake: &Intake<A>,
    offer: &Offer,
    mut wire: Wire,
    facts: &mut ConnectionFacts,
) -> Result<TlsStream<Wire>, Failure> {
    if wire.ahead().is_empty() {
        look(&mut wire).await?;
    }
    match wire.ahead().first() {
        Some(&HANDSHAKE_RECORD) => {}
        Some(byte) if byte.is_ascii_uppercase() => {
            turn_away(wire, PLAIN_ON_TLS).await;
            return Err(Failure::PlainHttp);
        }
        Some(_) | None => return Err(Failure::NotTls),
    }
    wire.allow(Some(intake.limits.handshake_size));
    let begun = Instant::now();
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), wire);
    let mut start = hello.await.map_err(|e| Failure::of(&e))?;
    let with_request = intake.limits.handshake_size + FIRST_OF_REQUEST;
    start.io.allow(Some(with_request));
    facts.sni = start
        .client_hello()
        .server_name()
        .map(|name| name.to_ascii_lowercase().into());
    if let Some(answer) = challenged(&start, offer, facts.sni.as_deref()) {
        let mut stream = finish(start, &answer).await?;
        // The authority has seen the certificate, and leaves.
        drop(stream.shutdown().await);
        return Err(Failure::Challenge);
    }
    if let Some(known) = &offer.only_known
        && !facts.sni.as_deref().is_some_and(|sni| known.knows(sni))
    {
        let mut io = start.io;
        drop(io.write_all(&UNRECOGNIZED_NAME).await);
        drop(io.shutdown().await);
        return Err(Failure::UnknownName);
    }
    let mut stream = finish(start, &offer.config).await?;
    stream.get_mut().0.allow(None);
    let negotiated = negotiated(stream.get_ref().1);
    facts.tls = Some(negotiated);
    let terms = terms(stream.get_ref().1, negotiated);
    let seconds = begun.elapsed().as_secs_f64();
    intake
        .telemetry
        .handshake(&intake.listener.name, terms, seconds);
    Ok(stream)
}

/// How to answer an authority that checks a name by a handshake (RFC 8737): it offers that
/// protocol and no other.
fn challenged(
    start: &StartHandshake<Wire>,
    offer: &Offer,
    sni: Option<&str>,
) -> Option<Arc<ServerConfig>> {
    let challenges = offer.challenges.as_ref()?;
    let hello = start.client_hello();
    let mut protocols = hello.alpn()?;
    if protocols.next() != Some(challenges::ALPN) || protocols.next().is_some() {
        return None;
    }
    challenges.over_tls(sni?)
}

async fn finish(
    start: StartHandshake<Wire>,
    config: &Arc<ServerConfig>,
) -> Result<TlsStream<Wire>, Failure> {
    let accept = start.into_stream(Arc::clone(config));
    accept.await.map_err(|error| Failure::of(&error))
}

fn negotiated(session: &ServerConnection) -> Negotiated {
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        Some(_) | None => "unknown",
    };
    let suite = session.negotiated_cipher_suite();
    let suite = suite.and_then(|suite| suite.suite().as_str());
    Negotiated {
        version,
        suite: suite.unwrap_or("unknown"),
    }
}

/// Version, key exchange group, and kind, as metrics call them.
fn terms(session: &ServerConnection, negotiated: Negotiated) -> [&'static str; 3] {
    let group = session.negotiated_key_exchange_group();
    let group = group.and_then(|group| group.name().as_str());
    let kind = match session.handshake_kind() {
        Some(HandshakeKind::Resumed) => "resumed",
        Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest) | None => "full",
    };
    // A session of TLS 1.2 resumes without a key exchange.
    [negotiated.version, group.unwrap_or("none"), kind]
}

/// Says one last thing, and gives the client the time to read it.
async fn turn_away(mut wire: Wire, answer: &[u8]) {
    let goodbye = async {
        wire.write_all(answer).await?;
        wire.shutdown().await?;
        while wire.look().await? > 0 && wire.ahead().len() < FAREWELL_SIZE {}
        io::Result::Ok(())
    };
    drop(timeout(part::LINGER, goodbye).await);
}
