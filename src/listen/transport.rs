//! The bytes under HTTP: a socket, plain or with TLS.

use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;

use super::wire::Wire;

/// The bytes under HTTP.
#[derive(Debug)]
pub(super) enum Transport {
    Plain(Wire),
    Tls(Box<TlsStream<Wire>>),
}

impl Transport {
    pub(super) fn reader(&mut self) -> Pin<&mut (dyn AsyncRead + Send + Unpin)> {
        match self {
            Self::Plain(wire) => Pin::new(wire),
            Self::Tls(stream) => Pin::new(stream.as_mut()),
        }
    }

    pub(super) fn writer(&mut self) -> Pin<&mut (dyn AsyncWrite + Send + Unpin)> {
        match self {
            Self::Plain(wire) => Pin::new(wire),
            Self::Tls(stream) => Pin::new(stream.as_mut()),
        }
    }

    pub(super) fn wire(&self) -> &Wire {
        match self {
            Self::Plain(wire) => wire,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}
