//! Pure knowledge of Matrix: nothing here knows of configuration, sockets or pingora.

mod access_token;
pub mod affinity;
pub mod budget;
pub mod canonical_json;
pub mod cors;
pub mod endpoint;
mod errcode;
pub mod initial_sync;
pub mod path;
mod profile;
mod query;
pub mod server_keys;
pub mod server_list;
mod server_name;
mod server_pattern;
pub mod signature;
mod unpadded_base64;
pub mod well_known;
pub mod worker;
mod x_matrix;

pub use access_token::{access_token, native_localpart};
pub use errcode::{Errcode, error_body, limit_exceeded_body};
pub use profile::Profile;
pub use server_name::{InvalidServerName, ServerName};
pub use server_pattern::{Glob, InvalidServerPattern, ServerPattern};
pub use unpadded_base64::BASE64;
pub use x_matrix::{ClaimedOrigin, Credentials, XMatrix, credentials};
