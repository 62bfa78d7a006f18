//! Checks and header rules: pure functions over data.

pub mod balance;
mod body;
mod client_address;
mod freshness;
mod networks;
mod refusal;
pub mod request_headers;
pub mod response_headers;

pub use body::BodyCount;
pub use client_address::{ClientAddress, TrustedProxies};
pub use freshness::{Freshness, Standing, wants_new};
pub use networks::Networks;
pub use refusal::Refusal;
