//! The running process, asked by its admin listener.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;

use crate::admin::Token;
use crate::config::{AdminAddress, Config, ListenAddress};
use crate::message::{Fields, Protocol, RequestHead};
use crate::upstream::{Address, Deadlines, Health, Inquiry, Pool, Upstream};

/// How long the admin listener may take for one answer.
const ANSWER: Duration = Duration::from_secs(30);
/// The largest answer, in bytes.
const LARGEST_ANSWER: usize = 1 << 20;

/// What the questions are asked on.
pub(super) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// The admin listener of the running process.
pub(super) struct Running {
    upstream: Upstream,
    token: Option<Token>,
    /// Whether it would let us change something.
    pub(super) may_change: bool,
}

impl Running {
    /// The one of this configuration; `remedy` is what to do where there is none.
    pub(super) fn of(config: &Config, remedy: &str) -> Result<Self, String> {
        let AdminAddress::At(written) = &*config.admin.address else {
            return Err(format!(
                "admin.address is \"off\", so nobody can be asked; {remedy}"
            ));
        };
        let address = match written {
            ListenAddress::Any { port } => Address::Socket(([127, 0, 0, 1], *port).into()),
            ListenAddress::Ip(address) if address.ip().is_unspecified() => {
                Address::Socket(([127, 0, 0, 1], address.port()).into())
            }
            ListenAddress::Ip(address) => Address::Socket(*address),
            ListenAddress::Unix(path) => Address::Unix(path.clone()),
        };
        let token = config.admin.token_file.as_ref();
        // Who may not read it may still send a signal.
        let token = token.and_then(|path| Token::read(path).ok());
        let may_change = token.is_some() || matches!(address, Address::Unix(_));
        let health = Health::new(std::sync::Arc::default());
        Ok(Self {
            upstream: Upstream::new(written.to_string().into(), address, None, health),
            token,
            may_change,
        })
    }

    /// Asks for what is at `path`.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &'static str,
    ) -> Result<T, String> {
        let mut fields = Fields::default();
        fields.push("Host", "localhost");
        if let Some(token) = &self.token {
            fields.push("Authorization", token.as_bearer());
        }
        if method == Method::POST {
            fields.push("Content-Length", "0");
        }
        let head = RequestHead {
            method,
            target: Bytes::from_static(path.as_bytes()),
            protocol: Protocol::Http11,
            fields,
        };
        let deadlines = Deadlines {
            connect: ANSWER,
            idle: Duration::ZERO,
            write: ANSWER,
        };
        let pool = Pool::new();
        let inquiry = Inquiry {
            head: &head,
            body: Bytes::new(),
            most: LARGEST_ANSWER,
            within: ANSWER,
        };
        let asked = pool.ask(&self.upstream, &deadlines, &inquiry);
        let name = &self.upstream.name;
        let (answer, body) = asked.await.map_err(|reason| {
            format!(
                "the admin listener at {name} does not answer ({reason}); is vestibule running \
                 with this file, and was admin.address the same when it was loaded?"
            )
        })?;
        match answer.status {
            StatusCode::OK | StatusCode::UNPROCESSABLE_ENTITY => serde_json::from_slice(&body)
                .map_err(|_| format!("who answers at {name} is not vestibule")),
            StatusCode::FORBIDDEN => Err(format!(
                "the admin listener at {name} refuses the token of admin.token_file"
            )),
            status => Err(format!("the admin listener at {name} answers {status}")),
        }
    }
}
