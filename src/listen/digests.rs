//! What pingora asks a stream about itself: the traits that make a [`Connection`] a
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

/// Made once for a connection, shared by all its requests.
#[derive(Debug)]
pub(super) struct Digests {
    pub(super) socket: Arc<SocketDigest>,
    pub(super) proxy: Arc<ProxyDigest>,
    pub(super) tls: Option<Arc<SslDigest>>,
    pub(super) alpn: Option<ALPN>,
    descriptor: i32,
    established: SystemTime,
}

impl Digests {
    /// The digests of the connection on the socket `descriptor`.
    pub(super) fn new(descriptor: i32, facts: ConnectionFacts) -> io::Result<Self> {
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
            alpn: None,
            descriptor,
            established: SystemTime::now(),
        })
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
        self.digests.descriptor
    }
}

impl Ssl for Connection {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.digests.tls.clone()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.digests.alpn.clone()
    }
}

impl GetTimingDigest for Connection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        vec![Some(TimingDigest {
            established_ts: self.digests.established,
            ..TimingDigest::default()
        })]
    }
}

impl GetProxyDigest for Connection {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.digests.proxy))
    }
}

impl GetSocketDigest for Connection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.digests.socket))
    }
}

impl Peek for Connection {}
