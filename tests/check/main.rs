//! A zoo of deployments, each broken in one way: `vestibule check` names that fault, and no other.
//!
//! Everything is on loopback. Names come from a DNS server of the test, published addresses are
//! those of documentation and lead to loopback by `--connect-to`. In front of a stub that answers
//! as Synapse 1.163 does stand real nginx, HAProxy and Apache; where one is missing, a test says
//! so and passes, and fails where `CI` is set. In `synapse` real Synapse stands there, from the
//! environment `VESTIBULE_SYNAPSE_VENV` (default `target/synapse-venv`, installed when missing).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, in helpers too"
)]

mod apache;
mod authority;
mod client_faults;
mod complete;
mod deployment;
mod distance;
mod dns;
mod dns_faults;
mod haproxy;
mod homeserver;
mod imported;
mod key_faults;
mod names;
mod nginx;
mod program;
mod report;
mod running_configuration;
mod schema;
mod signed_faults;
mod synapse;
mod tls_faults;
mod watch;
mod well_known;
