//! Checks and header rules: pure functions over data.

pub mod balance;
mod body;
mod caller;
mod client_address;
mod freshness;
mod key_query;
mod networks;
pub mod origin_rules;
mod refusal;
pub mod request_headers;
pub mod response_headers;
mod signatures;
pub mod traffic;

pub use body::BodyCount;
pub use caller::Caller;
pub use client_address::{ClientAddress, TrustedProxies};
pub use freshness::{Freshness, Standing, wants_new};
pub use key_query::KeyQuery;
pub use networks::Networks;
pub use refusal::Refusal;
pub use signatures::Signatures;
