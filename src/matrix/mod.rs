//! Pure knowledge of Matrix: nothing here knows of configuration, sockets or pingora.

mod errcode;
mod server_name;

pub use errcode::{Errcode, error_body};
pub use server_name::{InvalidServerName, ServerName};
