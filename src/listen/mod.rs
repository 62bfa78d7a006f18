//! Sockets, TLS, connections and the heads and bodies of what clients send.
//!
//! # A connection, top to bottom
//!
//! 1. [`accept()`]: a socket is accepted and counted against the caps ([`Connections`]).
//! 2. `establish`: PROXY header, TLS handshake, all within one deadline.
//! 3. [`serve()`]: HTTP/1 requests one after the other, HTTP/2 streams side by side.
//! 4. `gate`: the head of a HTTP/1 request is read whole and checked on its raw bytes ([`head`]).
//! 5. [`App::serve`] gets the head, and with [`Downstream`] the body and the way of the answer.
//!    Below it the [`Connection`] decodes chunks strictly ([`crate::message::chunked`]), watches the frames of
//!    HTTP/2 ([`frames`]) and ends peers that stall.
//! 6. A request that asks for another protocol is handed to pingora ([`App::tunnel`]), which sees
//!    the connection as a stream of its own.

pub mod accept;
mod alarm;
mod app;
pub mod bodies;
pub mod certificates;
pub mod challenges;
pub mod connection;
pub mod connections;
mod digests;
pub mod downstream;
mod establish;
pub mod facts;
pub mod fault;
pub mod frames;
mod gate;
mod half_open;
pub mod head;
mod http2;
mod idle;
mod incoming;
pub mod internal_ca;
mod limits;
mod listener;
mod part;
mod patience;
mod place;
pub mod proxy_protocol;
mod reading;
pub mod serve;
mod settling;
pub mod socket;
pub mod state_folder;
mod streams;
pub mod tls;
mod transport;
mod tunnel;
mod wire;
mod writing;

pub use accept::{Intake, accept};
pub use app::{After, App};
pub use bodies::Bodies;
pub use connection::Connection;
pub use connections::{Connections, Excess};
pub use downstream::Downstream;
pub use facts::{ConnectionFacts, Negotiated, Peer};
pub use fault::Fault;
pub use head::Refusal;
pub use idle::Idle;
pub use limits::Limits;
pub use listener::Listener;
pub use place::Place;
pub use serve::serve;
pub use settling::Settling;

#[cfg(test)]
mod tests;
