//! What pingora asks a stream about itself: the traits that make a [`Connection`] with a tunnel a
//! `pingora::protocols::Stream`.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use pingora::http::ResponseHeader;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};

use super::{Connection, ConnectionFacts};

/// What pingora wants to know of a connection.
#[derive(Debug)]
pub(super) struct Digests {
    socket: Arc<SocketDigest>,
    proxy: Arc<ProxyDigest>,
    tls: Option<Arc<SslDigest>>,
    descriptor: i32,
    established: SystemTime,
}

impl Digests {
    /// The digests of the connection on the socket `descriptor`.
    pub(super) fn new(descriptor: i32, facts: Arc<ConnectionFacts>) -> io::Result<Self> {
        let socket = SocketDigest::from_raw_fd(descriptor);
        // The client is whom the PROXY header names, also for pingora's own logs.
        let client = facts.address().map(SocketAddr::Inet);
        // A fresh cell takes its value.
        drop(socket.peer_addr.set(client));
        let tls = facts.tls.map(|tls| {
            let digest = SslDigest::new(tls.suite, tls.version, None, None, Vec::new());
            Arc::new(digest)
        });
        // Pingora hands the facts on only as the data of a proxy's answer.
        let answer = ResponseHeader::build_no_case(200, Some(0)).map_err(io::Error::other)?;
        Ok(Self {
            socket: Arc::new(socket),
            proxy: Arc::new(ProxyDigest::new(Box::new(answer), Some(Box::new(facts)))),
            tls,
            descriptor,
            established: SystemTime::now(),
        })
    }
}

impl Connection {
    fn digests(&self) -> Option<&Digests> {
        self.tunnel.as_ref().map(|tunnel| &tunnel.digests)
    }
}

#[async_trait]
impl Shutdown for Connection {
    async fn shutdown(&mut self) {
        self.part().await;
    }
}

impl UniqueID for Connection {
    fn id(&self) -> UniqueIDType {
        self.digests().map_or(0, |digests| digests.descriptor)
    }
}

impl Ssl for Connection {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.digests()?.tls.clone()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        None
    }
}

impl GetTimingDigest for Connection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        let timing = self.digests().map(|digests| TimingDigest {
            established_ts: digests.established,
            ..TimingDigest::default()
        });
        vec![timing]
    }
}

impl GetProxyDigest for Connection {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.digests().map(|digests| digests.proxy.clone())
    }
}

impl GetSocketDigest for Connection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.digests().map(|digests| digests.socket.clone())
    }
}

impl Peek for Connection {}
