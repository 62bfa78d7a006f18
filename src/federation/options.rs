//! How a check is done.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;

use super::own::Own;
use super::signing::SigningKey;
use crate::matrix::ServerName;

/// How a check is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// Answers in place of DNS.
    pub resolve: Vec<Resolve>,
    /// Addresses that are reached elsewhere.
    pub connect_to: Vec<ConnectTo>,
    /// Whom to ask for names.
    pub dns: DnsSource,
    /// The authorities that are trusted.
    pub roots: Arc<RootCertStore>,
    /// Whether private addresses are connected to.
    pub allow_private: bool,
    /// The longest that a look-up, a connection or an answer may take.
    pub timeout: Duration,
    /// The server's own key, for signed requests to itself.
    pub signing_key: Option<Arc<SigningKey>>,
    /// Another server that is asked what it knows of the keys.
    pub notary: Option<ServerName>,
    /// That it is this program, where it is.
    pub own: Option<Own>,
}

impl Options {
    /// As another server would: nobody is trusted yet.
    pub fn new(timeout: Duration) -> Self {
        Self {
            resolve: Vec::new(),
            connect_to: Vec::new(),
            dns: DnsSource::System,
            roots: Arc::new(RootCertStore::empty()),
            allow_private: false,
            timeout,
            signing_key: None,
            notary: None,
            own: None,
        }
    }
}

/// Whom to ask for names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsSource {
    /// The resolvers of the system, and its hosts file.
    System,
    /// This resolver only.
    Server(SocketAddr),
    /// Nobody: only what [`Options::resolve`] says exists.
    Nobody,
}

/// `HOST:PORT:ADDRESS[,ADDRESS...]`: what to take for the addresses of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolve {
    /// The host, in lower case; `*` is any.
    pub host: String,
    /// The port that it is asked for; `None` (`*`) is any.
    pub port: Option<u16>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// `ADDRESS:PORT=ADDRESS:PORT`: where to connect in place of a published address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectTo {
    /// What was published.
    pub published: SocketAddr,
    /// Where to go.
    pub instead: SocketAddr,
}

/// Why an option cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write {0}")]
pub struct Malformed(&'static str);

impl FromStr for Resolve {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed =
            Malformed("HOST:PORT:ADDRESS[,ADDRESS...], as in example.org:443:192.0.2.1");
        let (host, rest) = match text
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]:"))
        {
            Some((host, rest)) => (format!("[{host}]"), rest),
            None => match text.split_once(':') {
                Some((host, rest)) => (host.to_owned(), rest),
                None => return Err(malformed),
            },
        };
        let Some((port, addresses)) = rest.split_once(':') else {
            return Err(malformed);
        };
        let port = match port {
            "*" => None,
            port => Some(port.parse().map_err(|_| malformed.clone())?),
        };
        let address = |text: &str| {
            let text = text.trim();
            let inner = text
                .strip_prefix('[')
                .and_then(|text| text.strip_suffix(']'));
            inner.unwrap_or(text).parse::<IpAddr>()
        };
        let addresses: Result<Vec<_>, _> = addresses.split(',').map(address).collect();
        Ok(Self {
            host: host.to_ascii_lowercase(),
            port,
            addresses: addresses.map_err(|_| malformed)?,
        })
    }
}

impl FromStr for ConnectTo {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed("ADDRESS:PORT=ADDRESS:PORT, as in 192.0.2.1:443=10.0.0.5:443");
        let (published, instead) = text.split_once('=').ok_or_else(malformed)?;
        let parsed = |text: &str| text.parse::<SocketAddr>().map_err(|_| malformed());
        Ok(Self {
            published: parsed(published)?,
            instead: parsed(instead)?,
        })
    }
}

impl Resolve {
    /// Whether it answers for this host and port.
    pub(super) fn covers(&self, host: &str, port: u16) -> bool {
        (self.host == "*" || self.host.eq_ignore_ascii_case(host))
            && self.port.is_none_or(|own| own == port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolve_has_the_syntax_of_curl() {
        let one: Resolve = "Example.org:443:192.0.2.1,[2001:db8::1]".parse().unwrap();
        assert!(one.covers("example.org", 443) && !one.covers("example.org", 8448));
        assert_eq!(one.addresses.len(), 2);
        let any: Resolve = "*:*:127.0.0.1".parse().unwrap();
        assert!(any.covers("b", 1));
        for text in ["", "a", "a:1", "a:x:1.2.3.4", "a:1:b", "a:1:"] {
            assert!(text.parse::<Resolve>().is_err(), "{text}");
        }
    }

    #[test]
    fn connect_to_maps_one_address_to_another() {
        let one: ConnectTo = "[2001:db8::1]:443=127.0.0.1:8443".parse().unwrap();
        assert_eq!(one.published, "[2001:db8::1]:443".parse().unwrap());
        assert!("a:443=b:443".parse::<ConnectTo>().is_err());
    }
}
