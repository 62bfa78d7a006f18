//! What every test stands on: a stub homeserver, the program in front of it, and clients.
//!
//! Everything is on loopback with ports that the kernel chose. A wait is a
//! condition with a deadline; nothing sleeps for a guessed time.

pub(crate) mod acme_front;
pub(crate) mod answer;
pub(crate) mod authority;
pub(crate) mod binary;
pub(crate) mod browser;
pub(crate) mod config;
pub(crate) mod curl;
pub(crate) mod deadline;
pub(crate) mod frames;
pub(crate) mod h2_client;
pub(crate) mod homeserver;
pub(crate) mod pebble;
pub(crate) mod prometheus;
pub(crate) mod proxy_header;
pub(crate) mod raw;
pub(crate) mod recorded;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod sender;
pub(crate) mod strict;
pub(crate) mod table;
pub(crate) mod tls;
pub(crate) mod tool;
pub(crate) mod vestibule;
pub(crate) mod wire;

pub(crate) use answer::{Answer, Gate};
pub(crate) use deadline::{eventually, within};
pub(crate) use homeserver::Homeserver;
pub(crate) use raw::Raw;
pub(crate) use request::Request;
pub(crate) use response::Response;
pub(crate) use sender::Sender;
pub(crate) use table::Table;
pub(crate) use vestibule::{Door, Vestibule};
