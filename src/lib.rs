//! Vestibule: the front door of a Matrix homeserver.
//!
//! # Module map
//!
//! | module | what it holds |
//! |---|---|
//! | [`cli`] | one file per command |
//! | [`config`] | what the operator *wrote*: one file per section, spans, all errors at once |
//! | [`snapshot`] | what *runs*: a configuration compiled into one immutable value |
//! | [`runtime`] | start and drain; wires everything, decides nothing |
//! | [`listen`] | sockets, PROXY protocol, TLS, certificates, connections, the client's side of requests |
//! | [`acme`] | certificates: ordered, renewed and kept |
//! | [`lists`] | lists of servers for rules: read again and again from files, web servers and rooms |
//! | [`matrix`] | pure knowledge of Matrix: server names, endpoints, well-known documents, errors |
//! | [`message`] | HTTP heads, whose fields keep their order and spelling, and the decoder of chunks |
//! | [`route`] | (site, method, raw path) to a route |
//! | [`synapse`] | what Synapse's own files say: import, and what is wrong beside a configuration |
//! | [`migrate`] | configurations of other proxies, read and written anew as ours |
//! | [`policy`] | checks and header rules as pure functions |
//! | [`upstream`] | where requests go: addresses, deadlines, pools, connections |
//! | [`traffic`] | who goes to a homeserver now, and who waits |
//! | [`proxy`] | the life of a request in order, and the one `ProxyHttp`, for tunnels |
//! | [`telemetry`] | log, access log, metrics: every name declared once |
//! | [`federation`] | the doctor: discovery, probes and keys as other servers see them, and the report |
//! | [`keys`] | the keys of other servers: looked up through the homeserver, checked, remembered |
//! | [`admin`] | health, readiness, metrics, the status page and reload, on a listener of its own |
//!
//! The life of a request is told in `docs/ARCHITECTURE.md`.

pub mod acme;
pub mod admin;
pub mod cli;
pub mod config;
pub mod federation;
pub mod keys;
pub mod listen;
pub mod lists;
pub mod matrix;
pub mod message;
pub mod migrate;
pub mod policy;
pub mod proxy;
pub mod route;
pub mod runtime;
pub mod snapshot;
pub mod synapse;
pub mod telemetry;
pub mod traffic;
pub mod upstream;
