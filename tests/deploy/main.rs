//! What `deploy/` has is right, and works: each file is read by the tool that it is for.
//!
//! A test whose tool is missing says so and passes; where `CI` is set it fails. Nothing here needs
//! a running systemd, a container engine or a cluster.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in helpers too"
)]

mod chart;
mod compose;
mod container;
mod debian;
mod machine;
mod shell;
mod systemd;
