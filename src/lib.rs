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
//! | [`listen`] | sockets, PROXY protocol, TLS, certificates, connections, the head gate |
//! | [`matrix`] | pure knowledge of Matrix: server names, endpoints, well-known documents, errors |
//! | [`route`] | (site, method, raw path) to a route |
//! | [`policy`] | checks and header rules as pure functions |
//! | [`upstream`] | where requests go: addresses, pools, timeouts |
//! | [`proxy`] | the one `ProxyHttp`: the life of a request in order |
//! | [`telemetry`] | log, access log, metrics: every name declared once |
//! | [`admin`] | health, readiness and metrics on a listener of its own |
//!
//! The life of a request is told in `docs/ARCHITECTURE.md`.

pub mod admin;
pub mod cli;
pub mod config;
pub mod listen;
pub mod matrix;
pub mod policy;
pub mod proxy;
pub mod route;
pub mod runtime;
pub mod snapshot;
pub mod telemetry;
pub mod upstream;
