//! Networks of IP addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::{InvalidValue, text_value};

const HELP: &str = "write a network such as \"10.0.0.0/8\" or \"2001:db8::/32\", \
                    or a single address";

/// A network in CIDR notation; a single address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpNet);

impl Network {
    /// As ipnet's type.
    pub fn net(self) -> IpNet {
        self.0
    }
}

impl FromStr for Network {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(IpNet::from(address.to_canonical())));
        }
        let Ok(net) = text.parse::<IpNet>() else {
            let message = format!("{text:?} is not a network");
            return Err(InvalidValue::new(message, HELP));
        };
        if net.trunc() != net {
            let message = format!("{text:?} has bits beyond its prefix");
            let (whole, single) = (net.trunc(), net.addr());
            let help = format!("write \"{whole}\" for the network or \"{single}\" for the address");
            return Err(InvalidValue::new(message, help));
        }
        Ok(Self(net))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_value!(
    Network,
    "Network",
    "network",
    "a network such as \"10.0.0.0/8\""
);

/// Whose word about the client's address is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrustedProxy {
    /// Proxies in a network.
    Network(Network),
    /// `unix`: whoever connects through a unix socket.
    Unix,
}

impl FromStr for TrustedProxy {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "unix" => Ok(Self::Unix),
            text => text.parse().map(Self::Network),
        }
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

text_value!(
    TrustedProxy,
    "TrustedProxy",
    "network or `\"unix\"`",
    "a network such as \"10.0.0.0/8\", or \"unix\""
);
