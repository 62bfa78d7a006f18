//! The listener for those who run the server.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

use super::diagnostic::Diagnostic;
use super::section::Section;
use super::span::Spanned;
use super::value::{InvalidValue, ListenAddress, text_value};

/// A status page, metrics, `/healthz`, `/readyz` and the state of everything: plain HTTP,
/// no password. Calls that change something, such as draining a worker, need a unix
/// socket as `address`, or the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Admin {
    /// Where it listens, as a listener's address; `"off"` for nowhere.
    pub address: Spanned<AdminAddress>,
    /// Whether `address` may be one that other machines reach. Only behind a
    /// firewall: metrics and `/config` tell who talks to whom, and how.
    pub allow_remote: bool,
    /// A file with the token that calls over TCP must bring to change something,
    /// as `Authorization: Bearer`. Default: over TCP nothing can be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(title = "path", example = "/etc/vestibule/admin-token")]
    pub token_file: Option<Spanned<PathBuf>>,
}

/// Where the admin listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminAddress {
    /// Nowhere.
    Off,
    /// There.
    At(ListenAddress),
}

impl Admin {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let loopback = ListenAddress::Ip(([127, 0, 0, 1], 9180).into());
        let address = section.or("address", Spanned::from(AdminAddress::At(loopback)));
        let allow_remote = section.or("allow_remote", false);
        let token_file = section.path("token_file");
        let report = section.report();
        section.finish();
        if let Some(token_file) = &token_file {
            report.must_be_file(token_file);
        }
        if let AdminAddress::At(listen) = &*address
            && !listen.is_local()
            && !allow_remote
        {
            let message = format!("other machines would reach the admin listener on \"{listen}\"");
            let problem = Diagnostic::new(message, address.span());
            let help = "write address = \"127.0.0.1:9180\", or allow_remote = true";
            report.add(problem.help(help));
        }
        Self {
            address,
            allow_remote,
            token_file,
        }
    }
}

impl FromStr for AdminAddress {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "off" => Ok(Self::Off),
            text => text.parse().map(Self::At),
        }
    }
}

impl fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(address) => address.fmt(f),
        }
    }
}

text_value!(
    AdminAddress,
    "AdminAddress",
    "address or `\"off\"`",
    "an address such as \"127.0.0.1:9180\", or \"off\""
);
