//! The least of a client: one request after the other on one connection.

mod http1;
mod http2;

pub(crate) use http1::Http1;
pub(crate) use http2::Http2;

use tokio::io::{AsyncRead, AsyncWrite};

/// What both speak over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

/// The host that every request names.
pub(crate) const HOST: &str = "matrix.example.com";
