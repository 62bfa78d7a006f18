//! Checks and header rules: pure functions over data.

mod body;
mod client_address;
mod networks;
mod refusal;
pub mod request_headers;
pub mod response_headers;

pub use body::BodyCount;
pub use client_address::{ClientAddress, TrustedProxies};
pub use networks::Networks;
pub use refusal::Refusal;
