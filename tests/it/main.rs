//! The real program over loopback, against a stub homeserver.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, in helpers too"
)]
#![expect(
    clippy::excessive_nesting,
    reason = "`#[tokio::test]` adds a level, and tables are loops in loops"
)]
#![expect(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "readable requests matter here, allocations do not"
)]

mod acme;
mod acme_renewal;
mod admin;
mod bodies;
mod connections;
mod dashboard;
mod deadlines;
mod drain;
mod edge_cache;
mod errors;
mod exposure;
mod floods;
mod handshakes;
mod headers;
mod heads;
mod holding;
mod https_upstream;
mod key_floods;
mod local_first;
mod logs;
mod long_poll;
mod migrating;
mod origin_lists;
mod origin_rules;
#[cfg(feature = "otlp")]
mod otlp;
mod proxy_protocol;
mod python_clients;
mod redirects;
mod reload;
mod routes;
mod signatures;
mod sites;
mod smuggling;
mod starting;
mod static_folder;
mod status_page;
mod strangers;
mod support;
mod targets;
mod tls_listener;
mod traffic;
mod unix_sockets;
mod upgrade;
mod upstream_answers;
mod upstream_connections;
mod websocket;
mod well_known;
mod workers;
