//! What the files of a Synapse say about its processes, a configuration of ours
//! written from them, and what is wrong between the two.
//!
//! Files are read as Synapse 1.163 reads them (`synapse/config/`): later ones
//! override whole keys of earlier ones. Of each file only the keys are kept that
//! mean something here, so that no password or signing key can come out again.

mod address;
mod deployment;
mod document;
mod import;
mod lint;
mod listener;
mod node;
mod process;
mod remark;
mod role;
mod stream;
mod workers;

pub use deployment::Deployment;
pub use document::Document;
pub use import::{Imported, import};
pub use lint::lint;
pub use node::Fault;
pub use remark::{Kind, Remark};

#[cfg(test)]
mod tests;
