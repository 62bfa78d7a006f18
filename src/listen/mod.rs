//! Sockets, TLS, connections and the head gate: the only files that know pingora-core's insides.
//!
//! # A connection, top to bottom
//!
//! 1. [`accept()`]: a socket is accepted and counted against the caps ([`Connections`]).
//! 2. `establish`: PROXY header, TLS handshake, all within one deadline.
//! 3. [`serve()`]: HTTP/1 requests one after the other through the gate, HTTP/2 streams side by side.
//! 4. `gate`: the head of a HTTP/1 request is read whole and checked on its raw bytes ([`head`]).
//! 5. [`Connection`]: the stream that pingora reads and writes. It never shows pingora a byte past
//!    the end of a request, checks chunked framing as it passes ([`chunked`]), watches the frames
//!    of HTTP/2 ([`frames`]) and ends peers that stall.

pub mod accept;
mod alarm;
pub mod bodies;
pub mod certificates;
pub mod chunked;
pub mod connection;
pub mod connections;
mod digests;
mod establish;
mod exchange;
pub mod facts;
pub mod fault;
pub mod frames;
mod gate;
pub mod head;
mod http2;
pub mod internal_ca;
mod limits;
mod listener;
mod part;
mod patience;
pub mod proxy_protocol;
mod reading;
pub mod serve;
pub mod socket;
mod streams;
pub mod tls;
mod transport;
mod wire;
mod writing;

pub use accept::{Intake, accept};
pub use bodies::{Bodies, PendingBody};
pub use connection::Connection;
pub use connections::Connections;
pub use facts::{ConnectionFacts, Negotiated, Peer};
pub use fault::{BodyFault, body_fault};
pub use head::Refusal;
pub use limits::Limits;
pub use listener::Listener;
pub use serve::serve;

#[cfg(test)]
mod tests;
