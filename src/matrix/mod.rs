//! Pure knowledge of Matrix: nothing here knows of configuration, sockets or pingora.

pub mod cors;
pub mod endpoint;
mod errcode;
pub mod path;
mod profile;
mod server_name;
pub mod well_known;
pub mod worker;

pub use errcode::{Errcode, error_body};
pub use profile::Profile;
pub use server_name::{InvalidServerName, ServerName};
