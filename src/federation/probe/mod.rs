//! What is asked of the addresses that discovery found, and of the place where clients are led.

pub(super) mod address;
pub(super) mod client;
pub(super) mod federation;
pub(super) mod leak;
pub(super) mod path;
pub(super) mod protocol;
pub(super) mod signed;

use std::net::SocketAddr;

use super::context::{Context, Failure};
use super::http::{Answer, Request};

/// A place that answered, with the names under which it is asked.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) address: SocketAddr,
    /// The name that the certificate must be for.
    pub(super) tls_name: String,
    /// What is written into `Host`.
    pub(super) host_header: String,
}

impl Place {
    /// A GET for it.
    pub(super) fn get(&self, target: impl Into<String>) -> Request {
        Request::get(self.host_header.clone(), target)
    }

    /// Asks it.
    pub(super) async fn ask(
        &self,
        context: &Context,
        request: &Request,
    ) -> Result<Answer, Failure> {
        // Many of these wait at once.
        Box::pin(context.ask(self.address, &self.tls_name, request)).await
    }
}
